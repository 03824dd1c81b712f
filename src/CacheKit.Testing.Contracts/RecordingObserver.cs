using System.Collections.Concurrent;

namespace CacheKit.Testing.Contracts;

/// <summary>Writes down what a cache tells its observers, one line each: <c>Removed k</c>, <c>Made k</c>, <c>Failed k</c>, <c>Stale k</c>.</summary>
public sealed class RecordingObserver : CacheObserver
{
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _awaited = new(StringComparer.Ordinal);

    /// <summary>What has happened, in order.</summary>
    public IReadOnlyList<string> Lines => [.. _lines];

    /// <summary>How often something has happened.</summary>
    public int Count(string line) => _lines.Count(known => known == line);

    /// <summary>Completes when something has happened, which may be before.</summary>
    public Task WhenAsync(string line) => Awaited(line).Task;

    /// <inheritdoc/>
    public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) =>
        Note($"{reason} {key}");

    /// <inheritdoc/>
    public override void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed) => Note($"Made {key}");

    /// <inheritdoc/>
    public override void OnFactoryFailed(string cacheName, string key, Exception exception, TimeSpan elapsed) => Note($"Failed {key}");

    /// <inheritdoc/>
    public override void OnStaleServed(string cacheName, string key) => Note($"Stale {key}");

    private void Note(string line)
    {
        _lines.Enqueue(line);
        Awaited(line).TrySetResult();
    }

    private TaskCompletionSource Awaited(string line) =>
        _awaited.GetOrAdd(line, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
