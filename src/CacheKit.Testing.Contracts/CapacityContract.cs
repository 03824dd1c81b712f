using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That the memory tier keeps to its bound at every instant and its books are right.</summary>
/// <remarks>Only for caches with a memory tier.</remarks>
public abstract class CapacityContract : CacheContract
{
    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(1_000)]
    public async Task No_more_entries_are_held_than_the_bound_allows_at_any_instant(int bound)
    {
        var cache = await CreateAsync(options => options.Memory.MaximumEntries = bound);
        for (var i = 0; i < 3 * bound + 10; i++)
        {
            await cache.SetAsync($"k{i}", i);
            cache.GetStatistics().Entries.Should().BeLessThanOrEqualTo(bound);
            cache.GetStatistics().Weight.Should().Be(cache.GetStatistics().Entries);
        }

        cache.GetStatistics().Entries.Should().Be(bound);
        cache.GetStatistics().Evictions.Should().Be(2 * bound + 10);
    }

    [Fact]
    public async Task The_bound_holds_under_writers_at_once()
    {
        const int Bound = 100;
        var cache = await CreateAsync(options => options.Memory.MaximumEntries = Bound);
        using var start = new Barrier(4);
        var work = Enumerable.Range(0, 4).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                var most = 0L;
                for (var i = 0; i < Rounds(3_000); i++)
                {
                    var key = $"k{thread * 37 + i % 500}";
                    if (i % 3 == 0)
                    {
                        cache.GetOrCreate(key, () => i);
                    }
                    else if (i % 7 == 0)
                    {
                        cache.Remove(key);
                    }
                    else
                    {
                        cache.Set(key, i);
                    }

                    most = Math.Max(most, cache.GetStatistics().Entries);
                }

                return most;
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        (await Soon(Task.WhenAll(work))).Should().OnlyContain(most => most <= Bound);
    }

    [Fact]
    public async Task Weights_are_kept_within_the_bound_and_add_up()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        for (var i = 0; i < 300; i++)
        {
            await cache.SetAsync($"k{i}", i, new CacheEntryOptions { Size = 100 });
            cache.GetStatistics().Weight.Should().BeLessThanOrEqualTo(10_000);
            cache.GetStatistics().Weight.Should().Be(cache.GetStatistics().Entries * 100);
        }

        cache.GetStatistics().Weight.Should().Be(10_000);
    }

    [Fact]
    public async Task A_replacement_changes_the_weight_up_and_down()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        foreach (var size in new[] { 100, 500, 50, 0, 9_999, 10_000, 1 })
        {
            await cache.SetAsync("k", size, new CacheEntryOptions { Size = size });
            cache.GetStatistics().Weight.Should().Be(Math.Max(1, size), "an entry that weighs nothing counts as one");
            await ExpectAsync(cache, "k", size);
        }
    }

    [Fact]
    public async Task Whatever_leaves_gives_its_weight_back()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        var options = new CacheEntryOptions { Size = 100, Expiration = Seconds(10), Tags = ["t"] };
        await cache.SetManyAsync<int>([new("removed", 1), new("tagged", 2), new("expired", 3)], options);
        await cache.SetAsync("stays", 4, new CacheEntryOptions { Size = 7 });
        await cache.RemoveAsync("removed");
        cache.GetStatistics().Weight.Should().Be(207);
        await cache.RemoveByTagAsync("t");
        await ExpectMissAsync(cache, "tagged");
        await cache.SetAsync("expired", 3, options);
        Clock.Advance(Seconds(10));
        await ExpectMissAsync(cache, "expired");
        cache.GetStatistics().Weight.Should().Be(7);
        await cache.ClearAsync();
        cache.GetStatistics().Weight.Should().Be(0);
        cache.GetStatistics().Entries.Should().Be(0);
    }

    [Fact]
    public async Task A_value_too_heavy_for_the_whole_cache_is_not_stored_and_the_others_stay()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        await cache.SetAsync("a", 1, new CacheEntryOptions { Size = 5_000 });
        await cache.SetAsync("b", 2, new CacheEntryOptions { Size = 5_000 });
        foreach (var size in new[] { 10_001, long.MaxValue })
        {
            await cache.SetAsync("heavy", 3, new CacheEntryOptions { Size = size });
            await ExpectDeclinedAsync(cache, "heavy", 3);
        }

        await ExpectAsync(cache, "a", 1);
        await ExpectAsync(cache, "b", 2);
        cache.GetStatistics().Refusals.Should().BeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task A_replacement_too_heavy_for_the_whole_cache_removes_what_was_there()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        await cache.SetAsync("k", 1, new CacheEntryOptions { Size = 100 });
        await cache.SetAsync("k", 2, new CacheEntryOptions { Size = 10_001 });
        cache.GetStatistics().Weight.Should().Be(0);
        await ExpectDeclinedAsync(cache, "k", 2);
    }

    [Fact]
    public async Task A_factorys_value_that_is_too_heavy_is_answered_all_the_same()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        var options = new CacheEntryOptions { Size = 10_001 };
        (await CreateOrGet(cache, "k", 1, options)).Should().Be(1);
        (await CreateOrGet(cache, "k", 2, options)).Should().Be(HasStores ? 1 : 2);
        await ExpectDeclinedAsync(cache, "k", 1);
    }

    [Fact]
    public async Task What_was_not_stored_because_it_was_too_heavy_is_not_said_to_be_stored()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        var heavy = new CacheEntryOptions { Size = 10_001 };
        (await Soon(cache.TryAddAsync("k", 1, heavy))).Should().Be(HasStores);
        (await Soon(cache.SetManyAsync<int>([new("a", 1), new("b", 2)], heavy))).Should().Be(HasStores ? 2 : 0);
        await cache.SetAsync("k", 1, heavy);
        cache.GetStatistics().Sets.Should().Be(HasStores ? 4 : 0);
        cache.GetStatistics().Refusals.Should().Be(4);
    }

    [Fact]
    public async Task Weights_of_any_magnitude_do_not_overflow()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = long.MaxValue);
        await cache.SetAsync("a", 1, new CacheEntryOptions { Size = long.MaxValue });
        await cache.SetAsync("b", 2, new CacheEntryOptions { Size = long.MaxValue });
        await cache.SetAsync("a", 3, new CacheEntryOptions { Size = long.MaxValue - 1 });
        await cache.SetAsync("c", 4, new CacheEntryOptions { Size = 1 });
        cache.GetStatistics().Weight.Should().BeInRange(1, long.MaxValue);
    }

    [Fact]
    public async Task A_factory_may_say_what_its_value_weighs()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 10_000);
        await Soon(cache.GetOrCreateAsync("k", (context, _) =>
        {
            context.Size = 123;
            return ValueTask.FromResult(1);
        }));
        cache.GetStatistics().Weight.Should().Be(123);
    }

    [Fact]
    public async Task The_caches_own_function_tells_the_size_of_what_has_none()
    {
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaximumBytes = 10_000;
            options.Memory.SizeOf = (key, value) => key.Length + ((string?)value)?.Length ?? 0;
        });
        await cache.SetAsync("four", "12345");
        cache.GetStatistics().Weight.Should().Be(9);
        await cache.SetAsync("x", "1", new CacheEntryOptions { Size = 100 });
        cache.GetStatistics().Weight.Should().Be(109);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_size_function_that_fails_or_makes_no_sense_fails_the_set_and_leaves_what_was_there(bool throws)
    {
        var isBad = false;
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaximumBytes = 10_000;
            options.Memory.SizeOf = (_, _) => !isBad ? 10 : throws ? throw new FormatException("bad size") : -1;
        });
        await cache.SetAsync("k", 1);
        isBad = true;
        var act = () => Soon(cache.SetAsync("k", 2));
        await act.Should().ThrowAsync<Exception>().Where(exception => throws ? exception is FormatException : exception is InvalidOperationException);
        var create = () => CreateOrGet(cache, "new", 2);
        await create.Should().ThrowAsync<Exception>();
        await ExpectAsync(cache, "k", 1);
        await ExpectMissAsync(cache, "new");
    }

    [Fact]
    public async Task Without_sizes_bytes_are_estimated_so_that_large_values_push_others_out()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumBytes = 100_000);
        for (var i = 0; i < 50; i++)
        {
            await cache.SetAsync($"k{i}", new byte[5_000]);
            cache.GetStatistics().Weight.Should().BeInRange(5_000, 100_000);
        }

        cache.GetStatistics().Entries.Should().BeInRange(10, 20);
    }

    [Fact]
    public async Task What_is_used_often_survives_a_scan()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumEntries = 100);
        for (var i = 0; i < 50; i++)
        {
            await cache.SetAsync($"hot{i}", i);
        }

        for (var round = 0; round < 10; round++)
        {
            for (var i = 0; i < 50; i++)
            {
                await CreateOrGet(cache, $"hot{i}", i);
            }

            for (var i = 0; i < 50; i++)
            {
                await CreateOrGet(cache, $"cold{round}-{i}", i);
            }
        }

        var left = (await Soon(cache.GetManyAsync<int>(Enumerable.Range(0, 50).Select(i => $"hot{i}")))).Values.Count(lookup => lookup.IsHit);
        left.Should().BeGreaterThanOrEqualTo(45);
    }

    [Fact]
    public async Task Expired_entries_are_let_go_without_being_read()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaintenanceInterval = Seconds(1);
            options.Observers.Add(log);
        });
        for (var i = 0; i < 1_000; i++)
        {
            await cache.SetAsync($"k{i}", i, Seconds(5));
        }

        await cache.SetAsync("stays", 1, Seconds(100));
        await cache.SetAsync("stale", 1, new CacheEntryOptions { Expiration = Seconds(5), StaleFor = Seconds(20) });
        Clock.Advance(Seconds(10));
        cache.GetStatistics().Entries.Should().Be(2);
        cache.GetStatistics().Expirations.Should().Be(1_000);
        log.Count("Expired k0").Should().Be(1);
        Clock.Advance(Seconds(20));
        cache.GetStatistics().Entries.Should().Be(1);
        log.Count("Expired stale").Should().Be(1);
    }

    [Fact]
    public async Task Entries_removed_by_tag_are_let_go_without_being_read()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaintenanceInterval = Seconds(1);
            options.Observers.Add(log);
        });
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"k{i}", i, new CacheEntryOptions { Tags = ["t"] });
        }

        await cache.SetAsync("stays", 1, new CacheEntryOptions { Tags = ["u"] });
        await cache.RemoveByTagAsync("t");
        Clock.Advance(Seconds(10));
        cache.GetStatistics().Entries.Should().Be(1, "what is removed must not take the room of others for ever");
        log.Count("Removed k0").Should().Be(1);
    }

    /// <summary>Asserts that what memory has declined is nowhere, or in a store.</summary>
    private Task ExpectDeclinedAsync(ICache cache, string key, int value) => HasStores ? ExpectAsync(cache, key, value) : ExpectMissAsync(cache, key);
}
