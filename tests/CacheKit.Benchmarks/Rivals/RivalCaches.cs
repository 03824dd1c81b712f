using BitFaster.Caching;
using BitFaster.Caching.Lfu;
using BitFaster.Caching.Lru;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.DependencyInjection;
using ZiggyCreatures.Caching.Fusion;

namespace CacheKit.Benchmarks.Rivals;

/// <summary>Other caches for .NET, as their pages say to set them up, with room for a number of entries and an expiration of an hour, as all of them are used.</summary>
internal static class RivalCaches
{
    internal static readonly TimeSpan Expiration = TimeSpan.FromHours(1);

    internal static ConcurrentLru<string, string> CreateLru(int capacity) => new(capacity);

    /// <summary>With expiration after writing, which makes it compute the time on each hit.</summary>
    internal static BitFaster.Caching.ICache<string, string> CreateExpiringLru(int capacity) =>
        new ConcurrentLruBuilder<string, string>().WithCapacity(capacity).WithExpireAfterWrite(Expiration).Build();

    internal static BitFaster.Caching.ICache<string, string> CreateExpiringLfu(int capacity) =>
        new ConcurrentLfuBuilder<string, string>().WithCapacity(capacity).WithExpireAfterWrite(Expiration).Build();

    /// <summary>With one factory at a time for each key.</summary>
    internal static IAsyncCache<string, string> CreateAtomicLru(int capacity) =>
        new ConcurrentLruBuilder<string, string>().WithCapacity(capacity).AsAsyncCache().WithAtomicGetOrAdd().Build();

    internal static FusionCache CreateFusion(int? capacity = null)
    {
        var options = new FusionCacheOptions { DefaultEntryOptions = { Duration = Expiration, Size = capacity is null ? null : 1 } };
        return new FusionCache(options, capacity is null ? null : new MemoryCache(new MemoryCacheOptions { SizeLimit = capacity }));
    }

    /// <summary>Over memory alone. Its own memory is a MemoryCache, whose size counts bytes.</summary>
    internal static HybridCache CreateHybrid()
    {
        var services = new ServiceCollection();
        services.AddHybridCache(options => options.DefaultEntryOptions = new() { Expiration = Expiration, LocalCacheExpiration = Expiration });
        return services.BuildServiceProvider().GetRequiredService<HybridCache>();
    }
}
