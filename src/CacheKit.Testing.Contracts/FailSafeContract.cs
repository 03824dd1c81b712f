using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Fail-safe: a stale value stands in when the factory fails, for as long as was allowed, and not longer.</summary>
public abstract class FailSafeContract : CacheContract
{
    private static readonly CacheEntryOptions _failSafe = new() { Expiration = Seconds(10), StaleFor = Seconds(100), RetryAfterFailure = Seconds(5) };
    private static readonly CacheEntryOptions _allowStale = new() { AllowStale = true };

    [Fact]
    public async Task A_stale_value_stands_in_for_a_factory_that_fails()
    {
        var cache = await StaleAsync();
        (await FailingAsync(cache)).Should().Be(1);
    }

    [Fact]
    public async Task A_stale_value_stands_in_until_its_stale_time_is_over_and_no_longer()
    {
        var cache = await StaleAsync();
        Clock.Advance(Seconds(100) - TimeSpan.FromTicks(1));
        (await FailingAsync(cache)).Should().Be(1);
        Clock.Advance(TimeSpan.FromTicks(1));
        await FailsAsync(cache);
    }

    [Fact]
    public async Task A_failed_attempt_does_not_lengthen_the_stale_time()
    {
        var cache = await StaleAsync();
        for (var i = 0; i < 9; i++)
        {
            (await FailingAsync(cache)).Should().Be(1);
            Clock.Advance(Seconds(11));
        }

        Clock.Advance(Seconds(1));
        await FailsAsync(cache);
    }

    [Fact]
    public async Task Jitter_is_not_added_to_the_stale_time()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(10), Jitter = Seconds(10), StaleFor = Seconds(100) });
        var life = (await Soon(cache.GetTimeToLiveAsync("k"))).GetValueOrDefault();
        Clock.Advance(life + Seconds(100) - TimeSpan.FromTicks(1));
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsStale.Should().BeTrue();
        Clock.Advance(TimeSpan.FromTicks(1));
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Without_a_stale_time_the_failure_surfaces()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        Clock.Advance(Seconds(10));
        await FailsAsync(cache);
    }

    [Fact]
    public async Task A_call_may_decline_stale_values()
    {
        var cache = await StaleAsync();
        await FailsAsync(cache, new CacheEntryOptions { StaleFor = TimeSpan.Zero });
        (await FailingAsync(cache)).Should().Be(1);
    }

    [Fact]
    public async Task Everyone_who_waits_gets_the_stale_value()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        var loads = Enumerable.Range(0, 5).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync, _failSafe).AsTask()).ToArray();
        await Soon(held.Started);
        held.Fail(new FormatException("down"));
        (await Soon(Task.WhenAll(loads))).Should().OnlyContain(value => value == 1);
        held.Runs.Should().Be(1);
    }

    [Fact]
    public async Task A_factory_that_failed_is_not_tried_again_before_its_time()
    {
        var cache = await StaleAsync();
        (await FailingAsync(cache)).Should().Be(1);
        var runs = 0;
        Clock.Advance(Seconds(5) - TimeSpan.FromTicks(1));
        for (var i = 0; i < 3; i++)
        {
            (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs), _failSafe))).Should().Be(1);
        }

        runs.Should().Be(0);
        Clock.Advance(TimeSpan.FromTicks(1));
        (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(100 + ++runs), _failSafe))).Should().Be(101);
        await ExpectAsync(cache, "k", 101);
    }

    [Fact]
    public async Task A_factory_that_failed_is_tried_again_after_five_seconds_if_nothing_else_is_said()
    {
        var cache = await StaleAsync();
        (await Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down")))).Should().Be(1);
        Clock.Advance(Seconds(5) - TimeSpan.FromTicks(1));
        (await CreateOrGet(cache, "k", 2)).Should().Be(1);
        Clock.Advance(TimeSpan.FromTicks(1));
        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
    }

    [Fact]
    public async Task A_retry_time_of_zero_tries_every_time()
    {
        var cache = await StaleAsync();
        var runs = 0;
        for (var i = 0; i < 3; i++)
        {
            (await Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException($"down {++runs}"), new CacheEntryOptions { RetryAfterFailure = TimeSpan.Zero }))).Should().Be(1);
        }

        runs.Should().Be(3);
    }

    [Fact]
    public async Task A_set_ends_the_wait_for_the_next_attempt()
    {
        var cache = await StaleAsync();
        (await FailingAsync(cache)).Should().Be(1);
        await cache.SetAsync("k", 2, Seconds(1));
        await ExpectAsync(cache, "k", 2);
        Clock.Advance(Seconds(1));
        (await CreateOrGet(cache, "k", 3)).Should().Be(3);
    }

    [Fact]
    public async Task A_stale_value_is_no_hit_for_those_who_did_not_ask_for_it()
    {
        var cache = await StaleAsync();
        (await FailingAsync(cache)).Should().Be(1);
        await ExpectMissAsync(cache, "k");
        (await Soon(cache.GetManyAsync<int>(["k"])))["k"].IsHit.Should().BeFalse();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().BeNull();
        (await Soon(cache.TryAddAsync("k", 2))).Should().BeTrue();
    }

    [Fact]
    public async Task A_get_that_allows_stale_values_says_which_they_are()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _failSafe);
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).Should().Be(new CacheLookup<int>(1, isStale: false));
        Clock.Advance(Seconds(10));
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).Should().Be(new CacheLookup<int>(1, isStale: true));
        (await Soon(cache.GetManyAsync<int>(["k", "m"], _allowStale)))["k"].IsStale.Should().BeTrue();
    }

    [Fact]
    public async Task A_cache_can_allow_stale_values_in_every_get()
    {
        var cache = await CreateAsync(options => options.Defaults = new() { AllowStale = true, StaleFor = Seconds(10) });
        await cache.SetAsync("k", 1, Seconds(1));
        Clock.Advance(Seconds(1));
        (await Soon(cache.GetAsync<int>("k"))).IsStale.Should().BeTrue();
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = false }, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task A_new_value_ends_the_stale_one()
    {
        var cache = await StaleAsync();
        (await CreateOrGet(cache, "k", 2, _failSafe)).Should().Be(2);
        (await FailingAsync(cache)).Should().Be(2);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
    }

    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("clear")]
    [InlineData("no time")]
    public async Task A_removed_value_never_stands_in(string way)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["t"] });
        Clock.Advance(Seconds(10));
        await (way switch
        {
            "key" => Soon(cache.RemoveAsync("k")),
            "tag" => Soon(cache.RemoveByTagAsync("t")),
            "clear" => Soon(cache.ClearAsync()),
            _ => Soon(cache.SetAsync("k", 0, TimeSpan.Zero)),
        });
        await FailsAsync(cache);
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsHit.Should().BeFalse();
    }

    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("clear")]
    public async Task A_value_that_is_removed_while_the_factory_runs_does_not_stand_in_when_that_fails(string way)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["t"] });
        Clock.Advance(Seconds(10));
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, _failSafe).AsTask();
        await Soon(held.Started);
        await (way switch
        {
            "key" => Soon(cache.RemoveAsync("k")),
            "tag" => Soon(cache.RemoveByTagAsync("t")),
            _ => Soon(cache.ClearAsync()),
        });
        held.Fail(new FormatException("down"));
        var act = () => Soon(load);
        await act.Should().ThrowAsync<FormatException>();
    }

    [Fact]
    public async Task Expiring_a_key_makes_it_stale_at_once()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _failSafe);
        (await Soon(cache.ExpireAsync("k"))).Should().BeTrue();
        await ExpectMissAsync(cache, "k");
        if (!ExpireRemoves)
        {
            (await FailingAsync(cache)).Should().Be(1);
        }

        Clock.Advance(Seconds(5));
        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
    }

    [Fact]
    public async Task An_expired_key_stays_stale_for_its_stale_time_from_then_on()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _failSafe);
        Clock.Advance(Seconds(5));
        await cache.ExpireAsync("k");
        Clock.Advance(Seconds(100) - TimeSpan.FromTicks(1));
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsStale.Should().Be(!ExpireRemovesAtStore);
        Clock.Advance(TimeSpan.FromTicks(1));
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Expiring_what_has_no_stale_time_removes_it()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        (await Soon(cache.ExpireAsync("k"))).Should().BeTrue();
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsHit.Should().BeFalse();
        (await Soon(cache.ExpireAsync("k"))).Should().BeFalse();
        (await Soon(cache.ExpireAsync("never"))).Should().BeFalse();
        await FailsAsync(cache);
    }

    [Fact]
    public async Task Expiring_twice_does_not_lengthen_the_stale_time()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _failSafe);
        (await Soon(cache.ExpireAsync("k"))).Should().BeTrue();
        Clock.Advance(Seconds(60));
        (await Soon(cache.ExpireAsync("k"))).Should().BeFalse();
        Clock.Advance(Seconds(40));
        (await Soon(cache.GetAsync<int>("k", _allowStale, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Expiring_a_tag_makes_what_carries_it_stale_and_leaves_the_rest()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["t", "u"] };
        await cache.SetAsync("k", 1, options);
        await cache.SetAsync("untagged", 1, _failSafe);
        await cache.SetAsync("not kept", 1, new CacheEntryOptions { Tags = ["t"] });
        await Soon(cache.ExpireByTagAsync("t"));
        await ExpectMissAsync(cache, "k");
        await ExpectMissAsync(cache, "not kept");
        await ExpectAsync(cache, "untagged", 1);
        (await Soon(cache.GetAsync<int>("not kept", _allowStale, default))).IsHit.Should().BeFalse();
        if (!ExpireRemoves)
        {
            (await FailingAsync(cache)).Should().Be(1);
        }

        Clock.Advance(Seconds(5));
        (await CreateOrGet(cache, "k", 2, options)).Should().Be(2);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task Who_comes_after_an_expire_does_not_get_the_value_of_a_factory_from_before_it()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { StaleFor = Seconds(100), Tags = ["t"] };
        foreach (var byTag in new[] { false, true })
        {
            var key = $"k{byTag}";
            var older = new HeldFactory<int>();
            var load = cache.GetOrCreateAsync(key, older.RunAsync, options).AsTask();
            await Soon(older.Started);
            await (byTag ? Soon(cache.ExpireByTagAsync("t")) : Soon(cache.ExpireAsync(key)));
            (await CreateOrGet(cache, key, 2, options)).Should().Be(2);
            older.Return(1);
            (await Soon(load)).Should().Be(1);
            await ExpectAsync(cache, key, 2);
        }
    }

    [Fact]
    public async Task After_an_expire_the_next_caller_runs_the_factory_even_if_one_failed_a_moment_ago()
    {
        var cache = await StaleAsync();
        (await FailingAsync(cache)).Should().Be(1);
        await Soon(cache.ExpireAsync("k"));
        (await CreateOrGet(cache, "k", 2, _failSafe)).Should().Be(2);
    }

    [Fact]
    public async Task After_an_expire_by_tag_the_next_caller_runs_the_factory_even_if_one_failed_a_moment_ago()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["t"] };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(10));
        (await FailingAsync(cache)).Should().Be(1);
        await Soon(cache.ExpireByTagAsync("t"));
        (await CreateOrGet(cache, "k", 2, options)).Should().Be(2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_factory_from_before_an_expire_that_fails_does_not_put_the_next_attempt_off(bool byTag)
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["t"] };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(10));
        var older = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", older.RunAsync, options).AsTask();
        await Soon(older.Started);
        await (byTag ? Soon(cache.ExpireByTagAsync("t")) : Soon(cache.ExpireAsync("k")));
        older.Fail(new FormatException("down"));
        (await Soon(load)).Should().Be(1);
        (await CreateOrGet(cache, "k", 2, _failSafe)).Should().Be(2);
    }

    [Fact]
    public async Task A_stale_value_of_another_type_does_not_hide_the_failure()
    {
        var cache = await CreateAsync(options => options.Cache.TypeMismatch = TypeMismatch.Miss);
        await cache.SetAsync("k", "text", _failSafe);
        Clock.Advance(Seconds(10));
        await FailsAsync(cache);
    }

    [Fact]
    public async Task Stale_values_stand_in_for_many_at_a_time()
    {
        var cache = await StaleAsync();
        var runs = 0;
        for (var i = 0; i < 2; i++)
        {
            var values = await Soon(cache.GetOrCreateManyAsync<int>(["k"], (_, _) => throw new FormatException($"down {++runs}"), _failSafe));
            values.Should().BeEquivalentTo(new Dictionary<string, int> { ["k"] = 1 });
        }

        runs.Should().Be(1);
    }

    private async ValueTask<ICache> StaleAsync()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _failSafe);
        Clock.Advance(Seconds(10));
        return cache;
    }

    private static Task<int> FailingAsync(ICache cache, CacheEntryOptions? options = null) =>
        Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down"), options ?? _failSafe));

    private static async Task FailsAsync(ICache cache, CacheEntryOptions? options = null)
    {
        var act = () => FailingAsync(cache, options);
        await act.Should().ThrowAsync<FormatException>();
    }
}
