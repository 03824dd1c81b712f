using CacheKit.Adapters;
using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using CacheKit.Testing.Contracts;
using CacheKit.Tests.Disk;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Contract;

/// <summary>Makes and checks caches that have stores.</summary>
internal static class TieredCache
{
    internal static ValueTask<ICache> Build(CacheContractOptions options, TimeProvider time, bool hasMemory, params ICacheStore[] stores) =>
        new(new Cache(
            options.Name, options.Cache, options.Memory, time, NullLogger.Instance, [.. options.Observers], meters: null,
            stores: [.. stores.Select(store => new StoreSetup(store, new CacheStoreOptions()))], hasMemory: hasMemory));

    internal static ICacheStore Store(TimeProvider time, string name = "store") => new InMemoryStore(new InMemoryStoreState(), time) { Name = name };

    internal static ICacheStore Distributed(TimeProvider time) => new DistributedCacheStore(
        new MemoryDistributedCache(Microsoft.Extensions.Options.Options.Create(new MemoryDistributedCacheOptions())), "contract:", time);

    /// <summary>A disk store in a folder of its own, which is gone when it is disposed.</summary>
    internal static ICacheStore Disk(TimeProvider time) => new DiskStore(new()
    {
        Path = Path.Combine(Path.GetTempPath(), "cachekit-contract"),
        CacheName = "default",
        Geometry = DiskGeometry.For(64 << 20, 1024, null),
        HashSeed = DiskFolder.SeedWithoutCollisions,
        TimeProvider = time,
        Logger = NullLogger.Instance,
        IsShared = false,
    });

    internal static ValueTask Verify(ICache cache)
    {
        ((Cache)cache).Verify();
        return default;
    }
}
