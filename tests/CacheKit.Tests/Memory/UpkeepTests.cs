using CacheKit.Engine;
using CacheKit.Memory;
using CacheKit.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Memory;

/// <summary>What the memory tier does on its own: letting go of what has expired, and of more while memory is short.</summary>
public sealed class UpkeepTests
{
    private readonly ManualTimeProvider _clock = new();
    private bool _isMemoryShort;

    [Fact]
    public async Task While_memory_is_short_the_cache_keeps_to_a_share_of_its_bound_and_then_grows_back()
    {
        using var cache = Create(new() { MaximumEntries = 10_000, MemoryPressureShare = 0.25 });
        await FillAsync(cache, 10_000);
        cache.GetStatistics().Entries.Should().Be(10_000);

        _isMemoryShort = true;
        _clock.Advance(TimeSpan.FromSeconds(1));
        cache.GetStatistics().Entries.Should().Be(2_500);
        cache.GetStatistics().Evictions.Should().Be(7_500);
        await FillAsync(cache, 10_000);
        cache.GetStatistics().Entries.Should().Be(2_500, "inserts must not undo it");

        _isMemoryShort = false;
        _clock.Advance(TimeSpan.FromSeconds(1));
        await FillAsync(cache, 10_000);
        cache.GetStatistics().Entries.Should().Be(10_000);
        cache.Verify();
    }

    [Theory]
    [InlineData(4_900, 2_450)]
    [InlineData(2_500, 1_250)]
    [InlineData(2_000, 1_250)]
    [InlineData(100, 100)]
    public async Task Memory_that_becomes_short_halves_what_is_there_unless_that_is_little(int held, int kept)
    {
        using var cache = Create(new() { MaximumEntries = 10_000 });
        await FillAsync(cache, held);
        _isMemoryShort = true;
        _clock.Advance(TimeSpan.FromSeconds(1));
        cache.GetStatistics().Entries.Should().Be(kept);
        _clock.Advance(TimeSpan.FromSeconds(5));
        cache.GetStatistics().Entries.Should().Be(kept, "it is halved once, not at every interval");
        await FillAsync(cache, 10_000);
        cache.GetStatistics().Entries.Should().Be(Math.Max(kept, 1_250));
        cache.Verify();

        _isMemoryShort = false;
        _clock.Advance(TimeSpan.FromSeconds(1));
        await FillAsync(cache, 10_000);
        cache.GetStatistics().Entries.Should().Be(10_000);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_change_that_runs_out_of_memory_halfway_leaves_everything_as_it_was(bool isReplacement)
    {
        var isShort = false;
        var policy = new AdaptiveClockPolicy(100, isRemoved: _ => isShort ? throw new InsufficientMemoryException() : false);
        using var tier = new MemoryTier(new EntryTable(), policy, 100, pressureShare: 1, CacheClock.For(_clock), new Listener());
        var ended = new EndedEntries();
        for (var i = 0; i < 100; i++)
        {
            tier.Put(Entry($"old{i}", 1), ref ended);
        }

        // The policy asks about the first entry that is to make room, when it has taken the newcomer in.
        isShort = true;
        var heavy = Entry(isReplacement ? "old99" : "new", 3);
        FluentActions.Invoking(() => tier.Put(heavy, ref ended)).Should().Throw<OutOfMemoryException>();
        isShort = false;

        tier.Verify();
        (tier.Count, tier.Weight, ended.Count).Should().Be((100, 100L, 0));
        tier.Find("old0").Should().NotBeNull();
        tier.Put(Entry(heavy.Key, 3), ref ended).Should().BeTrue();
        tier.Verify();
        tier.Count.Should().Be(98);

        static MemoryEntry<int> Entry(string key, long weight) => new(key, 0) { FreshUntil = long.MaxValue, Weight = weight };
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_change_that_runs_out_of_memory_when_some_have_left_for_it_leaves_the_others_whole(bool isReplacement)
    {
        var listener = new Listener();
        using var tier = new MemoryTier(new EntryTable(), new AdaptiveClockPolicy(100), 100, pressureShare: 1, CacheClock.For(_clock), listener);
        var ended = new EndedEntries();
        for (var i = 0; i < 100; i++)
        {
            tier.Put(Entry($"old{i}", 1), ref ended);
        }

        listener.AsksUntilShort = 2; // one has left then, and of the second it is not known yet why
        var heavy = Entry(isReplacement ? "old99" : "new", 4);
        FluentActions.Invoking(() => tier.Put(heavy, ref ended)).Should().Throw<OutOfMemoryException>();
        listener.AsksUntilShort = 0;

        tier.Verify();
        tier.Put(Entry(heavy.Key, 4), ref ended).Should().BeTrue();
        tier.Verify();
        tier.Weight.Should().BeLessThanOrEqualTo(100);

        static MemoryEntry<int> Entry(string key, long weight) => new(key, 0) { FreshUntil = long.MaxValue, Weight = weight };
    }

    [Fact]
    public void Upkeep_gives_back_the_room_of_a_table_that_was_emptied()
    {
        var table = new EntryTable(100);
        using var tier = new MemoryTier(table, new AdaptiveClockPolicy(100_000), 100_000, pressureShare: 1, CacheClock.For(_clock), new Listener());
        var ended = new EndedEntries();
        for (var i = 0; i < 100_000; i++)
        {
            tier.Put(new MemoryEntry<int>($"k{i}", i) { FreshUntil = long.MaxValue }, ref ended);
        }

        tier.Maintain();
        table.BucketCount.Should().BeGreaterThan(50_000);
        tier.Sweep(_ => CacheEntryEndReason.Removed);
        tier.Maintain();
        table.BucketCount.Should().Be(128, "it began with that");
        tier.Verify();
    }

    [Fact]
    public void Upkeep_that_is_running_when_the_tier_is_disposed_ends_soon_and_does_not_begin_again()
    {
        var listener = new Listener();
        using var tier = new MemoryTier(new EntryTable(), new AdaptiveClockPolicy(10_000), 10_000, pressureShare: 1, CacheClock.For(_clock), listener);
        var ended = new EndedEntries();
        for (var i = 0; i < 10_000; i++)
        {
            tier.Put(new MemoryEntry<int>($"k{i}", i) { FreshUntil = long.MaxValue }, ref ended);
        }

        listener.OnAsked = tier.Dispose;
        tier.Maintain();
        listener.Asked.Should().BeInRange(1, 400, "it stops after the slice it is at");
        listener.Asked = 0;
        tier.Maintain();
        listener.Asked.Should().Be(0);
        listener.Rounds.Should().Be(0);
    }

    [Fact]
    public async Task Shrinking_can_be_turned_off()
    {
        using var cache = Create(new() { MaximumEntries = 100, MemoryPressureShare = 1 });
        await FillAsync(cache, 100);
        _isMemoryShort = true;
        _clock.Advance(TimeSpan.FromSeconds(1));
        cache.GetStatistics().Entries.Should().Be(100);
    }

    [Fact]
    public async Task In_a_large_cache_all_expired_entries_leave_within_ten_intervals_without_being_read()
    {
        using var cache = Create(new() { MaximumEntries = 300_000 });
        for (var i = 0; i < 200_000; i++)
        {
            // One in ten, so that no part of the table looks as if it were worth going on at once.
            await cache.SetAsync($"k{i}", i, i % 10 == 0 ? TimeSpan.FromSeconds(1) : TimeSpan.FromHours(1));
        }

        _clock.Advance(TimeSpan.FromSeconds(2));
        cache.GetStatistics().Expirations.Should().BeInRange(1, 19_999, "a round through a large table takes several intervals");
        _clock.Advance(TimeSpan.FromSeconds(11));
        cache.GetStatistics().Expirations.Should().Be(20_000);
        cache.GetStatistics().Entries.Should().Be(180_000);
        cache.Verify();
    }

    [Fact]
    public async Task Where_much_has_expired_upkeep_goes_on_at_once()
    {
        using var cache = Create(new() { MaximumEntries = 300_000 });
        for (var i = 0; i < 200_000; i++)
        {
            await cache.SetAsync($"k{i}", i, TimeSpan.FromSeconds(1));
        }

        _clock.Advance(TimeSpan.FromSeconds(1));
        cache.GetStatistics().Entries.Should().Be(0);
        cache.Verify();
    }

    [Fact]
    public void A_cache_that_nobody_holds_ends_its_upkeep()
    {
        var timers = new CountedTimers(_clock);
        var weak = CreateAndForget(timers);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        weak.IsAlive.Should().BeFalse();
        timers.Count.Should().Be(1);
        _clock.Advance(TimeSpan.FromSeconds(1));
        timers.Count.Should().Be(0, "it has noticed that there is nothing left to keep up");
    }

    [Fact]
    public async Task Upkeep_does_not_run_in_the_context_of_whoever_created_the_cache()
    {
        var ambient = new AsyncLocal<string> { Value = "the first request" };
        var observer = new ContextObserver(ambient);
        using var cache = new Cache(
            "test", new(), new() { MaximumEntries = 10 }, TimeProvider.System, NullLogger.Instance, [observer], meters: null);
        using var quick = new Cache(
            "test", new(), new() { MaximumEntries = 10, MaintenanceInterval = TimeSpan.FromMilliseconds(10) }, TimeProvider.System, NullLogger.Instance, [observer], meters: null);
        await quick.SetAsync("k", 1, TimeSpan.FromMilliseconds(1));
        (await observer.Seen.Task.WaitAsync(TimeSpan.FromSeconds(30))).Should().BeNull();
    }

    [Fact]
    public async Task Hits_through_the_cache_reach_the_miniatures_that_steer_it()
    {
        using var cache = Create(new() { MaximumEntries = 1_000 });
        for (var round = 0; round < 30; round++)
        {
            for (var i = 0; i < 500; i++)
            {
                await cache.GetOrCreateAsync($"hot{i}", _ => ValueTask.FromResult(i));
            }

            for (var i = 0; i < 300; i++)
            {
                await cache.GetOrCreateAsync($"once{round}:{i}", _ => ValueTask.FromResult(i));
            }
        }

        cache.Policy.HitsPlayed.Should().BePositive("a policy that sees only misses takes all keys for the same");
    }

    private Cache Create(MemoryOptions memory, TimeProvider? time = null) =>
        new("test", new(), memory, time ?? _clock, NullLogger.Instance, [], meters: null, isMemoryShort: () => _isMemoryShort);

    private WeakReference CreateAndForget(TimeProvider time) => new(Create(new() { MaximumEntries = 10 }, time));

    private static async Task FillAsync(Cache cache, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await cache.SetAsync($"k{i}", i);
        }
    }

    /// <summary>A clock that knows how many of its timers have not been disposed.</summary>
    private sealed class CountedTimers(TimeProvider time) : TimeProvider
    {
        internal int Count { get; private set; }

        public override long TimestampFrequency => time.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => time.GetUtcNow();

        public override long GetTimestamp() => time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Count++;
            return new CountedTimer(this, time.CreateTimer(callback, state, dueTime, period));
        }

        private sealed class CountedTimer(CountedTimers timers, ITimer timer) : ITimer
        {
            private bool _isDisposed;

            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

            public void Dispose()
            {
                timers.Count -= _isDisposed ? 0 : 1;
                _isDisposed = true;
                timer.Dispose();
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }

    private sealed class Listener : IMemoryListener
    {
        internal int Asked { get; set; }

        internal int Rounds { get; private set; }

        internal Action? OnAsked { get; set; }

        public CacheEntryEndReason? ReasonToEnd(MemoryEntry entry)
        {
            Asked++;
            OnAsked?.Invoke();
            return null;
        }

        /// <summary>If positive, which question from now on there is no memory to answer.</summary>
        internal int AsksUntilShort { get; set; }

        public bool IsRemoved(MemoryEntry entry) => AsksUntilShort > 0 && --AsksUntilShort == 0 ? throw new InsufficientMemoryException() : false;

        public void OnEnded(in EndedEntries ended)
        {
        }

        public void OnMemoryPressureChanged(bool isShort, double share)
        {
        }

        public void OnMaintenanceFailed(Exception exception) => throw exception;

        public void OnMaintenance() => Rounds++;
    }

    private sealed class ContextObserver(AsyncLocal<string> ambient) : CacheObserver
    {
        internal TaskCompletionSource<string?> Seen { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => Seen.TrySetResult(ambient.Value);
    }
}
