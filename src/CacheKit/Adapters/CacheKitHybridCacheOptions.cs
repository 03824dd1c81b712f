using Microsoft.Extensions.Caching.Hybrid;

namespace CacheKit.Adapters;

/// <summary>How a cache stands in for <see cref="HybridCache"/>. The properties are named as those of the platform's own options.</summary>
public sealed class CacheKitHybridCacheOptions
{
    internal const int LeastPayloadBytes = 1024;

    /// <summary>What entries have where a call leaves it unset. Default: what the cache's own defaults say, or else no limit.</summary>
    /// <remarks>As in a call, an <see cref="HybridCacheEntryOptions.Expiration"/> alone is that of memory, too.</remarks>
    public HybridCacheEntryOptions? DefaultEntryOptions { get; set; }

    /// <summary>Keys and tags of more characters are not cached under: the value is created, once for all who ask meanwhile, and logged about. Default: 1,024.</summary>
    /// <value>At least 1.</value>
    public int MaximumKeyLength { get; set; } = 1024;

    /// <summary>
    /// Entries of more bytes, as written for the cache's stores, are not kept there: the caller gets the value, and memory keeps it. Holds for whatever
    /// is stored in the cache. Default: what each store's <see cref="CacheStoreOptions.MaximumEntryBytes"/> says.
    /// </summary>
    /// <value>At least 1; fewer than 1,024 count as 1,024.</value>
    public long? MaximumPayloadBytes { get; set; }

    /// <summary>Whether values are never compressed on their way to a store. Default: as the cache says.</summary>
    public bool DisableCompression { get; set; }
}
