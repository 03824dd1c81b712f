using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>When an entry is there and when it is not: absolute and sliding expiration, jitter, defaults, and a clock that is set.</summary>
public abstract class ExpirationContract : CacheContract
{
    private static readonly TimeSpan _tick = TimeSpan.FromTicks(1);

    [Fact]
    public async Task An_entry_is_absent_from_the_instant_it_expires()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        Clock.Advance(Seconds(10) - _tick);
        await ExpectAsync(cache, "k", 1);
        Clock.Advance(_tick);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_created_entry_lives_from_the_moment_it_is_stored()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, new() { Expiration = Seconds(10) }).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(60));
        held.Return(1);
        await Soon(load);
        Clock.Advance(Seconds(10) - _tick);
        await ExpectAsync(cache, "k", 1);
        Clock.Advance(_tick);
        await ExpectMissAsync(cache, "k");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(101)]
    [InlineData(250)]
    public async Task Times_below_a_second_are_honoured(int milliseconds)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, TimeSpan.FromMilliseconds(milliseconds));
        Clock.Advance(TimeSpan.FromMilliseconds(milliseconds) - _tick);
        await ExpectAsync(cache, "k", 1);
        Clock.Advance(_tick);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task Without_an_expiration_an_entry_stays()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        Clock.StepWallClock(TimeSpan.FromDays(100 * 365)); // at one go: whatever works every second has not a century to do
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task Times_too_long_to_add_up_never_end()
    {
        var cache = await CreateAsync();
        var jitter = Seconds(30);
        await cache.SetAsync("max", 1, TimeSpan.MaxValue);
        await cache.SetAsync("nearly", 1, TimeSpan.MaxValue - _tick);
        await cache.SetAsync("jitter", 1, new CacheEntryOptions { Expiration = TimeSpan.MaxValue, Jitter = jitter });
        await cache.SetAsync("stale", 1, new CacheEntryOptions { Expiration = TimeSpan.MaxValue, StaleFor = TimeSpan.MaxValue });
        await cache.SetAsync("sliding", 1, new CacheEntryOptions { SlidingExpiration = TimeSpan.MaxValue, Expiration = TimeSpan.MaxValue });
        Clock.StepWallClock(TimeSpan.FromDays(100 * 365)); // at one go: whatever works every second has not a century to do
        foreach (var key in new[] { "max", "nearly", "jitter", "stale", "sliding" })
        {
            await ExpectAsync(cache, key, 1);
        }

        (await Soon(cache.GetTimeToLiveAsync("max"))).Should().Be(TimeSpan.MaxValue);
        (await Soon(cache.GetTimeToLiveAsync("jitter"))).Should().Be(TimeSpan.MaxValue);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public async Task A_set_for_no_time_stores_nothing_and_removes_what_was_there(long ticks)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        await cache.SetAsync("k", 2, TimeSpan.FromTicks(ticks));
        await ExpectMissAsync(cache, "k");
        await cache.SetAsync("new", 2, TimeSpan.FromTicks(ticks));
        await ExpectMissAsync(cache, "new");
    }

    [Fact]
    public async Task A_set_for_no_time_leaves_no_stale_value_either()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        await cache.SetAsync("k", 2, TimeSpan.Zero);
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task A_get_or_create_for_no_time_answers_and_stores_nothing(long ticks)
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = TimeSpan.FromTicks(ticks) };
        (await CreateOrGet(cache, "k", 1, options)).Should().Be(1);
        await ExpectMissAsync(cache, "k");
        (await CreateOrGet(cache, "k", 2, options)).Should().Be(2);
    }

    [Fact]
    public async Task A_second_set_brings_its_own_expiration_longer_shorter_or_none()
    {
        var cache = await CreateAsync();
        foreach (var (first, second, left) in new[] { (10.0, 20.0, 20.0), (20.0, 10.0, 10.0) })
        {
            await cache.SetAsync("k", 1, Seconds(first));
            await cache.SetAsync("k", 2, Seconds(second));
            Clock.Advance(Seconds(left) - _tick);
            await ExpectAsync(cache, "k", 2);
            Clock.Advance(_tick);
            await ExpectMissAsync(cache, "k");
        }

        await cache.SetAsync("k", 1, Seconds(10));
        await cache.SetAsync("k", 2);
        Clock.Advance(Seconds(1_000));
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task Reads_do_not_lengthen_an_absolute_expiration()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        for (var i = 0; i < 9; i++)
        {
            Clock.Advance(Seconds(1));
            await ExpectAsync(cache, "k", 1);
        }

        (await Soon(cache.TouchAsync("k"))).Should().BeTrue();
        Clock.Advance(Seconds(1));
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_sliding_entry_is_absent_when_it_was_idle_for_its_window()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        Clock.Advance(Seconds(10) - _tick);
        (await Soon(cache.ExistsAsync("k"))).Should().BeTrue();
        Clock.Advance(_tick);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task Every_kind_of_read_renews_a_sliding_entry()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        Func<Task>[] reads =
        [
            () => ExpectAsync(cache, "k", 1),
            () => CreateOrGet(cache, "k", 2),
            () => Soon(cache.GetManyAsync<int>(["k"])),
            () => Soon(cache.GetOrCreateManyAsync(["k"], CacheOperations.MakeOnes)),
            () => Soon(cache.TouchAsync("k")),
            () => ExpectAsync(cache, "k", 1L),
        ];
        foreach (var read in reads.Concat(reads))
        {
            Clock.Advance(Seconds(9));
            await read();
            await RenewedAsync(cache, "k", Seconds(10));
        }

        Clock.Advance(Seconds(9));
        await ExpectAsync(cache, "k", 1);
        Clock.Advance(Seconds(10));
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task Asking_whether_it_is_there_does_not_renew_a_sliding_entry()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        Clock.Advance(Seconds(9));
        (await Soon(cache.ExistsAsync("k"))).Should().BeTrue();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(1));
        Clock.Advance(Seconds(1));
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task No_number_of_reads_carries_a_sliding_entry_past_its_absolute_limit()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10), Expiration = Seconds(25) });
        for (var i = 0; i < 4; i++)
        {
            Clock.Advance(Seconds(6));
            await ExpectAsync(cache, "k", 1);
            await RenewedAsync(cache, "k", Seconds(Math.Min(10, 25 - (6 * (i + 1)))));
        }

        Clock.Advance(Seconds(1) - _tick);
        await ExpectAsync(cache, "k", 1);
        Clock.Advance(_tick);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_touch_of_what_has_expired_or_never_was_revives_nothing()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        Clock.Advance(Seconds(10));
        (await Soon(cache.TouchAsync("k"))).Should().BeFalse();
        (await Soon(cache.TouchAsync("never"))).Should().BeFalse();
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_touch_does_not_revive_a_stale_entry()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(10));
        (await Soon(cache.TouchAsync("k"))).Should().BeFalse();
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsStale.Should().BeTrue();
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task Jitter_lengthens_never_shortens_and_stays_in_range()
    {
        var cache = await CreateAsync();
        for (var i = 0; i < 200; i++)
        {
            await cache.SetAsync($"k{i}", 1, new CacheEntryOptions { Expiration = Seconds(10), Jitter = Seconds(5) });
            (await Soon(cache.GetTimeToLiveAsync($"k{i}"))).Should().BeGreaterThanOrEqualTo(Seconds(10)).And.BeLessThanOrEqualTo(Seconds(15));
        }
    }

    [Fact]
    public async Task Jitter_spreads_entries_out()
    {
        var cache = await CreateAsync();
        var times = new HashSet<TimeSpan?>();
        for (var i = 0; i < 20; i++)
        {
            await cache.SetAsync($"k{i}", 1, new CacheEntryOptions { Expiration = Seconds(10), Jitter = Seconds(5) });
            times.Add(await Soon(cache.GetTimeToLiveAsync($"k{i}")));
        }

        times.Count.Should().BeGreaterThan(1);
    }

    [Fact]
    public async Task What_is_expired_is_not_there_in_any_way_of_asking()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(1));
        Clock.Advance(Seconds(1));
        (await Soon(cache.ExistsAsync("k"))).Should().BeFalse();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().BeNull();
        (await Soon(cache.GetManyAsync<int>(["k"])))["k"].IsHit.Should().BeFalse();
        (await Soon(cache.SetTimeToLiveAsync("k", Seconds(10)))).Should().BeFalse();
        (await Soon(cache.ExpireAsync("k"))).Should().BeFalse();
        (await Soon(cache.RemoveAsync("k"))).Should().BeFalse();
        (await Soon(cache.RemoveManyAsync(["k"]))).Should().Be(0);
        (await Soon(cache.GetAsync<int>("k"))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task An_expired_value_is_made_anew()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(10) };
        (await CreateOrGet(cache, "k", 1, options)).Should().Be(1);
        (await CreateOrGet(cache, "k", 2, options)).Should().Be(1);
        Clock.Advance(Seconds(10));
        (await CreateOrGet(cache, "k", 3, options)).Should().Be(3);
        await ExpectAsync(cache, "k", 3);
    }

    [Fact]
    public async Task What_a_call_leaves_unset_comes_from_the_defaults_one_by_one()
    {
        var cache = await CreateAsync(options => options.Defaults = new() { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["default"] });
        await cache.SetAsync("inherits", 1, new CacheEntryOptions { StaleFor = TimeSpan.Zero });
        await cache.SetAsync("overrides", 1, new CacheEntryOptions { Expiration = Seconds(50) });
        await cache.SetAsync("none", 1);
        (await Soon(cache.GetTimeToLiveAsync("inherits"))).Should().Be(Seconds(10));
        (await Soon(cache.GetTimeToLiveAsync("overrides"))).Should().Be(Seconds(50));
        (await Soon(cache.GetTimeToLiveAsync("none"))).Should().Be(Seconds(10));

        Clock.Advance(Seconds(20));
        var stale = new CacheEntryOptions { AllowStale = true };
        (await Soon(cache.GetAsync<int>("inherits", stale, default))).IsHit.Should().BeFalse();
        (await Soon(cache.GetAsync<int>("none", stale, default))).IsStale.Should().BeTrue();
        await cache.RemoveByTagAsync("default");
        await ExpectMissAsync(cache, "overrides");
        (await Soon(cache.GetAsync<int>("none", stale, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task A_factory_may_say_how_long_its_value_lives_without_changing_the_options_for_others()
    {
        var options = new CacheEntryOptions { Expiration = Seconds(10) };
        var cache = await CreateAsync();
        await Soon(cache.GetOrCreateAsync(
            "short",
            (context, _) =>
            {
                context.Expiration.Should().Be(Seconds(10), "the factory sees what would hold");
                context.Expiration = Seconds(2);
                return ValueTask.FromResult(1);
            },
            options));
        await CreateOrGet(cache, "usual", 1, options);
        (await Soon(cache.GetTimeToLiveAsync("short"))).Should().Be(Seconds(2));
        (await Soon(cache.GetTimeToLiveAsync("usual"))).Should().Be(Seconds(10));
        options.Expiration.Should().Be(Seconds(10));
    }

    [Fact]
    public async Task A_factory_may_make_its_entry_sliding_and_give_it_a_stale_time()
    {
        var cache = await CreateAsync();
        await Soon(cache.GetOrCreateAsync("k", (context, _) =>
        {
            context.SlidingExpiration = Seconds(10);
            context.StaleFor = Seconds(100);
            return ValueTask.FromResult(1);
        }));
        Clock.Advance(Seconds(9));
        await ExpectAsync(cache, "k", 1);
        await RenewedAsync(cache, "k", Seconds(10));
        Clock.Advance(Seconds(9));
        await ExpectAsync(cache, "k", 1);
        await RenewedAsync(cache, "k", Seconds(10));
        Clock.Advance(Seconds(10));
        await ExpectMissAsync(cache, "k");
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsStale.Should().BeTrue();
    }

    [Fact]
    public async Task A_factory_that_gives_its_value_no_time_has_it_answered_and_what_was_there_removed()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(1));
        (await Soon(cache.GetOrCreateAsync("k", (context, _) =>
        {
            context.Expiration = TimeSpan.Zero;
            return ValueTask.FromResult(2);
        }))).Should().Be(2);
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task A_factory_may_have_its_value_answered_but_not_stored_and_what_was_there_stays()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(1));
        var runs = 0;
        for (var i = 0; i < 2; i++)
        {
            (await Soon(cache.GetOrCreateAsync("k", (context, _) =>
            {
                context.SkipStoring();
                context.IsStoringSkipped.Should().BeTrue();
                return ValueTask.FromResult(100 + ++runs);
            }))).Should().Be(101 + i);
        }

        await ExpectMissAsync(cache, "k");
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).Value.Should().Be(1);
    }

    [Fact]
    public async Task A_clock_set_back_keeps_nothing_alive_and_revives_nothing()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("gone", 1, Seconds(5));
        await cache.SetAsync("k", 1, Seconds(10));
        await cache.SetAsync("sliding", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        Clock.Advance(Seconds(5));
        Clock.StepWallClock(TimeSpan.FromDays(-1));
        if (HasStores)
        {
            // Their instants are everybody's: what is set from now on expires as it should.
            await cache.SetAsync("k", 2, Seconds(10));
            Clock.Advance(Seconds(10));
            await ExpectMissAsync(cache, "k");
            return;
        }

        await ExpectMissAsync(cache, "gone");
        await ExpectAsync(cache, "k", 1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(5));
        Clock.Advance(Seconds(5));
        await ExpectMissAsync(cache, "k");
        await ExpectMissAsync(cache, "sliding");
    }

    [Fact]
    public async Task A_clock_set_forward_expires_what_is_due()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("due", 1, Seconds(10));
        await cache.SetAsync("later", 1, TimeSpan.FromDays(2));
        Clock.StepWallClock(TimeSpan.FromDays(1));
        await ExpectMissAsync(cache, "due");
        await ExpectAsync(cache, "later", 1);
    }

    [Fact]
    public async Task What_expired_while_the_clock_was_ahead_does_not_come_back_with_the_clock()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        Clock.StepWallClock(TimeSpan.FromDays(1));
        await ExpectMissAsync(cache, "never"); // the cache has seen the time
        Clock.StepWallClock(TimeSpan.FromDays(-1));
        if (!HasStores)
        {
            await ExpectMissAsync(cache, "k");
        }

        await cache.SetAsync("other", 1, Seconds(10));
        await ExpectAsync(cache, "other", 1);
        Clock.Advance(Seconds(10));
        await ExpectMissAsync(cache, "other");
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused_where_they_are_made()
    {
        Refused(() => new CacheEntryOptions { SlidingExpiration = TimeSpan.Zero });
        Refused(() => new CacheEntryOptions { SlidingExpiration = -_tick });
        Refused(() => new CacheEntryOptions { Jitter = -_tick });
        Refused(() => new CacheEntryOptions { StaleFor = -_tick });
        Refused(() => new CacheEntryOptions { RetryAfterFailure = -_tick });
        Refused(() => new CacheEntryOptions { SoftTimeout = TimeSpan.Zero });
        Refused(() => new CacheEntryOptions { HardTimeout = TimeSpan.Zero });
        Refused(() => new CacheEntryOptions { SoftTimeout = Seconds(2), HardTimeout = Seconds(1) });
        Refused(() => new CacheEntryOptions { HardTimeout = Seconds(1), SoftTimeout = Seconds(2) });
        Refused(() => new CacheEntryOptions { RefreshAheadThreshold = 0 });
        Refused(() => new CacheEntryOptions { RefreshAheadThreshold = 1 });
        Refused(() => new CacheEntryOptions { RefreshAheadThreshold = double.NaN });
        Refused(() => new CacheEntryOptions { Size = -1 });
        Refused(() => new CacheCounterOptions { Expiration = TimeSpan.Zero });
        Refused(() => new CacheCounterOptions { Expiration = -_tick });
    }

    private static void Refused(Func<object> make) => make.Should().Throw<ArgumentOutOfRangeException>();

    /// <summary>Gives a renewal the time to be in the stores: a read does not wait for it, and not every read renews there.</summary>
    private async Task RenewedAsync(ICache cache, string key, TimeSpan timeToLive)
    {
        for (var i = 0; i < 50 && HasStores && (await Soon(cache.ExplainAsync(key))).Tiers.Any(tier => tier.TimeToLive < timeToLive); i++)
        {
            await Task.Yield();
        }
    }
}
