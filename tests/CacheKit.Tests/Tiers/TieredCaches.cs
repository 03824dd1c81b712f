using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Tiers;

/// <summary>Caches over stores that a test holds in its hands, and the clock they go by. Disposes and checks them.</summary>
public abstract class TieredCaches : IAsyncDisposable
{
    private readonly List<Cache> _caches = [];

    private protected ManualTimeProvider Clock { get; } = new();

    /// <summary>The state that the last store of every cache shares.</summary>
    private protected InMemoryStoreState Shared { get; } = new();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var cache in _caches)
        {
            cache.Verify();
            await cache.DisposeAsync();
        }
    }

    private protected InMemoryStore Far() => new(Shared, Clock) { Name = "far" };

    private protected InMemoryStore Near() => new(new InMemoryStoreState(), Clock) { Name = "near" };

    private protected Cache Create(params ICacheStore[] stores) => Create(hasMemory: true, configure: null, stores);

    private protected Cache Create(bool hasMemory, Action<CacheStoreOptions>? configure, params ICacheStore[] stores)
    {
        var setups = new List<StoreSetup>();
        foreach (var store in stores)
        {
            var options = new CacheStoreOptions();
            configure?.Invoke(options);
            setups.Add(new(store, options));
        }

        var cache = new Cache(
            "tiers", new CacheKitOptions(), new MemoryOptions { MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) }, Clock, NullLogger.Instance, [],
            meters: null, stores: setups, hasMemory: hasMemory);
        _caches.Add(cache);
        return cache;
    }

    private protected static ValueTask<int> Make(int value) => ValueTask.FromResult(value);

    private protected static async Task<bool> IsInAsync(ICacheStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.IsFound;
    }
}
