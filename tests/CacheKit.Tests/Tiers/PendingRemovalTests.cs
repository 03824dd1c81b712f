using CacheKit.Stores;
using CacheKit.Testing.Stores;
using CacheKit.Tests.Diagnostics;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>What was removed by tag while the authority could not be told is gone all the same, for every call.</summary>
public sealed class PendingRemovalTests : TieredCaches
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_counter_removed_by_a_tag_is_not_counted_on(bool storeCounts)
    {
        var (cache, _) = await CreateAsync(storeCounts, async cache =>
        {
            await cache.IncrementAsync("n", 7, new CacheCounterOptions { Tags = ["t"] });
            await cache.RemoveByTagAsync("t");
        });
        (await cache.GetAsync<long>("n")).IsHit.Should().BeFalse();
        (await cache.ExistsAsync("n")).Should().BeFalse();
        (await cache.GetTimeToLiveAsync("n")).Should().BeNull();
        (await cache.IncrementAsync("n", 2)).Should().Be(2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task What_a_store_has_not_been_told_when_the_cache_is_disposed_is_logged_also_what_was_still_under_way(int before)
    {
        var logger = new RecordingLogger();
        Logger = logger;
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        faulty.Inject(StoreOperations.Write, StoreFault.Hang(heedsToken: false));
        var late = cache.SetAsync("late", 1).AsTask();
        faulty.Inject(StoreOperations.Invalidate, StoreFault.Fail());
        for (var i = 0; i < before; i++)
            await cache.RemoveAsync($"before{i}");
        late.IsCompleted.Should().BeFalse("it waits for the store");
        await cache.DisposeAsync(); // which lets go of what hangs

        await PassAsync(TimeSpan.FromSeconds(5));
        await late.WaitAsync(AtMost, TestContext.Current.CancellationToken);

        logger.Messages.Where(static message => message.Id == 33).Select(static message => message.Message).Should().Equal(
            from changes in before > 0 ? new[] { before, 1 } : [1]
            select $"Cache 'tiers': the store 'far' could not be told {(changes == 1 ? "1 change" : $"{changes} changes")} before the cache was disposed. Other processes may see there what was removed or replaced here.");
    }

    [Fact]
    public async Task A_value_removed_by_a_tag_is_not_in_the_way_of_one_that_is_added()
    {
        var (cache, _) = await CreateAsync(storeCounts: true, async cache =>
        {
            await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] });
            await cache.RemoveByTagAsync("t");
        });
        (await cache.TryAddAsync("k", 2)).Should().BeTrue();
        (await cache.GetAsync<int>("k")).Value.Should().Be(2);
        (await cache.TryAddAsync("k", 3)).Should().BeFalse();
    }

    [Fact]
    public async Task A_value_with_other_tags_is_still_in_the_way()
    {
        var (cache, _) = await CreateAsync(storeCounts: true, async cache =>
        {
            await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["u"] });
            await cache.RemoveByTagAsync("t");
        });
        (await cache.TryAddAsync("k", 2)).Should().BeFalse();
        (await cache.GetAsync<int>("k")).Value.Should().Be(1);
    }

    [Fact]
    public async Task Once_the_authority_was_told_it_counts_again()
    {
        var (cache, faulty) = await CreateAsync(storeCounts: true, async cache =>
        {
            await cache.IncrementAsync("n", 7, new CacheCounterOptions { Tags = ["t"] });
            await cache.RemoveByTagAsync("t");
        });
        faulty.Heal();
        await Waiting.UntilAsync(() => cache.GetStatistics().Tiers[0].PendingRecoveries == 0, () => Clock.Advance(TimeSpan.FromSeconds(1)));

        (await cache.IncrementAsync("n")).Should().Be(1);
        (await Create(hasMemory: false, configure: null, Far()).IncrementAsync("n")).Should().Be(2);
    }

    private async Task<(ICache Cache, FaultyStore Store)> CreateAsync(bool storeCounts, Func<ICache, Task> act)
    {
        var faulty = FaultyStore.Wrap(storeCounts ? Far() : new PlainStore(Far()));
        var cache = Create(hasMemory: false, configure: null, faulty);
        faulty.Inject(StoreOperations.InvalidateTags, StoreFault.Fail());
        await act(cache);
        return (cache, faulty);
    }
}
