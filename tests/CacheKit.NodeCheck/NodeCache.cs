using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Redis;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Store;
using CacheKit.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.NodeCheck;

/// <summary>Makes the cache of a node.</summary>
internal static class NodeCache
{
    private const string Name = "nodes";

    internal static (Cache Cache, ILockStore Locks) Create(NodeOptions options, NodeTable table)
    {
        var use = new CacheStoreOptions
        {
            OpenFor = TimeSpan.FromMilliseconds(100),
            MaximumOpenFor = TimeSpan.FromMilliseconds(500),
            HeartbeatInterval = TimeSpan.FromMilliseconds(250),
            MaximumStalenessWhenDisconnected = TimeSpan.FromSeconds(1),
            UseDistributedLock = options.Verb != "traffic" || options.Node == 2,
            LockLease = options.Verb is "accounts" or "stampede" ? options.Lease : TimeSpan.FromSeconds(2),
        };
        if (options.Verb == "accounts")
        {
            // While Redis is cut off, much is added in little time. If that were more than is kept, all there is would count as removed: numbers would be counted here, without a call that fails, and be taken for those of Redis.
            use.RecoveryQueueSize = 1_000_000;
        }

        if (options.Patience > TimeSpan.Zero)
        {
            use.ReadTimeout = use.WriteTimeout = options.Patience;
        }

        var redis = new RedisOptions { KeyPrefix = options.Prefix, OperationTimeout = options.Patience > TimeSpan.Zero ? options.Patience : options.Limit };
        redis.Use(new ConfiguredConnection(options.Configuration));
        var context = new StoreContext(Name, TimeProvider.System, NullLoggerFactory.Instance, new ServiceCollection().BuildServiceProvider());
        var store = new FaultyStore(new RedisStore(redis, context), options.Mistake, options.LostPercent, () => table.Count(NodeTable.Counter.Dropped));
        List<StoreSetup> stores = [new(store, use)];
        if (options.Tiers == "disk")
        {
            stores.Insert(0, new(Disk(options.Disk), new CacheStoreOptions()));
        }

        var memory = new MemoryOptions { MaximumEntries = 16, MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromMilliseconds(50) };
        var cache = new Cache(
            Name, new CacheKitOptions(), memory, TimeProvider.System, NullLogger.Instance, [], meters: null, isMemoryShort: static () => false,
            options.Mistake == Mistake.StampLate ? Faults.StampTakenLate : Faults.None, stores, hasMemory: options.Tiers != "redis");
        return (cache, store);
    }

    private static DiskStore Disk(string path) => new(new()
    {
        Path = path,
        CacheName = Name,
        Geometry = DiskGeometry.For(16 << 20, 1024, null),
        TimeProvider = TimeProvider.System,
        Logger = NullLogger.Instance,
    });
}
