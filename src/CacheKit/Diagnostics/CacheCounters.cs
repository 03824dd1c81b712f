namespace CacheKit.Diagnostics;

/// <summary>Counts what one cache does; see <see cref="CacheStatistics"/> for what each number means.</summary>
/// <remarks>What happens at every call is counted per thread; the rest is rare, or costs much more than an interlocked addition.</remarks>
internal sealed class CacheCounters : IDisposable
{
    private readonly HitCounter _hits = new();
    private readonly HitCounter _misses = new();
    private readonly HitCounter _sets = new();
    private readonly HitCounter _evictions = new();
    private readonly HitCounter _factoryRuns = new();
    private readonly HitCounter _factoryTicks = new();
    private long _staleHits, _joins;
    private long _factoryFailures, _backgroundRefreshes, _discardedResults;
    private long _removals, _refusals;
    private long _replacements, _expirations, _tokenExpirations;

    internal HitCounter HitCounter => _hits;

    internal void Hit() => _hits.Increment();

    internal void StaleHit() => Interlocked.Increment(ref _staleHits);

    internal void Miss() => _misses.Increment();

    internal void Join() => Interlocked.Increment(ref _joins);

    internal void FactoryStarted(bool isBackgroundRefresh)
    {
        _factoryRuns.Increment();
        if (isBackgroundRefresh)
        {
            Interlocked.Increment(ref _backgroundRefreshes);
        }
    }

    internal void FactoryEnded(TimeSpan elapsed, bool hasFailed)
    {
        _factoryTicks.Add(elapsed.Ticks);
        if (hasFailed)
        {
            Interlocked.Increment(ref _factoryFailures);
        }
    }

    internal void DiscardedResult() => Interlocked.Increment(ref _discardedResults);

    internal void Set() => _sets.Increment();

    internal void Removal() => Interlocked.Increment(ref _removals);

    internal void Refusal() => Interlocked.Increment(ref _refusals);

    internal void Ended(CacheEntryEndReason reason)
    {
        switch (reason)
        {
            case CacheEntryEndReason.Replaced:
                Interlocked.Increment(ref _replacements);
                break;
            case CacheEntryEndReason.Evicted:
                _evictions.Increment();
                break;
            case CacheEntryEndReason.Expired:
                Interlocked.Increment(ref _expirations);
                break;
            case CacheEntryEndReason.TokenChanged:
                Interlocked.Increment(ref _tokenExpirations);
                break;
            case CacheEntryEndReason.Removed:
                break; // the calls are counted instead: one removal by tag ends any number of entries, most of them later
        }
    }

    internal CacheStatistics Snapshot(long entries, long weight, IReadOnlyList<CacheTierStatistics>? tiers = null, bool hasMemory = true) => new()
    {
        Hits = _hits.Value,
        StaleHits = Volatile.Read(ref _staleHits),
        Misses = _misses.Value,
        Joins = Volatile.Read(ref _joins),
        FactoryRuns = _factoryRuns.Value,
        FactoryFailures = Volatile.Read(ref _factoryFailures),
        FactoryTime = new(_factoryTicks.Value),
        BackgroundRefreshes = Volatile.Read(ref _backgroundRefreshes),
        DiscardedResults = Volatile.Read(ref _discardedResults),
        Sets = _sets.Value,
        Removals = Volatile.Read(ref _removals),
        Replacements = Volatile.Read(ref _replacements),
        Evictions = _evictions.Value,
        Expirations = Volatile.Read(ref _expirations),
        TokenExpirations = Volatile.Read(ref _tokenExpirations),
        Refusals = Volatile.Read(ref _refusals),
        Entries = entries,
        Weight = weight,
        Tiers = tiers ?? [],
        HasMemory = hasMemory,
    };

    public void Dispose()
    {
        _hits.Dispose();
        _misses.Dispose();
        _sets.Dispose();
        _evictions.Dispose();
        _factoryRuns.Dispose();
        _factoryTicks.Dispose();
    }
}
