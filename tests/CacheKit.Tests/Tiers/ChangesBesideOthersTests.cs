using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Changes while other nodes, nearer stores or readers have an older value.</summary>
public sealed class ChangesBesideOthersTests : TieredCaches
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Other_nodes_hear_of_a_set_that_the_authority_declined(bool many)
    {
        var faulty = FaultyStore.Wrap(Far());
        var (one, other) = (Create(faulty), Create(Far()));
        await other.SetAsync("k", 1);
        (await other.GetAsync<int>("k")).Value.Should().Be(1);
        faulty.Inject(StoreOperations.Writes, StoreFault.Decline());
        if (many)
        {
            await one.SetManyAsync([KeyValuePair.Create("k", 2), KeyValuePair.Create("m", 2)]);
        }
        else
        {
            await one.SetAsync("k", 2);
        }

        await PassAsync(TimeSpan.FromMinutes(10));
        (await other.GetAsync<int>("k")).IsHit.Should().BeFalse("the authority has emptied the key ten minutes ago");
    }

    [Fact]
    public async Task Other_nodes_do_not_keep_a_number_that_was_counted_on_without_an_answer()
    {
        var faulty = FaultyStore.Wrap(Far(), StoreCapabilities.All & ~StoreCapabilities.Counters);
        var (one, other) = (Create(faulty), Create(FaultyStore.Wrap(Far(), StoreCapabilities.All & ~StoreCapabilities.Counters)));
        (await one.IncrementAsync("n")).Should().Be(1);
        (await other.GetAsync<long>("n")).Value.Should().Be(1);
        faulty.Inject(StoreOperations.Write, StoreFault.FailAfterwards(), times: 1);
        await one.IncrementAsync("n");
        await PassAsync(TimeSpan.FromMinutes(10));
        (await Create(FaultyStore.Wrap(Far(), StoreCapabilities.All & ~StoreCapabilities.Counters)).GetAsync<long>("n")).Value.Should().Be(2);
        (await other.GetAsync<long>("n")).Value.Should().Be(2, "that is what the authority has had for ten minutes");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_near_store_forgets_before_the_authority_has_the_new_values(bool many)
    {
        var near = FaultyStore.Wrap(Near());
        var cache = Create(hasMemory: false, configure: null, near, Far());
        await cache.GetOrCreateAsync("k", _ => Make(1));
        var hang = near.Inject(StoreOperations.Invalidate | StoreOperations.InvalidateMany, StoreFault.Hang(), times: 1);
        var setting = many ? cache.SetManyAsync([KeyValuePair.Create("k", 2), KeyValuePair.Create("m", 2)]).AsTask() : cache.SetAsync("k", 2).AsTask();
        await hang.Reached.WaitAsync(AtMost);
        var atFar = (await cache.GetAsync<int>("k", new CacheEntryOptions { Tiers = CacheTiers.ReadFar })).Value;
        var anywhere = (await cache.GetAsync<int>("k")).Value;
        hang.Release();
        await setting.WaitAsync(AtMost);
        (atFar, anywhere).Should().NotBe((2, 1), "who has seen the new one must not meet the old one");
    }

    [Fact]
    public async Task Nothing_is_added_over_what_a_near_store_has_while_the_authority_is_away()
    {
        var far = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: true, configure: null, Near(), far);
        var noMemory = new CacheEntryOptions { Tiers = CacheTiers.Stores };
        await cache.GetOrCreateAsync("k", _ => Make(1), noMemory);
        far.Inject(StoreOperations.All, StoreFault.Fail());
        (await cache.ExistsAsync("k")).Should().BeTrue();
        var isAdded = await cache.TryAddAsync("k", 2);
        var found = (await cache.GetAsync<int>("k")).Value;
        (isAdded, found).Should().BeOneOf((false, 1), (true, 2));
    }

    [Fact]
    public async Task A_number_counted_while_the_authority_is_away_is_not_hidden_by_a_near_store()
    {
        var far = FaultyStore.Wrap(Far(), StoreCapabilities.All & ~StoreCapabilities.Counters);
        var cache = Create(Near(), far);
        await cache.IncrementAsync("n", 5);
        (await cache.GetAsync<long>("n")).Value.Should().Be(5);
        far.Inject(StoreOperations.All, StoreFault.Fail());
        var counted = await cache.IncrementAsync("n");
        (await cache.GetAsync<long>("n")).Value.Should().Be(counted);
    }

    [Fact]
    public async Task A_sliding_entry_expired_while_it_is_being_confirmed_stays_expired()
    {
        var handle = Far();
        var faulty = FaultyStore.Wrap(handle);
        var cache = Create(faulty);
        var options = new CacheEntryOptions { SlidingExpiration = TimeSpan.FromMinutes(10), StaleFor = TimeSpan.FromHours(1) };
        await cache.SetAsync("k", 1, options);
        LoseMessages(handle);
        var late = faulty.Inject(StoreOperations.Read, StoreFault.AnswerLate(), times: 1);
        var reading = cache.GetAsync<int>("k").AsTask();
        await late.Reached.WaitAsync(AtMost);
        await cache.ExpireAsync("k");
        late.Release();
        await reading;
        faulty.Inject(StoreOperations.Read, StoreFault.Fail());
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse("it was expired, and that has returned");
        (await cache.GetOrCreateAsync("k", _ => Make(2), options)).Should().Be(2);
    }
}
