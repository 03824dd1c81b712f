using CacheKit.Diagnostics;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.Diagnostics;

public sealed class CacheCountersTests
{
    [Fact]
    public void Every_count_comes_out_under_its_own_name()
    {
        using var counters = new CacheCounters();
        Times(1, counters.Hit);
        Times(2, counters.Hit);
        Times(4, counters.StaleHit);
        Times(5, counters.Miss);
        Times(6, counters.Join);
        Times(7, () => counters.FactoryStarted(isBackgroundRefresh: false));
        Times(8, () => counters.FactoryStarted(isBackgroundRefresh: true));
        Times(9, () => counters.FactoryEnded(TimeSpan.FromSeconds(1), hasFailed: true));
        Times(2, () => counters.FactoryEnded(TimeSpan.FromSeconds(1), hasFailed: false));
        Times(10, counters.DiscardedResult);
        Times(11, counters.Set);
        Times(12, counters.Removal);
        Times(13, () => counters.Ended(CacheEntryEndReason.Replaced));
        Times(14, () => counters.Ended(CacheEntryEndReason.Evicted));
        Times(16, () => counters.Ended(CacheEntryEndReason.Expired));
        Times(17, () => counters.Ended(CacheEntryEndReason.TokenChanged));
        Times(18, () => counters.Ended(CacheEntryEndReason.Removed));
        Times(19, counters.Refusal);

        counters.Snapshot(entries: 20, weight: 21).Should().BeEquivalentTo(new CacheStatistics
        {
            Hits = 3,
            StaleHits = 4,
            Misses = 5,
            Joins = 6,
            FactoryRuns = 15,
            BackgroundRefreshes = 8,
            FactoryFailures = 9,
            FactoryTime = TimeSpan.FromSeconds(11),
            DiscardedResults = 10,
            Sets = 11,
            Removals = 12,
            Replacements = 13,
            Evictions = 14,
            Expirations = 16,
            TokenExpirations = 17,
            Refusals = 19,
            Entries = 20,
            Weight = 21,
        });
    }

    [Fact]
    public void Two_caches_count_apart()
    {
        using var one = new CacheCounters();
        using var two = new CacheCounters();
        one.Hit();
        two.Miss();
        one.Snapshot(0, 0).Should().BeEquivalentTo(new CacheStatistics { Hits = 1 });
        two.Snapshot(0, 0).Should().BeEquivalentTo(new CacheStatistics { Misses = 1 });
    }

    [Fact]
    public void Nothing_is_lost_when_many_threads_count()
    {
        using var counters = new CacheCounters();
        Parallel.For(0, 10_000, _ =>
        {
            counters.Hit();
            counters.Miss();
            counters.Set();
        });
        counters.Snapshot(0, 0).Should().BeEquivalentTo(new CacheStatistics { Hits = 10_000, Misses = 10_000, Sets = 10_000 });
    }

    private static void Times(int count, Action action)
    {
        for (var i = 0; i < count; i++)
        {
            action();
        }
    }

    [Fact]
    public void Statistics_can_be_read_as_they_are()
    {
        var statistics = new CacheStatistics
        {
            Hits = 2, StaleHits = 1, Misses = 1, FactoryRuns = 1, Sets = 4, Entries = 5, Weight = 500,
            Tiers = [new() { Name = "disk", Hits = 7 }, new() { Name = "redis", Circuit = CircuitState.Open, Failures = 6, PendingRecoveries = 3 }],
        };
        statistics.ToString().Split(Environment.NewLine).Should().Equal(
            "2 hits (66.7 %), 1 misses, 0 joins (1 answered stale), 1 factory runs (0 failed), 4 sets, 0 removals",
            "  memory: 5 entries of weight 500, 0 evicted, 0 expired, 0 replaced, 0 refused",
            "  disk: Closed, 7 hits, 0 misses, 0 writes, 0 removals, 0 failures, 0 timeouts, 0 refusals",
            "  redis: Open, 0 hits, 0 misses, 0 writes, 0 removals, 6 failures, 0 timeouts, 0 refusals, 3 changes not told yet");
    }

    [Fact]
    public async Task A_cache_without_memory_tells_nothing_of_memory()
    {
        await using var provider = new ServiceCollection().AddCacheKit(cache => cache.WithoutMemory().UseStore(static context => new InMemoryStore(new(), context.TimeProvider))).BuildServiceProvider();
        var lines = provider.GetRequiredService<ICache>().GetStatistics().ToString().Split(Environment.NewLine);
        lines.Should().HaveCount(2);
        lines[1].Should().Contain(": Closed, 0 hits");
    }

    [Fact]
    public void What_a_disk_cache_tells_can_be_read_as_it_is()
    {
        new DiskStatistics { Entries = 5, BytesInUse = 1_000, BytesOnDisk = 2_000, MaximumBytes = 30_000, IndexBytes = 400, BytesWritten = 5_000, ReinsertedEntries = 6, DroppedSegments = 7, DisplacedEntries = 8, DeclinedWrites = 9 }
            .ToString().Should().Be(
                "5 entries, 1,000 bytes in use, 2,000 of 30,000 bytes on disk (index: 400), 5,000 bytes written, 6 entries carried on, 7 segments dropped, 8 entries displaced, 9 writes declined, of one process alone");
        new DiskStatistics { IsShared = true }.ToString().Should().EndWith(", shared");
        new DiskCheckResult(liveEntries: 1, liveBytes: 2_000, deadEntries: 3, damagedEntries: 4).ToString().Should().Be("1 live entries of 2,000 bytes, 3 dead, 4 damaged");
    }
}
