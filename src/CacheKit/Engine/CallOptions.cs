namespace CacheKit.Engine;

/// <summary>What the options of a call come to, with those of the cache behind them.</summary>
internal static class CallOptions
{
    internal static CacheTiers TiersOf(CacheEntryOptions? options, CacheEntryOptions defaults) => options?.Tiers ?? defaults.Tiers ?? CacheTiers.All;

    internal static bool AllowsStale(CacheEntryOptions? options, CacheEntryOptions defaults) => options?.AllowStale ?? defaults.AllowStale ?? false;

    /// <summary>
    /// Whether a caller has nothing that could end its wait for the stores before these answer, in the time they have: who leads a flight and stays
    /// need not be woken by it.
    /// </summary>
    internal static bool StaysAboard(CacheEntryOptions? options, CacheEntryOptions defaults, CancellationToken cancellationToken) =>
        !cancellationToken.CanBeCanceled && (options?.SoftTimeout ?? defaults.SoftTimeout) is null && (options?.HardTimeout ?? defaults.HardTimeout) is null;
}
