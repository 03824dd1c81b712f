using CacheKit.Engine;
using CacheKit.Memory;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>What one call asks of the tiers, and what becomes of the others when that fails.</summary>
public sealed class TierCallTests : TieredCaches
{
    [Fact]
    public async Task A_value_for_memory_alone_need_not_be_serializable()
    {
        var cache = Create(Far());
        var options = new CacheEntryOptions { Tiers = CacheTiers.Memory };
        await cache.SetAsync("set", new Unwritable(), options);
        (await cache.GetOrCreateAsync("made", _ => ValueTask.FromResult(new Unwritable()), options)).Should().NotBeNull();
    }

    [Fact]
    public async Task The_explanation_of_a_counter_says_that_the_removal_of_a_tag_is_pending()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.IncrementAsync("n", 7, new CacheCounterOptions { Tags = ["t"] });
        faulty.Inject(StoreOperations.InvalidateTags, StoreFault.Fail());
        await cache.RemoveByTagAsync("t");
        (await cache.GetAsync<long>("n")).IsHit.Should().BeFalse();
        (await cache.ExplainAsync("n")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task What_is_kept_in_memory_alone_stays_when_messages_are_lost()
    {
        var cache = Create(new PlainStore(Far()));
        await cache.SetAsync("k", 1, new CacheEntryOptions { Tiers = CacheTiers.Memory });
        await PassAsync(TimeSpan.FromSeconds(31));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue("nobody has removed it");
    }

    [Fact]
    public async Task A_hard_timeout_holds_for_the_wait_for_another_node_too()
    {
        var cache = Create(hasMemory: true, static options => options.UseDistributedLock = true, Far());
        await ((ILockStore)Far()).TryLockAsync("k", TimeSpan.FromHours(1), default);
        var hard = TimeSpan.FromSeconds(5);
        var started = Clock.GetTimestamp();
        var call = cache.GetOrCreateAsync("k", static async ct =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return 1;
        }, new CacheEntryOptions { HardTimeout = hard }).AsTask();
        await Waiting.UntilAsync(() => call.IsCompleted, () => Clock.Advance(TimeSpan.FromMilliseconds(50)));
        Clock.GetElapsedTime(started).Should().BeLessThan(hard + TimeSpan.FromSeconds(1));
        await call.ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lock_that_hangs_when_it_is_extended_is_asked_one_at_a_time(bool heedsToken)
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: true, static options => options.UseDistributedLock = true, faulty);
        faulty.Inject(StoreOperations.ExtendLock, StoreFault.Hang(heedsToken));
        var made = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var call = cache.GetOrCreateAsync("k", async _ => await made.Task).AsTask();
        await PassAsync(TimeSpan.FromMinutes(5));
        var calls = faulty.CountCalls(StoreOperations.ExtendLock);
        var timeouts = cache.GetStatistics().Tiers[0].Timeouts;
        made.SetResult(1);
        await call.WaitAsync(AtMost);
        faulty.Heal();
        timeouts.Should().BeInRange(calls - 1, calls, "each has been given up before the next");
        calls.Should().Match(count => heedsToken ? count > 5 : count == 1);
    }

    [Fact]
    public async Task What_is_wrong_with_one_value_does_not_fail_the_others_of_its_batch()
    {
        var faulty = FaultyStore.Wrap(Far());
        await using var cache = new Cache(
            "tiers", new CacheKitOptions(),
            new MemoryOptions { MaximumBytes = 1 << 20, SizeOf = static (key, _) => key == "bad" ? -1 : 1, MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) },
            Clock, NullLogger.Instance, [], meters: null, stores: [new(faulty, new CacheStoreOptions())]);
        var other = Create(Far());
        await other.SetAsync("good", 1);
        await other.SetAsync("bad", 1);
        var late = faulty.Inject(StoreOperations.Reads, StoreFault.AnswerLate(), times: 1);
        var many = cache.GetManyAsync<int>(["good", "bad"]).AsTask();
        await late.Reached.WaitAsync(AtMost);
        var joined = cache.GetAsync<int>("good").AsTask();
        late.Release();
        var failing = () => many;
        await failing.Should().ThrowAsync<InvalidOperationException>();
        (await joined).Value.Should().Be(1, "nothing is wrong with it");
    }

    [Fact]
    public async Task Who_joins_a_look_that_another_gives_up_is_not_told_of_a_miss()
    {
        var observer = new Calling();
        await using var cache = new Cache(
            "tiers", new CacheKitOptions(), new MemoryOptions { MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) },
            Clock, NullLogger.Instance, [observer], meters: null, stores: [new(Far(), new CacheStoreOptions())]);
        await Create(Far()).SetAsync("a", "1");
        await cache.SetAsync("ended", "1", new CacheEntryOptions { Expiration = TimeSpan.FromSeconds(1), Tiers = CacheTiers.Memory });
        await cache.SetAsync("of another type", 1);
        Clock.Advance(TimeSpan.FromSeconds(2));
        Task<CacheLookup<string>>? joined = null;
        observer.OnEnd = () => joined ??= cache.GetAsync<string>("a").AsTask();
        var many = () => cache.GetManyAsync<string>(["a", "ended", "of another type"]).AsTask();
        await many.Should().ThrowAsync<CacheTypeMismatchException>();
        joined.Should().NotBeNull();
        (await joined!).GetValueOrDefault().Should().Be("1", "the store has it");
    }

    private sealed class Calling : CacheObserver
    {
        internal Action OnEnd { get; set; } = static () => { };

        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => OnEnd();
    }

    private sealed class Unwritable
    {
        public Stream Stream { get; } = Stream.Null;
    }
}
