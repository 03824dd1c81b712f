using CacheKit.Engine;
using CacheKit.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Memory;

/// <summary>The memory tier under its engine: which entries leave, and for which reason.</summary>
public sealed class MemoryTierTests
{
    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public async Task An_entry_that_each_read_looks_at_closely_is_not_taken_for_dead_when_room_is_made()
    {
        using var cache = Create(new() { MaximumEntries = 1_000, MaintenanceInterval = TimeSpan.FromHours(1) });
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"hot{i}", i, new CacheEntryOptions { SlidingExpiration = TimeSpan.FromMinutes(1) });
        }

        for (var i = 0; i < 10_000; i++)
        {
            await cache.SetAsync($"new{i}", i);
            await cache.GetAsync<int>($"hot{i % 100}");
        }

        var left = 0;
        for (var i = 0; i < 100; i++)
        {
            left += (await cache.GetAsync<int>($"hot{i}")).IsHit ? 1 : 0;
        }

        left.Should().Be(100);
    }

    [Fact]
    public async Task A_clear_takes_out_everything_and_tells_of_each_entry_once()
    {
        var observer = new Reasons();
        using var cache = Create(new() { MaximumEntries = 5_000, MaintenanceInterval = TimeSpan.FromHours(1) }, observer);
        for (var i = 0; i < 6_000; i++)
        {
            await cache.SetAsync($"k{i}", i, new CacheEntryOptions { Expiration = i % 2 == 0 ? TimeSpan.FromSeconds(1) : null });
        }

        _clock.Advance(TimeSpan.FromSeconds(2)); // what has expired is no less removed
        observer.Seen.Clear();
        var entries = (int)cache.GetStatistics().Entries;
        await cache.ClearAsync();

        cache.GetStatistics().Entries.Should().Be(0);
        observer.Seen.Should().HaveCount(entries).And.OnlyContain(reason => reason == CacheEntryEndReason.Removed);
        cache.Verify();
        await cache.SetAsync("new", 1);
        cache.GetStatistics().Entries.Should().Be(1);
    }

    [Fact]
    public async Task An_entry_that_has_expired_is_told_of_as_expired_also_if_a_newcomer_takes_its_place()
    {
        var observer = new Reasons();
        using var cache = Create(new() { MaximumEntries = 100, MaintenanceInterval = TimeSpan.FromHours(1) }, observer);
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"old{i}", i, TimeSpan.FromSeconds(1));
        }

        _clock.Advance(TimeSpan.FromSeconds(2));
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"new{i}", i);
        }

        var statistics = cache.GetStatistics();
        (statistics.Evictions, statistics.Expirations).Should().Be((0L, 100L));
        observer.Seen.Should().OnlyContain(reason => reason == CacheEntryEndReason.Expired);
    }

    [Fact]
    public async Task An_entry_that_was_removed_by_tag_is_told_of_as_removed_also_if_a_newcomer_takes_its_place()
    {
        var observer = new Reasons();
        using var cache = Create(new() { MaximumEntries = 100, MaintenanceInterval = TimeSpan.FromHours(1) }, observer);
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"old{i}", i, new CacheEntryOptions { Tags = ["t"] });
        }

        await cache.RemoveByTagAsync("t");
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"new{i}", i);
        }

        cache.GetStatistics().Evictions.Should().Be(0);
        observer.Seen.Should().OnlyContain(reason => reason == CacheEntryEndReason.Removed);
    }

    [Fact]
    public async Task Entries_removed_by_tag_make_room_before_those_that_are_alive()
    {
        using var cache = Create(new() { MaximumEntries = 1_000, MaintenanceInterval = TimeSpan.FromHours(1) });
        for (var i = 0; i < 500; i++)
        {
            await cache.SetAsync($"dead{i}", i, new CacheEntryOptions { Tags = ["t"] });
        }

        for (var round = 0; round < 5; round++)
        {
            for (var i = 0; i < 500; i++)
            {
                await cache.GetAsync<int>($"dead{i}");
            }
        }

        for (var i = 0; i < 500; i++)
        {
            await cache.SetAsync($"alive{i}", i);
        }

        await cache.RemoveByTagAsync("t");
        for (var i = 0; i < 450; i++)
        {
            await cache.SetAsync($"new{i}", i);
        }

        var alive = 0;
        for (var i = 0; i < 500; i++)
        {
            alive += (await cache.GetAsync<int>($"alive{i}")).IsHit ? 1 : 0;
        }

        alive.Should().BeGreaterThan(450);
    }

    [Fact]
    public async Task What_was_just_set_is_there_if_it_is_but_a_fiftieth_of_the_cache()
    {
        using var cache = Create(new() { MaximumBytes = 1_000_000, MaintenanceInterval = TimeSpan.FromHours(1) });
        for (var request = 0; request < 60_000; request++)
        {
            await cache.GetOrCreateAsync($"loop{request % 100}", static _ => ValueTask.FromResult(new byte[15_000]));
        }

        var misses = 0;
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"new{i}", new byte[15_000]);
            misses += (await cache.GetAsync<byte[]>($"new{i}")).IsHit ? 0 : 1;
        }

        misses.Should().Be(0, $"of 66 entries each has a place; the tuning is {cache.Policy.Tuning}");
    }

    [Fact]
    public async Task Counters_in_use_reach_the_miniatures_that_steer_the_cache()
    {
        using var cache = Create(new() { MaximumEntries = 1_000 });
        for (var round = 0; round < 30; round++)
        {
            for (var i = 0; i < 500; i++)
            {
                await cache.IncrementAsync($"hot{i}");
            }

            for (var i = 0; i < 300; i++)
            {
                await cache.IncrementAsync($"once{round}:{i}");
            }
        }

        cache.Policy.HitsPlayed.Should().BePositive("a policy that sees only misses takes all keys for the same");
    }

    [Fact]
    public async Task To_touch_an_entry_is_to_use_it_for_the_miniatures_as_well()
    {
        using var cache = Create(new() { MaximumEntries = 1_000 });
        for (var round = 0; round < 30; round++)
        {
            for (var i = 0; i < 500; i++)
            {
                if (!await cache.TouchAsync($"hot{i}"))
                {
                    await cache.SetAsync($"hot{i}", i);
                }
            }

            for (var i = 0; i < 300; i++)
            {
                await cache.SetAsync($"once{round}:{i}", i);
            }
        }

        cache.Policy.HitsPlayed.Should().BePositive("a policy that sees only misses takes all keys for the same");
    }

    private Cache Create(MemoryOptions memory, params CacheObserver[] observers) =>
        new("test", new(), memory, _clock, NullLogger.Instance, observers, meters: null, isMemoryShort: () => false);

    private sealed class Reasons : CacheObserver
    {
        internal List<CacheEntryEndReason> Seen { get; } = [];

        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => Seen.Add(reason);
    }
}
