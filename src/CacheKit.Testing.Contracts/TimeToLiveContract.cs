using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Asking how long an entry has to live, and giving it another time.</summary>
public abstract class TimeToLiveContract : CacheContract
{
    [Fact]
    public async Task What_is_left_is_told_exactly()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        Clock.Advance(Seconds(3));
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(7));
        Clock.Advance(Seconds(7) - TimeSpan.FromTicks(1));
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(TimeSpan.FromTicks(1));
    }

    [Fact]
    public async Task What_never_expires_is_told_from_what_is_not_there()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(TimeSpan.MaxValue);
        (await Soon(cache.GetTimeToLiveAsync("missing"))).Should().BeNull();
    }

    [Fact]
    public async Task Of_a_sliding_entry_it_is_what_is_left_unless_it_is_read()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10), Expiration = Seconds(15) });
        Clock.Advance(Seconds(4));
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(6));
        await ExpectAsync(cache, "k", 1);
        await ExpectTimeToLiveAsync(cache, Seconds(10));
        Clock.Advance(Seconds(4));
        await ExpectAsync(cache, "k", 1);
        await ExpectTimeToLiveAsync(cache, Seconds(7)); // there is an absolute limit
    }

    [Theory]
    [InlineData(5)]
    [InlineData(50)]
    public async Task A_new_time_to_live_counts_from_now_shorter_or_longer(int seconds)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Seconds(10));
        Clock.Advance(Seconds(3));
        (await Soon(cache.SetTimeToLiveAsync("k", Seconds(seconds)))).Should().BeTrue();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(seconds));
        Clock.Advance(Seconds(seconds) - TimeSpan.FromTicks(1));
        await ExpectAsync(cache, "k", 1);
        Clock.Advance(TimeSpan.FromTicks(1));
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task An_entry_without_end_can_be_given_one_and_the_other_way_round()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        (await Soon(cache.SetTimeToLiveAsync("k", Seconds(10)))).Should().BeTrue();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
        (await Soon(cache.SetTimeToLiveAsync("k", TimeSpan.MaxValue))).Should().BeTrue();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(TimeSpan.MaxValue);
        Clock.Advance(Seconds(1_000));
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task A_new_time_to_live_replaces_a_sliding_expiration()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        (await Soon(cache.SetTimeToLiveAsync("k", Seconds(15)))).Should().BeTrue();
        Clock.Advance(Seconds(12));
        await ExpectAsync(cache, "k", 1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(3));
        Clock.Advance(Seconds(3));
        await ExpectMissAsync(cache, "k");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public async Task No_time_to_live_removes_the_entry_with_its_stale_value(long ticks)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { StaleFor = Seconds(100) });
        (await Soon(cache.SetTimeToLiveAsync("k", TimeSpan.FromTicks(ticks)))).Should().BeTrue();
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
        (await Soon(cache.SetTimeToLiveAsync("k", TimeSpan.FromTicks(ticks)))).Should().BeFalse();
    }

    [Fact]
    public async Task What_is_absent_expired_stale_or_removed_is_not_revived()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("expired", 1, Seconds(1));
        await cache.SetAsync("stale", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        await cache.SetAsync("tagged", 1, new CacheEntryOptions { Tags = ["t"] });
        await cache.RemoveByTagAsync("t");
        Clock.Advance(Seconds(1));
        foreach (var key in new[] { "missing", "expired", "stale", "tagged" })
        {
            (await Soon(cache.SetTimeToLiveAsync(key, Seconds(100)))).Should().BeFalse();
            await ExpectMissAsync(cache, key);
        }
    }

    [Fact]
    public async Task A_new_time_to_live_keeps_value_tags_and_stale_time()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(10), StaleFor = Seconds(100), Tags = ["t"] });
        await cache.SetTimeToLiveAsync("k", Seconds(1));
        Clock.Advance(Seconds(100));
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).Value.Should().Be(1);
        await cache.RemoveByTagAsync("t");
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
    }

    // No caller waits for a store to be told of a read.
    private static async Task ExpectTimeToLiveAsync(ICache cache, TimeSpan expected)
    {
        var began = TimeProvider.System.GetTimestamp();
        TimeSpan? left;
        while ((left = await Soon(cache.GetTimeToLiveAsync("k"))) != expected && TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(20))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }

        left.Should().Be(expected);
    }
}
