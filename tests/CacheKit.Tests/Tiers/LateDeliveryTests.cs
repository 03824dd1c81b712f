using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Changes that a store could not be told at once.</summary>
public sealed class LateDeliveryTests : TieredCaches
{
    [Fact]
    public async Task Other_nodes_hear_of_a_removal_that_was_sent_at_the_end_of_a_cache()
    {
        var faulty = FaultyStore.Wrap(Far());
        var (one, other) = (Create(faulty), Create(Far()));
        await other.SetAsync("k", 1);
        (await other.GetAsync<int>("k")).Value.Should().Be(1);
        faulty.Inject(StoreOperations.Invalidate, StoreFault.Fail(), times: 1);
        await one.RemoveAsync("k");
        await one.DisposeAsync();
        (await IsInAsync(Far(), "k")).Should().BeFalse("the end of the cache has sent it");
        await PassAsync(TimeSpan.FromMinutes(10));
        (await other.GetAsync<int>("k")).IsHit.Should().BeFalse("it was removed ten minutes ago");
    }

    [Fact]
    public async Task A_cache_that_ends_while_it_is_sending_what_it_owes_sends_the_rest()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        foreach (var key in new[] { "a", "b", "c" })
        {
            await cache.SetAsync(key, 1);
        }

        faulty.Inject(StoreOperations.Invalidate, StoreFault.Fail(), times: 3);
        foreach (var key in new[] { "a", "b", "c" })
        {
            await cache.RemoveAsync(key);
        }

        var slow = faulty.Inject(StoreOperations.Invalidate, StoreFault.AnswerLate(heedsToken: false), times: 1);
        await Waiting.UntilAsync(() => slow.Reached.IsCompleted, () => Clock.Advance(TimeSpan.FromMilliseconds(100)));
        var end = cache.DisposeAsync().AsTask();
        slow.Release();
        await end.WaitAsync(AtMost);
        await Waiting.UntilAsync(async () => !await IsInAsync(Far(), "b") && !await IsInAsync(Far(), "c"));
    }

    [Fact]
    public async Task A_removal_by_prefix_ends_values_that_still_have_to_be_sent()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: false, configure: null, faulty);
        faulty.Inject(StoreOperations.Write, StoreFault.Fail(), times: 1);
        await cache.SetAsync("p:1", 1);
        await cache.RemoveByPrefixAsync("p:");
        await PassAsync(TimeSpan.FromMinutes(1));
        cache.GetStatistics().Tiers[0].PendingRecoveries.Should().Be(0);
        (await cache.GetAsync<int>("p:1")).IsHit.Should().BeFalse("it was removed a minute ago");
    }

    [Fact]
    public async Task A_new_time_to_live_holds_for_a_value_that_still_has_to_be_sent()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        faulty.Inject(StoreOperations.Write, StoreFault.Fail(), times: 1);
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) });
        (await cache.SetTimeToLiveAsync("k", TimeSpan.FromSeconds(20))).Should().BeTrue();
        await PassAsync(TimeSpan.FromMinutes(1));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse("it was to live twenty seconds");
    }

    [Fact]
    public async Task The_second_who_disposes_waits_for_the_end_too()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.SetAsync("k", 1);
        faulty.Inject(StoreOperations.Invalidate, StoreFault.Fail(), times: 1);
        await cache.RemoveAsync("k");
        var late = faulty.Inject(StoreOperations.Invalidate, StoreFault.Hang(heedsToken: false), times: 1);
        var first = cache.DisposeAsync().AsTask();
        await late.Reached.WaitAsync(AtMost);
        var second = cache.DisposeAsync().AsTask();
        var isEarly = second.IsCompleted;
        late.Release();
        await first.WaitAsync(AtMost);
        isEarly.Should().BeFalse("the stores are not closed yet");
    }
}
