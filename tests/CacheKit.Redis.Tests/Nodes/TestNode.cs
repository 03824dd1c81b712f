using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Makes nodes in this process, each with connections of its own.</summary>
internal static class TestNode
{
    /// <summary>Makes one, and waits until it is connected.</summary>
    /// <param name="configuration">How to reach Redis.</param>
    /// <param name="prefix">Of its keys.</param>
    /// <param name="disk">Where its disk is; <see langword="null"/> if it has none.</param>
    /// <param name="logLength">How many messages Redis keeps.</param>
    /// <param name="isPatient">Whether it waits for Redis however slow the machine is, rather than find out soon that it does not answer.</param>
    internal static async Task<Cache> CreateAsync(string configuration, string prefix, string? disk = null, int logLength = 10_000, bool isPatient = true)
    {
        var patience = TimeSpan.FromSeconds(isPatient ? 30 : 1);
        var use = new CacheStoreOptions
        {
            HeartbeatInterval = TimeSpan.FromMilliseconds(250), OpenFor = TimeSpan.FromMilliseconds(100), MaximumOpenFor = TimeSpan.FromMilliseconds(250),
            ReadTimeout = patience, WriteTimeout = patience, MaximumStalenessWhenDisconnected = TimeSpan.FromHours(1),
        };
        var redis = TestStores.Create(
            configuration, configure: options =>
            {
                options.KeyPrefix = prefix;
                options.MessageLogLength = logLength;
                options.OperationTimeout = patience / 2;
            }, silenceToReplace: TimeSpan.FromSeconds(1));
        List<StoreSetup> stores = [new(redis, use)];
        if (disk is not null)
        {
            stores.Insert(0, new(
                new DiskStore(new()
                {
                    Path = disk,
                    CacheName = "test",
                    Geometry = DiskGeometry.For(16 << 20, 1024, null),
                    TimeProvider = TimeProvider.System,
                    Logger = NullLogger.Instance,
                }),
                use));
        }

        var cache = new Cache("test", new CacheKitOptions(), new MemoryOptions(), TimeProvider.System, NullLogger.Instance, [], meters: null, stores: stores);
        await Waiting.UntilAsync(
            async () =>
            {
                await cache.SetAsync("warm", 1);
                return cache.GetStatistics().Tiers[^1].Writes > 0;
            }, what: "Redis is used");
        return cache;
    }
}
