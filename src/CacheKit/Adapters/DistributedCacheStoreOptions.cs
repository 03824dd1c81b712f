using Microsoft.Extensions.Caching.Distributed;

namespace CacheKit.Adapters;

/// <summary>Which <see cref="IDistributedCache"/> serves as a store of a cache.</summary>
public sealed class DistributedCacheStoreOptions
{
    /// <summary>The key of the service, for one that is registered under a key. Default: the one without a key.</summary>
    public object? ServiceKey { get; set; }

    /// <summary>Gives the distributed cache, in place of the services. It stays the caller's: it is not disposed.</summary>
    public Func<IServiceProvider, IDistributedCache>? Create { get; set; }

    /// <summary>What all keys in the distributed cache begin with. Default: <c>cachekit:</c>, the name of the cache, and a colon.</summary>
    /// <value>Caches that share entries have the same, all others a different one, none of which begins with another.</value>
    public string? KeyPrefix { get; set; }
}
