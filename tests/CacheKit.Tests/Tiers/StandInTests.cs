using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>What may be served when the authority is away or has nothing, and what may not.</summary>
public sealed class StandInTests : TieredCaches
{
    private static readonly CacheEntryOptions _stale = new() { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(10) };
    private static readonly CacheEntryOptions _staleTagged = new() { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(10), Tags = ["t"] };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_the_authority_does_not_have_any_more_is_not_given_to_those_who_allow_stale_values(bool many)
    {
        var handle = Far();
        var cache = Create(handle);
        await cache.SetAsync("k", 1, _stale);
        handle.Feed.Interrupt();
        await Create(Far()).RemoveAsync("k");
        handle.Feed.Reconnect(isComplete: false);
        await PassAsync(TimeSpan.FromMinutes(2));
        var allow = new CacheEntryOptions { AllowStale = true };
        var lookup = many ? (await cache.GetManyAsync<int>(["k"], allow))["k"] : await cache.GetAsync<int>("k", allow);
        (lookup.IsHit || lookup.IsStale).Should().BeFalse("it was removed two minutes ago, and the store has just said so");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_asks_for_a_stale_value_after_its_tag_was_removed_does_not_get_it(bool many)
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await Create(Far()).SetAsync("k", 1, _staleTagged);
        await PassAsync(TimeSpan.FromMinutes(2));
        var allow = new CacheEntryOptions { AllowStale = true };
        var late = faulty.Inject(StoreOperations.Reads, StoreFault.AnswerLate(), times: 1);
        var before = cache.GetAsync<int>("k", allow).AsTask();
        await late.Reached.WaitAsync(AtMost);
        await cache.RemoveByTagAsync("t");
        var after = many ? FirstAsync(cache.GetManyAsync<int>(["k"], allow)) : cache.GetAsync<int>("k", allow).AsTask();
        late.Release();
        await before;
        (await after.WaitAsync(AtMost)).IsStale.Should().BeFalse("the removal had returned before it was asked for");
    }

    [Fact]
    public async Task Who_comes_after_the_removal_of_a_tag_does_not_get_the_value_that_spared_the_wait_for_a_lock()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: true, static options => options.UseDistributedLock = true, faulty);
        await Create(Far()).SetAsync("k", 1, _staleTagged);
        await PassAsync(TimeSpan.FromMinutes(2));
        var held = await ((ILockStore)Far()).TryLockAsync("k", TimeSpan.FromHours(1), default);
        held.Should().NotBeNull();
        var gate = faulty.Inject(StoreOperations.TryLock, StoreFault.AnswerLate(), times: 1);
        var before = cache.GetOrCreateAsync("k", _ => Make(2), _stale).AsTask();
        await gate.Reached.WaitAsync(AtMost);
        await cache.RemoveByTagAsync("t");
        var after = cache.GetOrCreateAsync("k", _ => Make(2), _stale).AsTask();
        gate.Release();
        await held!.DisposeAsync();
        (await InTimeAsync(before)).Should().BeOneOf(1, 2);
        (await InTimeAsync(after)).Should().Be(2, "1 was removed before this call began");
    }

    [Fact]
    public async Task A_call_that_leaves_memory_out_gets_nothing_from_memory_when_the_store_is_away()
    {
        var handle = Far();
        var faulty = FaultyStore.Wrap(handle);
        var cache = Create(faulty);
        await cache.SetAsync("k", 1);
        LoseMessages(handle);
        faulty.Inject(StoreOperations.Read, StoreFault.Fail());
        (await cache.GetAsync<int>("k", new CacheEntryOptions { Tiers = CacheTiers.Stores })).IsHit.Should().BeFalse("it was to be looked for in the stores");
    }

    [Fact]
    public async Task A_call_that_leaves_memory_out_gets_nothing_from_memory_when_the_store_is_slow()
    {
        var handle = Far();
        var faulty = FaultyStore.Wrap(handle);
        var cache = Create(faulty);
        await cache.SetAsync("k", 1);
        faulty.Inject(StoreOperations.Read, StoreFault.Hang(), times: 1);
        var call = cache.GetOrCreateAsync("k", _ => Make(2), new CacheEntryOptions { Tiers = CacheTiers.Stores, SoftTimeout = TimeSpan.FromMilliseconds(100) }).AsTask();
        (await InTimeAsync(call)).Should().Be(2, "what memory has may be outdated, and this call must not have it");
    }

    [Fact]
    public async Task What_the_authority_did_not_confirm_does_not_come_back_when_that_is_away_again()
    {
        var far = FaultyStore.Wrap(Far());
        var cache = Create(far);
        far.Inject(StoreOperations.All, StoreFault.Fail(), times: 1);
        await cache.TryAddAsync("k", 1);
        far.Heal();
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse("the authority says so");
        far.Inject(StoreOperations.Read, StoreFault.Fail());
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse("the authority has said so before");
    }

    [Fact]
    public async Task A_value_with_a_stale_time_stands_in_when_store_and_source_are_down_beyond_the_bound()
    {
        var handle = Far();
        var faulty = FaultyStore.Wrap(handle);
        var cache = Create(faulty);
        var options = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1), StaleFor = TimeSpan.FromHours(10) };
        await cache.SetAsync("k", 1, options);
        faulty.Inject(StoreOperations.All, StoreFault.Fail());
        handle.Feed.Interrupt();
        await PassAsync(TimeSpan.FromMinutes(2));
        (await cache.GetOrCreateAsync("k", _ => Fail(), options)).Should().Be(1, "in an hour, when it has expired, it would stand in");
    }

    [Fact]
    public async Task A_call_without_stale_time_gets_no_stale_value_while_the_source_is_given_a_rest()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", 1, _stale);
        await PassAsync(TimeSpan.FromMinutes(2));
        (await cache.GetOrCreateAsync("k", _ => Fail(), _stale)).Should().Be(1);
        (await cache.GetOrCreateAsync("k", _ => Make(2), new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.Zero })).Should().Be(2);
    }

    [Fact]
    public async Task A_soft_timeout_serves_nothing_unconfirmed_beyond_the_bound()
    {
        var handle = Far();
        var faulty = FaultyStore.Wrap(handle);
        var cache = Create(faulty);
        await cache.SetAsync("k", 1);
        handle.Feed.Interrupt();
        await Create(Far()).RemoveAsync("k");
        faulty.Inject(StoreOperations.All, StoreFault.Fail());
        await PassAsync(TimeSpan.FromMinutes(30));
        var made = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var call = cache.GetOrCreateAsync("k", async _ => await made.Task, new CacheEntryOptions { SoftTimeout = TimeSpan.FromMilliseconds(100) }).AsTask();
        for (var i = 0; i < 40 && !call.IsCompleted; i++)
        {
            Clock.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Delay(1);
        }

        made.TrySetResult(2);
        (await call.WaitAsync(AtMost)).Should().Be(2, "1 was removed half an hour ago, and there is no StaleFor");
    }

    [Fact]
    public async Task A_store_that_was_not_asked_for_the_value_does_not_end_what_may_stand_in()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromHours(1), StaleFor = TimeSpan.FromHours(1), MemoryExpiration = TimeSpan.FromSeconds(10) });
        Clock.Advance(TimeSpan.FromSeconds(20));
        var options = new CacheEntryOptions { Tiers = CacheTiers.Memory | CacheTiers.WriteFar, StaleFor = TimeSpan.FromHours(1) };
        (await cache.GetOrCreateAsync("k", _ => Fail(), options)).Should().Be(1);
    }

    private static async Task<CacheLookup<int>> FirstAsync(ValueTask<IReadOnlyDictionary<string, CacheLookup<int>>> call) => (await call).Values.Single();

    private static ValueTask<int> Fail() => throw new InvalidOperationException("The source is away.");
}
