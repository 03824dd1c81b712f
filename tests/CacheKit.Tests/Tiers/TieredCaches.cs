using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Stores;
using CacheKit.Tests.Consistency;
using Microsoft.Extensions.Logging;
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
            cache.Settle();
            await cache.DisposeAsync();
        }
    }

    /// <summary>What caches log to that are created from now on.</summary>
    private protected ILogger Logger { get; set; } = NullLogger.Instance;

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
            "tiers", new CacheKitOptions(), new MemoryOptions { MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) }, Clock, Logger, [],
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

    /// <summary>How long a test waits for what must happen.</summary>
    private protected static TimeSpan AtMost { get; } = TimeSpan.FromSeconds(10);

    /// <summary>Lets the clock run for so long, step by step, with time in between for what it sets off.</summary>
    private protected async Task PassAsync(TimeSpan time)
    {
        for (var left = time; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(5))
        {
            Clock.Advance(left < TimeSpan.FromSeconds(5) ? left : TimeSpan.FromSeconds(5));
            await Task.Delay(1);
        }
    }

    /// <summary>Lets the clock run until something has ended.</summary>
    private protected async Task<T> InTimeAsync<T>(Task<T> task)
    {
        await Waiting.UntilAsync(() => task.IsCompleted, () => Clock.Advance(TimeSpan.FromMilliseconds(50)));
        return await task;
    }

    /// <summary>Interrupts the messages to a node, so that it may have missed some.</summary>
    internal static void LoseMessages(InMemoryStore handle)
    {
        handle.Feed.Interrupt();
        handle.Feed.Reconnect(isComplete: false);
    }
}
