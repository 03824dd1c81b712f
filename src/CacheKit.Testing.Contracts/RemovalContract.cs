using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Removal by key and of everything.</summary>
public abstract class RemovalContract : CacheContract
{
    [Fact]
    public async Task A_removed_key_is_gone_and_the_second_removal_finds_nothing()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        (await Soon(cache.RemoveAsync("k"))).Should().BeTrue();
        await ExpectMissAsync(cache, "k");
        (await Soon(cache.RemoveAsync("k"))).Should().BeFalse();
        cache.Remove("k").Should().BeFalse();
    }

    [Fact]
    public async Task Removing_what_never_was_is_harmless()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        (await Soon(cache.RemoveAsync("never"))).Should().BeFalse();
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task Removing_what_has_expired_and_only_may_stand_in_finds_nothing_but_takes_it_away()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(1));
        (await Soon(cache.RemoveAsync("k"))).Should().BeFalse();
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Removing_what_holds_null_finds_it()
    {
        var cache = await CreateAsync();
        await cache.SetAsync<string?>("k", null);
        (await Soon(cache.RemoveAsync("k"))).Should().BeTrue();
    }

    [Fact]
    public async Task Of_many_that_remove_one_key_at_once_exactly_one_finds_it()
    {
        var cache = await CreateAsync();
        for (var round = 0; round < 50; round++)
        {
            await cache.SetAsync("k", round);
            using var start = new Barrier(4);
            var removals = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    return cache.RemoveAsync("k").AsTask();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToArray();
            (await Soon(Task.WhenAll(removals))).Should().ContainSingle(found => found);
        }
    }

    [Fact]
    public async Task A_key_can_be_stored_again_after_its_removal()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        await cache.RemoveAsync("k");
        await cache.SetAsync("k", 2);
        await ExpectAsync(cache, "k", 2);
        await cache.RemoveAsync("k");
        (await CreateOrGet(cache, "k", 3)).Should().Be(3);
        await ExpectAsync(cache, "k", 3);
    }

    [Fact]
    public async Task A_removed_key_forgets_its_expiration_and_tags()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), Tags = ["t"] });
        await cache.RemoveAsync("k");
        await cache.SetAsync("k", 2);
        Clock.Advance(Seconds(10));
        await cache.RemoveByTagAsync("t");
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task Clearing_removes_everything_tagged_or_not_fresh_or_stale()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("plain", 1);
        await cache.SetAsync("tagged", 1, new CacheEntryOptions { Tags = ["t"] });
        await cache.SetAsync("stale", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        await cache.IncrementAsync("counter");
        Clock.Advance(Seconds(1));
        await Soon(cache.ClearAsync());
        foreach (var key in new[] { "plain", "tagged", "stale", "counter" })
        {
            (await Soon(cache.GetAsync<object>(key, new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
        }
    }

    [Fact]
    public async Task A_cleared_cache_can_be_used()
    {
        var cache = await CreateAsync();
        await Soon(cache.ClearAsync());
        for (var i = 0; i < 3; i++)
        {
            await cache.SetAsync("k", i);
            await ExpectAsync(cache, "k", i);
            await Soon(cache.ClearAsync());
            await ExpectMissAsync(cache, "k");
            (await CreateOrGet(cache, "k", 10 + i)).Should().Be(10 + i);
            await Soon(cache.ClearAsync());
        }
    }

    [Fact]
    public async Task Clearing_many_entries_leaves_none()
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync(Enumerable.Range(0, 2_000).Select(i => KeyValuePair.Create($"k{i}", i)));
        await Soon(cache.ClearAsync());
        var lookups = await Soon(cache.GetManyAsync<int>(Enumerable.Range(0, 2_000).Select(i => $"k{i}")));
        lookups.Values.Should().OnlyContain(lookup => !lookup.IsHit);
    }
}
