using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Stores nearer than the authority: they follow it, hold what it does not take, and are not mistaken for it.</summary>
public sealed class NearStoreTests : TieredCaches
{
    [Fact]
    public async Task A_near_store_before_a_shared_disk_follows_what_other_processes_change()
    {
        var folder = Path.Combine(Path.GetTempPath(), "cachekit-near-" + Guid.NewGuid().ToString("N"));
        try
        {
            var one = Create(Near(), Disk(folder));
            var other = Create(Near(), Disk(folder));
            await one.SetAsync("k", 1);
            (await other.GetAsync<int>("k")).Value.Should().Be(1);
            await one.SetAsync("k", 2);
            (await other.GetAsync<int>("k")).Value.Should().Be(2);
            await one.DisposeAsync();
            await other.DisposeAsync();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task What_was_read_before_messages_were_lost_does_not_stay_in_a_near_store()
    {
        var handle = Far();
        var far = FaultyStore.Wrap(handle);
        var cache = Create(hasMemory: false, configure: null, Near(), far);
        await Create(Far()).SetAsync("k", 1);
        var late = far.Inject(StoreOperations.Read, StoreFault.AnswerLate(), times: 1);
        var reading = cache.GetAsync<int>("k").AsTask();
        await late.Reached.WaitAsync(AtMost);
        handle.Feed.Interrupt();
        await Create(Far()).RemoveAsync("k");
        handle.Feed.Reconnect(isComplete: false);
        late.Release();
        (await reading).Value.Should().Be(1, "it was there when it was asked for");
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse("it was removed, and that has returned");
    }

    [Fact]
    public async Task A_large_value_that_somebody_sets_goes_to_the_store_that_takes_large_ones()
    {
        var (near, far) = (Near(), Far());
        var cache = new Cache(
            "sizes", new CacheKitOptions(), new MemoryOptions { MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) }, Clock,
            NullLogger.Instance, [], meters: null,
            stores: [new(near, new CacheStoreOptions { MinimumEntryBytes = 500 }), new(far, new CacheStoreOptions { MaximumEntryBytes = 500 })]);
        await using (cache)
        {
            await cache.GetOrCreateAsync("made", _ => ValueTask.FromResult(new string('x', 2_000)));
            await cache.SetAsync("set", new string('x', 2_000));
            (await IsInAsync(near, "made")).Should().BeTrue();
            (await IsInAsync(near, "set")).Should().BeTrue();
        }
    }

    [Fact]
    public async Task A_new_time_to_live_is_not_reported_as_set_when_the_authority_was_not_told()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(Near(), faulty);
        await cache.GetOrCreateAsync("k", _ => Make(1), new CacheEntryOptions { Expiration = TimeSpan.FromHours(10) });
        faulty.Inject(StoreOperations.All, StoreFault.Fail());
        var isDone = await cache.SetTimeToLiveAsync("k", TimeSpan.FromMinutes(1));
        faulty.Heal();
        var left = await Create(Far()).GetTimeToLiveAsync("k");
        (isDone && left > TimeSpan.FromMinutes(1)).Should().BeFalse($"it said {isDone}, and the authority has {left}");
    }

    private DiskStore Disk(string folder) => new(new()
    {
        Path = folder,
        CacheName = "default",
        Geometry = CacheKit.Tests.Disk.DiskFolder.Small,
        TimeProvider = Clock,
        Logger = NullLogger.Instance,
        Schedule = static work => work(),
    });
}
