using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLogger : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(int Id, string Text, LogLevel Level, Exception? Exception)> _messages = [];

    internal IReadOnlyList<(int Id, string Text, LogLevel Level, Exception? Exception)> Messages => [.. _messages];

    /// <summary>What is read where nobody debugs anything.</summary>
    internal IReadOnlyList<(int Id, string Text, LogLevel Level, Exception? Exception)> Told => [.. _messages.Where(message => message.Level >= LogLevel.Information)];

    internal void Clear() => _messages.Clear();

    internal int Count(int id) => _messages.Count(message => message.Id == id);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _messages.Enqueue((eventId.Id, formatter(state, exception), logLevel, exception));

    public void Dispose()
    {
    }
}
