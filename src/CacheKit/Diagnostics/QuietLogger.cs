using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Passes on at Debug whatever it is given: what somebody else tells already.</summary>
internal sealed class QuietLogger(ILogger inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && inner.IsEnabled(LogLevel.Debug);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel != LogLevel.None)
        {
            inner.Log(LogLevel.Debug, eventId, state, exception, formatter);
        }
    }
}
