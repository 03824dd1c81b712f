using Microsoft.Extensions.Logging;

namespace CacheKit.Tests.Diagnostics;

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLogger : ILogger
{
    internal List<(LogLevel Level, int Id, string Message, Exception? Exception)> Messages { get; } = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (Messages)
        {
            Messages.Add((logLevel, eventId.Id, formatter(state, exception), exception));
        }
    }
}

/// <summary>Gives one recording logger to every category.</summary>
internal sealed class RecordingLoggerProvider(RecordingLogger logger) : ILoggerProvider
{
    internal List<string> Categories { get; } = [];

    public ILogger CreateLogger(string categoryName)
    {
        Categories.Add(categoryName);
        return logger;
    }

    public void Dispose()
    {
    }
}

/// <summary>A log sink that is broken.</summary>
internal sealed class ThrowingLogger : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => throw new InvalidOperationException("The sink is broken.");

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        throw new InvalidOperationException("The sink is broken.");
}

/// <summary>A log sink that does something at each message.</summary>
internal sealed class CallingLogger(Action called) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => called();
}
