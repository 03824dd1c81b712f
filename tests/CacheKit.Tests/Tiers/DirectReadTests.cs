using CacheKit.Stores;
using CacheKit.Testing.Stores;

namespace CacheKit.Tests.Tiers;

/// <summary>A get of a cache that keeps nothing in memory reads its one store without a flight, and what flights promise holds all the same.</summary>
public sealed class DirectReadTests : TieredCaches
{
    private readonly HeldStore _store;

    public DirectReadTests() => _store = new(Far());

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_store_is_asked_once_whether_the_value_is_there_or_is_to_be_made(bool isThere)
    {
        var cache = Create(hasMemory: false, configure: null, _store);
        if (isThere)
        {
            await cache.SetAsync("k", 1, cancellationToken: Ct);
        }

        (await cache.GetOrCreateAsync("k", _ => Make(2), cancellationToken: Ct)).Should().Be(isThere ? 1 : 2);
        _store.Reads.Should().Be(1);
        (await cache.GetAsync<int>("k", cancellationToken: Ct)).Value.Should().Be(isThere ? 1 : 2);
        _store.Reads.Should().Be(2);
        var statistics = cache.GetStatistics();
        (statistics.Hits, statistics.Misses).Should().Be(isThere ? (2, 0) : (1, 1));
    }

    /// <summary>Also the first of them: one who had read by himself could come back to a flight that has failed, and start another.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Many_who_want_one_key_made_at_once_share_one_read_and_one_factory(bool fails)
    {
        var cache = Create(hasMemory: false, configure: null, _store);
        var held = _store.HoldNext();
        var runs = 0;
        var callers = Enumerable.Range(0, 100).Select(i => cache.GetOrCreateAsync("k", _ =>
        {
            Interlocked.Increment(ref runs);
            return fails ? throw new FormatException("down") : Make(i);
        }, cancellationToken: Ct).AsTask()).ToArray();
        await held.Entered.WaitAsync(AtMost, Ct);
        held.Release();
        await Task.WhenAll(callers).ContinueWith(static _ => { }, Ct, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        callers.Count(static caller => caller.IsFaulted).Should().Be(fails ? 100 : 0);
        (_store.Reads, runs).Should().Be((1, 1));
    }

    [Fact]
    public async Task What_was_found_before_a_removal_is_given_to_nobody_who_comes_after_it()
    {
        var cache = Create(hasMemory: false, configure: null, _store);

        // What has to be looked at closely: past its time, and kept.
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(1) }, Ct);
        Clock.Advance(TimeSpan.FromMinutes(2));
        var held = _store.HoldNext();
        var before = cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, Ct).AsTask();
        await held.Entered.WaitAsync(AtMost, Ct);
        await cache.RemoveAsync("k", Ct);
        held.Release();
        await before;
        (await cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, Ct)).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task A_call_that_leaves_the_store_out_does_not_read_it()
    {
        var cache = Create(hasMemory: false, configure: null, _store);
        await cache.SetAsync("k", 1, cancellationToken: Ct);
        (await cache.GetAsync<int>("k", new CacheEntryOptions { Tiers = CacheTiers.WriteFar }, Ct)).IsHit.Should().BeFalse();
        _store.Reads.Should().Be(0);
    }

    [Fact]
    public async Task What_the_store_has_lent_is_given_back_found_or_stale()
    {
        var cache = Create(hasMemory: false, configure: null, _store);
        await cache.SetAsync("k", "value", new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(1) }, Ct);
        (await cache.GetAsync<string>("k", cancellationToken: Ct)).Value.Should().Be("value");
        Shared.OpenLookups.Should().Be(0);
        Clock.Advance(TimeSpan.FromMinutes(2));
        (await cache.GetAsync<string>("k", cancellationToken: Ct)).IsHit.Should().BeFalse();
        (await cache.GetAsync<string>("k", new CacheEntryOptions { AllowStale = true }, Ct)).IsStale.Should().BeTrue();
        Shared.OpenLookups.Should().Be(0);
    }

    [Fact]
    public async Task A_store_that_does_not_answer_is_waited_for_once()
    {
        var cache = Create(hasMemory: false, configure: options => options.ReadTimeout = TimeSpan.FromSeconds(1), _store);
        _store.HoldNext();
        var creating = cache.GetOrCreateAsync("k", _ => Make(2), cancellationToken: Ct).AsTask();
        Clock.Advance(TimeSpan.FromSeconds(1));
        (await creating.WaitAsync(AtMost, Ct)).Should().Be(2);
        _store.Reads.Should().Be(1);
    }

    [Fact]
    public async Task A_caller_who_leaves_is_told_so_at_once_and_the_next_reads_as_ever()
    {
        var cache = Create(hasMemory: false, configure: null, _store);
        await cache.SetAsync("k", 1, cancellationToken: Ct);
        using var impatience = new CancellationTokenSource();
        var held = _store.HoldNext();
        var leaving = cache.GetAsync<int>("k", cancellationToken: impatience.Token).AsTask();
        await held.Entered.WaitAsync(AtMost, Ct);
        await impatience.CancelAsync();
        await FluentActions.Awaiting(() => leaving).Should().ThrowAsync<OperationCanceledException>();
        (await cache.GetAsync<int>("k", cancellationToken: Ct)).Value.Should().Be(1);
        held.Release();
    }

    [Fact]
    public async Task What_the_store_could_not_be_told_is_a_miss()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: false, configure: null, faulty);
        await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] }, Ct);
        faulty.Inject(StoreOperations.InvalidateTags, StoreFault.Fail());
        await cache.RemoveByTagAsync("t", Ct);
        (await cache.GetAsync<int>("k", cancellationToken: Ct)).IsHit.Should().BeFalse();
        (await cache.GetOrCreateAsync("k", _ => Make(2), cancellationToken: Ct)).Should().Be(2);
    }

    [Fact]
    public async Task A_value_is_given_as_the_type_asked_for_and_a_sliding_one_is_renewed()
    {
        var cache = Create(hasMemory: false, configure: null, _store);
        await cache.SetAsync("k", 7, new CacheEntryOptions { SlidingExpiration = TimeSpan.FromMinutes(10), Expiration = TimeSpan.FromHours(1) }, Ct);
        for (var i = 0; i < 5; i++)
        {
            Clock.Advance(TimeSpan.FromMinutes(8));
            (await cache.GetAsync<long>("k", cancellationToken: Ct)).Value.Should().Be(7);
            await PassAsync(TimeSpan.FromSeconds(5));
        }
    }

    /// <summary>A store whose reads can be held back once they have looked.</summary>
    private sealed class HeldStore(ICacheStore inner) : DelegatingStore(inner)
    {
        private readonly Queue<Hold> _holds = [];
        private int _reads;

        public override string Name => "held";

        internal int Reads => Volatile.Read(ref _reads);

        internal Hold HoldNext()
        {
            var hold = new Hold();
            lock (_holds)
            {
                _holds.Enqueue(hold);
            }

            return hold;
        }

        public override async ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _reads);
            Hold? hold;
            lock (_holds)
            {
                _holds.TryDequeue(out hold);
            }

            var lookup = await base.ReadAsync(key, options, cancellationToken).ConfigureAwait(false);
            if (hold is not null)
            {
                await hold.PassAsync().ConfigureAwait(false);
            }

            return lookup;
        }
    }

    private sealed class Hold
    {
        private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task Entered => _entered.Task;

        internal void Release() => _released.TrySetResult();

        internal Task PassAsync()
        {
            _entered.TrySetResult();
            return _released.Task;
        }
    }
}
