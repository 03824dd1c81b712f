using System.Globalization;

namespace CacheKit;

/// <summary>What a cache has done since it was created, as of one moment.</summary>
/// <remarks>
/// Each number is exact; taken while calls are under way, they may differ by those calls. Every look-up, by a get or a
/// get-or-create and for each key, counts once: as a hit if it found an unexpired value, as a join if it waited for a
/// factory that somebody else had started, else as a miss.
/// </remarks>
public sealed class CacheStatistics
{
    /// <summary>Look-ups that found an unexpired value.</summary>
    public long Hits { get; init; }

    /// <summary>
    /// Those of the misses and joins that were answered with an expired value all the same: by fail-safe, by a soft
    /// timeout, or because stale values were asked for.
    /// </summary>
    public long StaleHits { get; init; }

    /// <summary>Look-ups that found no unexpired value and no factory running for the key.</summary>
    public long Misses { get; init; }

    /// <summary>Look-ups that found no unexpired value, and waited for a factory already running instead of starting one.</summary>
    public long Joins { get; init; }

    /// <summary>Factories started, for callers and in the background.</summary>
    public long FactoryRuns { get; init; }

    /// <summary>Factories that failed, were cancelled, or timed out.</summary>
    public long FactoryFailures { get; init; }

    /// <summary>Time spent in factories that have ended, summed.</summary>
    public TimeSpan FactoryTime { get; init; }

    /// <summary>Refreshes started in the background because an entry neared its expiration; part of <see cref="FactoryRuns"/>.</summary>
    public long BackgroundRefreshes { get; init; }

    /// <summary>Results of factories that were not stored: overtaken by a removal or a newer value, or past their hard timeout, or wanted by nobody any more.</summary>
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

    /// <summary>Values not stored because they were too heavy: for the whole cache, or against the many they would have displaced.</summary>
    public long Refusals { get; init; }

    /// <summary>Entries held now, expired ones that have not left yet included.</summary>
    public long Entries { get; init; }

    /// <summary>What the entries weigh now, in bytes, for a cache bounded by <see cref="MemoryOptions.MaximumBytes"/>; else their number.</summary>
    public long Weight { get; init; }

    /// <summary>What was done with each store, nearest first; empty for a cache of memory alone.</summary>
    public IReadOnlyList<CacheTierStatistics> Tiers { get; init; } = [];

    /// <summary>The share of look-ups that were hits: 0 to 1; 0 before the first.</summary>
    public double HitRatio => Hits + Misses + Joins is var lookups && lookups == 0 ? 0 : (double)Hits / lookups;

    /// <summary>Whether the cache keeps entries in memory, of which there is something to tell.</summary>
    internal bool HasMemory { get; init; } = true;

    /// <summary>A few lines to read: of the cache, of its memory if it has any, then of each store.</summary>
    public override string ToString()
    {
        var lines = new List<string>
        {
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Hits} hits ({100 * HitRatio:0.#} %), {Misses} misses, {Joins} joins ({StaleHits} answered stale), {FactoryRuns} factory runs ({FactoryFailures} failed), {Sets} sets, {Removals} removals"),
        };
        if (HasMemory)
        {
            lines.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"  memory: {Entries} entries of weight {Weight}, {Evictions} evicted, {Expirations} expired, {Replacements} replaced, {Refusals} refused"));
        }

        lines.AddRange(Tiers.Select(static tier => $"  {tier}"));
        return string.Join(Environment.NewLine, lines);
    }
}
