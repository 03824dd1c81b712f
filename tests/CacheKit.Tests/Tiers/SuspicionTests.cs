using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>What may be outdated, and what makes it so.</summary>
public sealed class SuspicionTests : TieredCaches
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(null)]
    [InlineData(300)]
    public async Task A_sliding_entry_that_memory_keeps_for_less_is_renewed_in_the_store(int? memorySeconds)
    {
        var cache = Create(Far());
        var options = new CacheEntryOptions
        {
            SlidingExpiration = TimeSpan.FromMinutes(10),
            MemoryExpiration = memorySeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
        };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(TimeSpan.FromMinutes(4));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
        Clock.Advance(TimeSpan.FromMinutes(4)); // read four minutes ago, within a window of ten
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
    }

    [Fact]
    public async Task What_may_be_outdated_is_not_served_beyond_the_bound_while_the_authority_cannot_be_read()
    {
        var handle = Far();
        var faulty = FaultyStore.Wrap(handle);
        var (one, other) = (Create(Far()), Create(faulty));
        await one.SetAsync("k", 1);
        (await other.GetAsync<int>("k")).Value.Should().Be(1);
        handle.Feed.Interrupt();
        await one.RemoveAsync("k");
        handle.Feed.Reconnect(isComplete: false); // everything is suspect, and the feed is up
        faulty.Inject(StoreOperations.Read, StoreFault.Fail(new CacheStoreException("this shard is down", StoreFailure.Permanent)));
        for (var i = 0; i < 720; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(5)); // an hour, in heartbeats
            await Task.Yield();
        }

        (await other.GetAsync<int>("k")).IsHit.Should().BeFalse("it was removed an hour ago");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_slow_write_of_a_factory_does_not_make_everything_on_every_node_suspect(bool isSlow)
    {
        var faulty = FaultyStore.Wrap(Far());
        var counted = FaultyStore.Wrap(Far());
        var (slow, other) = (Create(faulty), Create(counted));
        await other.SetAsync("unrelated", 1);
        await other.GetAsync<int>("unrelated");
        var late = isSlow
            ? faulty.Inject(StoreOperations.Write, StoreFault.AnswerLate(heedsToken: false), times: 1)
            : faulty.Inject(StoreOperations.Read, StoreFault.AnswerLate(heedsToken: false), times: 1);
        var call = slow.GetOrCreateAsync("k", _ => Make(1)).AsTask();
        await late.Reached.WaitAsync(_patience);
        await Waiting.UntilAsync(() => call.IsCompleted, () => Clock.Advance(TimeSpan.FromMilliseconds(100))); // the limit of a write passes
        late.Release();
        for (var i = 0; i < 60; i++)
        {
            Clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(2);
        }

        var before = counted.CountCalls(StoreOperations.Read);
        (await other.GetAsync<int>("unrelated")).IsHit.Should().BeTrue();
        counted.CountCalls(StoreOperations.Read).Should().Be(before, "nothing happened to it: it is a hit in memory");
        if (isSlow)
        {
            (await IsInAsync(Far(), "k")).Should().BeTrue("the store has done what it was asked");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Past_its_time_a_value_stands_in_unless_it_was_removed_elsewhere(bool isRemoved)
    {
        var cache = Create(new PlainStore(Far())); // whose nodes tell each other nothing
        var options = new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromMinutes(10) };
        await cache.SetAsync("k", 1, options);
        if (isRemoved)
        {
            await Create(Far()).RemoveAsync("k");
        }

        for (var i = 0; i < 19; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(5)); // past its time, and past the bound for what others change
            await Task.Yield();
        }

        var call = () => cache.GetOrCreateAsync<int>("k", static _ => throw new InvalidOperationException("The source is away."), options).AsTask();
        if (isRemoved)
        {
            await call.Should().ThrowAsync<InvalidOperationException>();
        }
        else
        {
            (await call()).Should().Be(1);
        }
    }
}
