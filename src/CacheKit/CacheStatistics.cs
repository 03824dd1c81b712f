namespace CacheKit;

/// <summary>What a cache has done since it was created, as of one moment.</summary>
/// <remarks>
/// Each number is exact; taken while calls are under way, they may differ by those calls. A caller who finds a value is
/// a hit; one who does not, in a get or a get-or-create, is a miss; one of these who then waits for a factory that
/// somebody else started is a join as well.
/// </remarks>
public sealed class CacheStatistics
{
    /// <summary>Look-ups that found an unexpired value.</summary>
    public long Hits { get; init; }

    /// <summary>Look-ups answered with an expired value: fail-safe, soft timeout, or stale reads that were asked for.</summary>
    public long StaleHits { get; init; }

    /// <summary>Look-ups that found no unexpired value.</summary>
    public long Misses { get; init; }

    /// <summary>Misses that waited for a factory already running instead of starting one.</summary>
    public long Joins { get; init; }

    /// <summary>Factories started, for callers and in the background.</summary>
    public long FactoryRuns { get; init; }

    /// <summary>Factories that failed, were cancelled, or timed out.</summary>
    public long FactoryFailures { get; init; }

    /// <summary>Time spent in factories that have ended, summed.</summary>
    public TimeSpan FactoryTime { get; init; }

    /// <summary>Refreshes started in the background because an entry neared its expiration; part of <see cref="FactoryRuns"/>.</summary>
    public long BackgroundRefreshes { get; init; }

    /// <summary>Results of factories that were not stored, because a removal or a newer value overtook them.</summary>
    public long DiscardedResults { get; init; }

    /// <summary>Values stored by a set, an add or a counter.</summary>
    public long Sets { get; init; }

    /// <summary>Calls that removed or expired, by key, by tag, or by clearing; a removal of many keys counts each.</summary>
    public long Removals { get; init; }

    /// <summary>Entries that left because a newer value took their place.</summary>
    public long Replacements { get; init; }

    /// <summary>Entries that left to make room or to relieve memory.</summary>
    public long Evictions { get; init; }

    /// <summary>Entries that left because their time was over.</summary>
    public long Expirations { get; init; }

    /// <summary>Entries that left because a change token fired.</summary>
    public long TokenExpirations { get; init; }

    /// <summary>Values not stored because they were too heavy for the whole cache.</summary>
    public long Refusals { get; init; }

    /// <summary>Entries held now, expired ones that have not left yet included.</summary>
    public long Entries { get; init; }

    /// <summary>What the entries weigh now, in bytes, for a cache bounded by <see cref="MemoryOptions.MaximumBytes"/>; else their number.</summary>
    public long Weight { get; init; }

    /// <summary>The share of look-ups that were hits, stale ones included: 0 to 1; 0 before the first.</summary>
    public double HitRatio => Hits + StaleHits + Misses is var total && total == 0 ? 0 : (double)(Hits + StaleHits) / total;
}
