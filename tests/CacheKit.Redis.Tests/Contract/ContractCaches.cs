using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Testing.Contracts;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Redis.Tests.Contract;

/// <summary>Makes the caches of a contract's test, on a server and a connection that it shares with others, under prefixes of its own.</summary>
internal sealed class ContractCaches(SharedServers servers, Tiers tiers, Topology topology)
{
    private readonly string _prefix = servers.NextPrefix();
    private readonly Dictionary<string, int> _made = [];

    internal bool HasMemory => tiers != Tiers.RedisAlone;

    /// <summary>On one combination enough to pass the bounds of what is remembered; a taste on the others, since each call is a round trip.</summary>
    internal int Rounds(int wanted) => Math.Max(10, (tiers, topology) == (Tiers.MemoryAndRedis, Topology.OneServer) ? wanted / 4 : wanted / 100);

    /// <summary>Each empty, also one of a name there is already; caches of different names share their prefix.</summary>
    internal async ValueTask<ICache> BuildAsync(CacheContractOptions options, TimeProvider time)
    {
        RedisServer.Require();
        var number = _made[options.Name] = _made.GetValueOrDefault(options.Name) + 1;
        var redis = new RedisOptions { KeyPrefix = $"{_prefix}-{number}" };
        redis.UseConnection(await servers.ConnectionAsync(topology));

        // A test moves its clock by minutes while one command is on its way, and the limits go by that clock.
        var use = new CacheStoreOptions { ReadTimeout = Timeout.InfiniteTimeSpan, WriteTimeout = Timeout.InfiniteTimeSpan };
        List<StoreSetup> stores = [new(new RedisStore(redis, TestStores.Context(time, name: options.Name)), use)];
        if (tiers == Tiers.MemoryDiskAndRedis)
        {
            stores.Insert(0, new(Disk(options.Name, time), use));
        }

        return new Cache(
            options.Name, options.Cache, options.Memory, time, NullLogger.Instance, [.. options.Observers], meters: null, stores: stores, hasMemory: HasMemory);
    }

    internal static ValueTask VerifyAsync(ICache cache)
    {
        ((Cache)cache).Verify();
        return default;
    }

    /// <summary>In a folder of its own, which is gone when it is disposed.</summary>
    private static DiskStore Disk(string name, TimeProvider time) => new DiskStore(new()
    {
        Path = Path.Combine(Path.GetTempPath(), "cachekit-redis-contract"),
        CacheName = name,
        Geometry = DiskGeometry.For(64 << 20, 1024, null),
        TimeProvider = time,
        Logger = NullLogger.Instance,
        IsShared = false,
    });
}
