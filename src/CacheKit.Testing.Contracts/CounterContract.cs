using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Counters: atomic additions that keep to their bounds and their lifetime.</summary>
public abstract class CounterContract : CacheContract
{
    [Fact]
    public async Task An_absent_counter_begins_at_its_initial_value()
    {
        var cache = await CreateAsync();
        (await Soon(cache.IncrementAsync("one"))).Should().Be(1);
        (await Soon(cache.IncrementAsync("five", 5))).Should().Be(5);
        (await Soon(cache.IncrementAsync("hundred", 5, new() { InitialValue = 100 }))).Should().Be(105);
        (await Soon(cache.IncrementAsync("hundred", 5, new() { InitialValue = 100 }))).Should().Be(110);
        (await Soon(cache.DecrementAsync("down", 3))).Should().Be(-3);
    }

    [Fact]
    public async Task Deltas_of_any_sign_add_up()
    {
        var cache = await CreateAsync();
        long[] deltas = [1, -5, 0, long.MaxValue, -1, 7];
        long[] expected = [1, -4, -4, long.MaxValue - 4, long.MaxValue - 5, long.MaxValue];
        foreach (var (delta, value) in deltas.Zip(expected))
        {
            (await Soon(cache.IncrementAsync("k", delta))).Should().Be(value);
        }
    }

    [Fact]
    public async Task A_delta_of_zero_reads_or_creates()
    {
        var cache = await CreateAsync();
        (await Soon(cache.IncrementAsync("k", 0))).Should().Be(0);
        await ExpectAsync(cache, "k", 0L);
    }

    [Fact]
    public async Task A_counter_stays_within_its_bounds_at_the_ends_of_the_numbers_too()
    {
        var cache = await CreateAsync();
        (await Soon(cache.IncrementAsync("top", long.MaxValue))).Should().Be(long.MaxValue);
        (await Soon(cache.IncrementAsync("top", long.MaxValue))).Should().Be(long.MaxValue);
        (await Soon(cache.IncrementAsync("bottom", long.MinValue))).Should().Be(long.MinValue);
        (await Soon(cache.IncrementAsync("bottom", -1))).Should().Be(long.MinValue);
        var bounded = new CacheCounterOptions { Minimum = 0, Maximum = 10 };
        (await Soon(cache.IncrementAsync("k", 25, bounded))).Should().Be(10);
        (await Soon(cache.IncrementAsync("k", -3, bounded))).Should().Be(7);
        (await Soon(cache.DecrementAsync("k", 25, bounded))).Should().Be(0);
        (await Soon(cache.IncrementAsync("above", 0, new() { InitialValue = 50, Maximum = 10 }))).Should().Be(10);
    }

    [Fact]
    public async Task Bounds_that_exclude_every_number_are_refused()
    {
        var cache = await CreateAsync();
        var act = () => Soon(cache.IncrementAsync("k", 1, new() { Minimum = 2, Maximum = 1 }));
        await act.Should().ThrowAsync<ArgumentException>();
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_delta_that_cannot_be_negated_is_an_OverflowException()
    {
        var cache = await CreateAsync();
        var act = () => Soon(cache.DecrementAsync("k", long.MinValue));
        await act.Should().ThrowAsync<OverflowException>();
    }

    [Fact]
    public async Task A_counter_is_an_entry_of_type_long()
    {
        var cache = await CreateAsync();
        await cache.IncrementAsync("k", 41);
        await ExpectAsync(cache, "k", 41L);
        await ExpectAsync(cache, "k", 41);
        await cache.SetAsync("k", 10L);
        (await Soon(cache.IncrementAsync("k"))).Should().Be(11);
        (await Soon(cache.RemoveAsync("k"))).Should().BeTrue();
        (await Soon(cache.IncrementAsync("k"))).Should().Be(1);
        (await CreateOrGet(cache, "k", -1L)).Should().Be(1);
    }

    [Fact]
    public async Task Any_integer_can_be_counted_on_from()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("int", 7);
        await cache.SetAsync("byte", (byte)255);
        await cache.SetAsync<long?>("nullable", 7);
        (await Soon(cache.IncrementAsync("int"))).Should().Be(8);
        (await Soon(cache.IncrementAsync("byte"))).Should().Be(256);
        (await Soon(cache.IncrementAsync("nullable"))).Should().Be(8);
    }

    [Theory]
    [InlineData(TypeMismatch.Throw)]
    [InlineData(TypeMismatch.Miss)]
    public async Task What_is_no_integer_is_an_error_and_stays_as_it_is(TypeMismatch mismatch)
    {
        var cache = await CreateAsync(options => options.Cache.TypeMismatch = mismatch);
        await cache.SetAsync("text", "7");
        await cache.SetAsync("double", 7.0);
        await cache.SetAsync<long?>("null", null);
        foreach (var key in new[] { "text", "double", "null" })
        {
            var act = () => Soon(cache.IncrementAsync(key));
            await act.Should().ThrowAsync<CacheTypeMismatchException>();
        }

        await ExpectAsync(cache, "text", "7");
        await ExpectAsync(cache, "double", 7.0);
    }

    [Fact]
    public async Task Increments_at_once_lose_nothing_and_give_each_caller_another_number()
    {
        var cache = await CreateAsync();
        const int Threads = 4;
        var times = Rounds(2_000);
        using var start = new Barrier(Threads);
        var work = Enumerable.Range(0, Threads).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                var seen = new long[times];
                for (var i = 0; i < times; i++)
                {
                    seen[i] = cache.IncrementAsync("k").AsTask().GetAwaiter().GetResult();
                }

                return seen;
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        var all = (await Soon(Task.WhenAll(work))).SelectMany(seen => seen).ToHashSet();
        all.Should().HaveCount(Threads * times);
        await ExpectAsync(cache, "k", (long)Threads * times);
    }

    [Fact]
    public async Task The_lifetime_counts_from_creation_and_increments_do_not_extend_it()
    {
        var cache = await CreateAsync();
        var options = new CacheCounterOptions { Expiration = Seconds(10) };
        for (var i = 1; i <= 9; i++)
        {
            (await Soon(cache.IncrementAsync("k", 1, options))).Should().Be(i);
            Clock.Advance(Seconds(1));
        }

        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(1));
        Clock.Advance(Seconds(1));
        await ExpectMissAsync(cache, "k");
        (await Soon(cache.IncrementAsync("k", 1, options))).Should().Be(1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
    }

    [Fact]
    public async Task A_counter_has_the_lifetime_and_tags_of_the_cache_if_none_are_given()
    {
        var cache = await CreateAsync(options => options.Defaults = new() { Expiration = Seconds(10), Tags = ["default"] });
        await cache.IncrementAsync("k");
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
        await cache.RemoveByTagAsync("default");
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task An_increment_keeps_the_time_and_tags_of_what_is_there()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1L, new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(10), Tags = ["t"] });
        await cache.IncrementAsync("k", 1, new() { Expiration = Seconds(50), Tags = ["u"] });
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
        await cache.RemoveByTagAsync("u");
        await ExpectAsync(cache, "k", 2L);
        await cache.RemoveByTagAsync("t");
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_stale_count_is_not_counted_on_from()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 100L, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(1));
        (await Soon(cache.IncrementAsync("k"))).Should().Be(1);
    }

    [Fact]
    public async Task A_removed_count_is_not_counted_on_from()
    {
        var cache = await CreateAsync();
        var options = new CacheCounterOptions { Tags = ["t"] };
        await cache.IncrementAsync("k", 100, options);
        await cache.RemoveByTagAsync("t");
        (await Soon(cache.IncrementAsync("k", 1, options))).Should().Be(1);
        await cache.ClearAsync();
        (await Soon(cache.IncrementAsync("k", 1, options))).Should().Be(1);
    }
}
