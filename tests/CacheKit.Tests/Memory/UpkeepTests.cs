using CacheKit.Engine;
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
        var weak = CreateAndForget();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        weak.IsAlive.Should().BeFalse();
        _clock.Advance(TimeSpan.FromSeconds(1)); // its timer notices
        _clock.Advance(TimeSpan.FromSeconds(1));
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

    private Cache Create(MemoryOptions memory) =>
        new("test", new(), memory, _clock, NullLogger.Instance, [], meters: null, isMemoryShort: () => _isMemoryShort);

    private WeakReference CreateAndForget() => new(Create(new() { MaximumEntries = 10 }));

    private static async Task FillAsync(Cache cache, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await cache.SetAsync($"k{i}", i);
        }
    }

    private sealed class ContextObserver(AsyncLocal<string> ambient) : CacheObserver
    {
        internal TaskCompletionSource<string?> Seen { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => Seen.TrySetResult(ambient.Value);
    }
}
