namespace CacheKit.Diagnostics;

/// <summary>Counts what a cache does with one store; see <see cref="CacheTierStatistics"/> for what each number means.</summary>
internal sealed class StoreCounters : IDisposable
{
    private readonly HitCounter _hits = new();
    private readonly HitCounter _misses = new();
    private readonly HitCounter _writes = new();
    private readonly HitCounter _removals = new();
    private readonly HitCounter _readTicks = new();
    private readonly HitCounter _writeTicks = new();
    private readonly HitCounter _refusals = new(); // as many as calls, while the circuit is open
    private long _failures, _timeouts, _failuresInARow;
    private string? _lastFailure;

    internal void Read(bool isHit) => (isHit ? _hits : _misses).Increment();

    internal void Write(int keys) => _writes.Add(keys);

    internal void Removal(int keys) => _removals.Add(keys);

    internal void Refusal() => _refusals.Increment();

    /// <summary>Whether the last call ended with an error or was given up.</summary>
    internal bool HasFailedLast => Volatile.Read(ref _failuresInARow) != 0;

    internal void Failure(string reason)
    {
        Volatile.Write(ref _lastFailure, reason);
        Interlocked.Increment(ref _failures);
        Interlocked.Increment(ref _failuresInARow);
    }

    internal void Timeout(string reason)
    {
        Volatile.Write(ref _lastFailure, reason);
        Interlocked.Increment(ref _timeouts);
        Interlocked.Increment(ref _failuresInARow);
    }

    internal void Success()
    {
        if (Volatile.Read(ref _failuresInARow) != 0) // so that the line stays shared while all is well
        {
            Volatile.Write(ref _failuresInARow, 0);
            Volatile.Write(ref _lastFailure, null);
        }
    }

    internal void Waited(TimeSpan elapsed, bool isRead) => (isRead ? _readTicks : _writeTicks).Add(elapsed.Ticks);

    internal CacheTierStatistics Snapshot(string name, CircuitState circuit, long pendingRecoveries, long missingBytes, string? trouble) => new()
    {
        Name = name,
        Hits = _hits.Value,
        Misses = _misses.Value,
        Writes = _writes.Value,
        Removals = _removals.Value,
        Failures = Volatile.Read(ref _failures),
        Timeouts = Volatile.Read(ref _timeouts),
        FailuresInARow = Volatile.Read(ref _failuresInARow),
        LastFailure = Volatile.Read(ref _lastFailure),
        Refusals = _refusals.Value,
        ReadTime = new(_readTicks.Value),
        WriteTime = new(_writeTicks.Value),
        Circuit = circuit,
        PendingRecoveries = pendingRecoveries,
        MissingBytes = missingBytes,
        Trouble = trouble,
    };

    public void Dispose()
    {
        _hits.Dispose();
        _misses.Dispose();
        _writes.Dispose();
        _removals.Dispose();
        _readTicks.Dispose();
        _writeTicks.Dispose();
        _refusals.Dispose();
    }
}
