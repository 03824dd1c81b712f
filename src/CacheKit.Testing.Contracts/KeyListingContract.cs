using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Listing keys by their beginning, and removing by it.</summary>
public abstract class KeyListingContract : CacheContract
{
    [Fact]
    public async Task Keys_are_listed_by_their_beginning_each_once()
    {
        var cache = await CreateAsync();
        foreach (var key in (string[])["a:1", "a:2", "A:3", "b:1", "a"])
        {
            await cache.SetAsync(key, 1);
        }

        await Soon(cache.GetOrCreateAsync("a:made", _ => ValueTask.FromResult(2)));
        (await ListAsync(cache, "a:")).Should().BeEquivalentTo("a:1", "a:2", "a:made");
        (await ListAsync(cache, "")).Should().BeEquivalentTo("a:1", "a:2", "A:3", "b:1", "a", "a:made");
        (await ListAsync(cache, "nothing")).Should().BeEmpty();
    }

    [Fact]
    public async Task No_character_of_a_prefix_means_anything_but_itself()
    {
        var cache = await CreateAsync();
        string[] keys = ["*:1", "?:1", "[a]:1", "\\:1", "^:1", ".:1", "$:1", "line\n:1", "a:1", "{slot}:1"];
        foreach (var key in keys)
        {
            await cache.SetAsync(key, 1);
        }

        foreach (var key in keys)
        {
            (await ListAsync(cache, key[..^1])).Should().Equal(key);
        }

        (await Soon(cache.RemoveByPrefixAsync("*"))).Should().Be(1);
        (await Soon(cache.RemoveByPrefixAsync("["))).Should().Be(1);
        (await ListAsync(cache, "")).Should().HaveCount(keys.Length - 2);
    }

    [Fact]
    public async Task What_has_expired_or_was_removed_is_not_listed()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k:expired", 1, new CacheEntryOptions { Expiration = Seconds(1) });
        await cache.SetAsync("k:stale", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        await cache.SetAsync("k:removed", 1);
        await cache.SetAsync("k:tagged", 1, new CacheEntryOptions { Tags = ["t"] });
        await cache.SetAsync("k:there", 1);
        Clock.Advance(Seconds(2));
        await cache.RemoveAsync("k:removed");
        await cache.RemoveByTagAsync("t");
        (await ListAsync(cache, "k:")).Should().Equal("k:there");
    }

    [Fact]
    public async Task Many_keys_are_all_listed()
    {
        var cache = await CreateAsync(options => options.Memory.MaximumEntries = 10_000);
        await cache.SetManyAsync(Enumerable.Range(0, 1000).Select(i => KeyValuePair.Create($"k:{i}", i)));
        var keys = await ListAsync(cache, "k:");
        keys.Should().OnlyHaveUniqueItems();
        keys.Should().HaveCount(1000);
    }

    [Fact]
    public async Task Removing_by_prefix_tells_how_many_were_there()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("p:1", 1);
        await cache.SetAsync("p:2", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        await cache.SetAsync("q:1", 1);
        Clock.Advance(Seconds(1));
        (await Soon(cache.RemoveByPrefixAsync("p:"))).Should().Be(1, "the other has expired");
        await ExpectMissAsync(cache, "p:1");
        (await Soon(cache.GetAsync<int>("p:2", new CacheEntryOptions { AllowStale = true }, default))).IsHit.Should().BeFalse();
        await ExpectAsync(cache, "q:1", 1);
        (await Soon(cache.RemoveByPrefixAsync("p:"))).Should().Be(0);
        (await Soon(cache.RemoveByPrefixAsync(""))).Should().Be(1);
        await ExpectMissAsync(cache, "q:1");
    }

    [Fact]
    public async Task What_is_being_created_when_its_prefix_is_removed_is_not_stored()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var old = cache.GetOrCreateAsync("p:1", held.RunAsync).AsTask();
        await Soon(held.Started);
        await Soon(cache.RemoveByPrefixAsync("p:"));
        (await Soon(cache.GetOrCreateAsync("p:1", _ => ValueTask.FromResult(2)))).Should().Be(2);
        held.Return(1);
        (await Soon(old)).Should().Be(1);
        await ExpectAsync(cache, "p:1", 2);
    }

    [Fact]
    public async Task Another_beginning_must_be_given_and_a_listing_can_be_called_off()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        FluentActions.Invoking(() => cache.GetKeysAsync(null!)).Should().Throw<ArgumentNullException>();
        await FluentActions.Awaiting(() => cache.RemoveByPrefixAsync(null!).AsTask()).Should().ThrowAsync<ArgumentNullException>();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await FluentActions.Awaiting(() => cache.RemoveByPrefixAsync("k", cancelled.Token).AsTask()).Should().ThrowAsync<OperationCanceledException>();
        await FluentActions.Awaiting(async () =>
        {
            await foreach (var _ in cache.GetKeysAsync("k", cancelled.Token))
            {
                // Not reached.
            }
        }).Should().ThrowAsync<OperationCanceledException>();
        await ExpectAsync(cache, "k", 1);
    }

    private static async Task<List<string>> ListAsync(ICache cache, string prefix)
    {
        var keys = new List<string>();
        await foreach (var key in cache.GetKeysAsync(prefix))
        {
            keys.Add(key);
        }

        return keys;
    }
}
