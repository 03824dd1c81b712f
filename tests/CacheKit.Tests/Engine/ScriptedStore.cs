using CacheKit.Stores;

namespace CacheKit.Tests.Engine;

/// <summary>A store that does what the test says, and by default answers at once.</summary>
internal sealed class ScriptedStore : IBatchStore, IStoreHealth
{
    internal Func<CancellationToken, ValueTask<StoreLookup>> Reads { get; set; } = static _ => new(StoreLookup.Missing(1));

    internal Func<CancellationToken, ValueTask<StoreWriteResult>> Writes { get; set; } = static _ => new(new StoreWriteResult(StoreWriteOutcome.Stored, 2));

    internal Func<CancellationToken, ValueTask<StoreInvalidation>> Invalidations { get; set; } = static _ => new(new StoreInvalidation(3, WasFresh: true));

    internal Func<ValueTask> Disposal { get; set; } = static () => default;

    /// <summary>What the last read was told.</summary>
    internal StoreReadOptions LastRead { get; private set; }

    /// <summary>How many calls have reached the store.</summary>
    internal int Calls => Volatile.Read(ref _calls);

    public string Name => "scripted";

    public string? Trouble { get; set; }

    public bool LogsOutages { get; set; }

    private int _calls;

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        LastRead = options;
        return Reads(cancellationToken);
    }

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return Writes(cancellationToken);
    }

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return Invalidations(cancellationToken);
    }

    public async ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return (await Invalidations(cancellationToken)).Stamp;
    }

    public async ValueTask<long> ClearAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return (await Invalidations(cancellationToken)).Stamp;
    }

    public async ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        return (await Writes(cancellationToken)).IsStored;
    }

    public async ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(
        IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _calls);
        var lookups = new List<StoreLookup>();
        foreach (var _ in keys)
        {
            lookups.Add(await Reads(cancellationToken));
        }

        return lookups;
    }

    public ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken) =>
        new(new StoreWriteResult[writes.Count]);

    public ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(
        IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken) => new(new StoreInvalidation[keys.Count]);

    public ValueTask DisposeAsync() => Disposal();
}
