using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Storing a value only if there is none.</summary>
public abstract class AddContract : CacheContract
{
    [Fact]
    public async Task An_add_stores_what_is_missing()
    {
        var cache = await CreateAsync();
        (await Soon(cache.TryAddAsync("k", 1, new() { Expiration = Seconds(10) }))).Should().BeTrue();
        await ExpectAsync(cache, "k", 1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
    }

    [Fact]
    public async Task An_add_leaves_a_value_its_time_and_its_tags_as_they_are()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(10), Tags = ["old"] });
        (await Soon(cache.TryAddAsync("k", 2, new() { Expiration = Seconds(20), Tags = ["new"] }))).Should().BeFalse();
        await ExpectAsync(cache, "k", 1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
        await cache.RemoveByTagAsync("new");
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task An_add_does_not_renew_a_sliding_entry()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { SlidingExpiration = Seconds(10) });
        Clock.Advance(Seconds(9));
        (await Soon(cache.TryAddAsync("k", 2))).Should().BeFalse();
        Clock.Advance(Seconds(1));
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_null_is_a_value_that_an_add_respects()
    {
        var cache = await CreateAsync();
        (await Soon(cache.TryAddAsync<string?>("k", null))).Should().BeTrue();
        (await Soon(cache.TryAddAsync<string?>("k", "text"))).Should().BeFalse();
        await ExpectAsync<string?>(cache, "k", null);
    }

    [Fact]
    public async Task An_add_respects_a_value_of_another_type()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", "text");
        (await Soon(cache.TryAddAsync("k", 1))).Should().BeFalse();
        await ExpectAsync(cache, "k", "text");
    }

    [Fact]
    public async Task An_add_replaces_what_has_expired_or_was_removed()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100), Tags = ["t"] };
        (await Soon(cache.TryAddAsync("k", 1, options))).Should().BeTrue();
        Clock.Advance(Seconds(1));
        (await Soon(cache.TryAddAsync("k", 2, options))).Should().BeTrue();
        await cache.RemoveAsync("k");
        (await Soon(cache.TryAddAsync("k", 3, options))).Should().BeTrue();
        await cache.RemoveByTagAsync("t");
        (await Soon(cache.TryAddAsync("k", 4, options))).Should().BeTrue();
        await cache.ExpireAsync("k");
        (await Soon(cache.TryAddAsync("k", 5, options))).Should().BeTrue();
        await ExpectAsync(cache, "k", 5);
    }

    [Fact]
    public async Task An_add_for_no_time_stores_nothing_and_leaves_what_is_there()
    {
        var cache = await CreateAsync();
        (await Soon(cache.TryAddAsync("k", 1, new() { Expiration = TimeSpan.Zero }))).Should().BeFalse();
        await ExpectMissAsync(cache, "k");
        await cache.SetAsync("k", 2);
        (await Soon(cache.TryAddAsync("k", 3, new() { Expiration = TimeSpan.Zero }))).Should().BeFalse();
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task Of_many_adds_at_once_exactly_one_wins_and_its_value_stays()
    {
        var cache = await CreateAsync();
        for (var round = 0; round < 50; round++)
        {
            using var start = new Barrier(4);
            var adds = Enumerable.Range(0, 4).Select(i => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    return cache.TryAddAsync("k", i).AsTask();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToArray();
            var won = await Soon(Task.WhenAll(adds));
            won.Should().ContainSingle(isAdded => isAdded);
            await ExpectAsync(cache, "k", Array.IndexOf(won, true));
            await cache.RemoveAsync("k");
        }
    }
}
