using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Listing what is there: every live key with the prefix, once, literally.</summary>
public abstract class StoreEnumerationContract : StoreContract
{
    [Fact]
    public async Task Keys_are_listed_by_their_beginning()
    {
        var store = await CreateAsync<IEnumerableStore>();
        string[] keys = ["a", "ab", "abc", "b", "A", "a:b", "aé", " a", "a🙂"];
        foreach (var key in keys)
        {
            await SetAsync(store, key, Entry("value"));
        }

        foreach (var prefix in new[] { "", "a", "ab", "abc", "abcd", "A", " ", "a:", "aé", "a🙂", "ba" })
        {
            (await ListAsync(store, prefix)).Should().BeEquivalentTo(keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)), "that begins with '{0}'", prefix);
        }
    }

    [Fact]
    public async Task No_character_of_a_prefix_means_anything_but_itself()
    {
        var store = await CreateAsync<IEnumerableStore>();
        string[] keys =
        [
            "*x", "?x", "[ab]x", "]x", "\\x", ".x", "^x", "$x", "{x", "(x", "|x", "+x", "-x", "%x", "_x", "a\nx", "a\rx", "a\0x", "ax", "bx", "x", "[^a]x", "\\*x", "a-cx",
        ];
        foreach (var key in keys)
        {
            await SetAsync(store, key, Entry("value"));
        }

        foreach (var prefix in new[] { "*", "?", "[", "[ab]", "]", "\\", ".", "^", "$", "{", "(", "|", "+", "-", "%", "_", "a\n", "a\0", "[^a]", "\\*", "a*", "a-c", ".*", "*x" })
        {
            (await ListAsync(store, prefix)).Should().BeEquivalentTo(keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)), "that begins with '{0}'", prefix);
        }
    }

    [Fact]
    public async Task What_is_dead_is_not_listed()
    {
        var store = await CreateAsync<IEnumerableStore>();
        await SetAsync(store, "live", Entry("value"));
        await SetAsync(store, "stale", Entry("value", Hours(1), Hours(5)));
        await SetAsync(store, "ended", Entry("value", Hours(1)));
        await SetAsync(store, "removed", Entry("value"));
        await SetAsync(store, "tagged", Entry("value", "t"));
        await InvalidateAsync(store, "removed");
        await InvalidateTagsAsync(store, "t");
        Clock.Advance(Hours(1));
        (await ListAsync(store, "")).Where(key => key != "stale").Should().Equal("live");
        await Soon(store.ClearAsync(default));
        (await ListAsync(store, "")).Should().BeEmpty();
    }

    [Fact]
    public async Task What_other_caches_hold_is_not_listed()
    {
        var store = await CreateAsync<IEnumerableStore>();
        var another = await CreateAsync<IEnumerableStore>(options => options.CacheName = "another");
        await SetAsync(store, "mine", Entry("value", "t"));
        await SetAsync(another, "theirs", Entry("value"));
        (await ListAsync(store, "")).Should().Equal("mine");
        (await ListAsync(another, "")).Should().Equal("theirs");
    }

    [Fact]
    public async Task Everything_there_throughout_is_listed_once_while_other_keys_come_and_go()
    {
        const int Keys = 500;
        var store = await CreateAsync<IEnumerableStore>();
        for (var i = 0; i < Keys; i++)
        {
            await SetAsync(store, $"stays{i}", Entry("value"));
        }

        using var end = new CancellationTokenSource();
        var churn = Task.Run(async () =>
        {
            for (var i = 0; !end.IsCancellationRequested; i++)
            {
                await SetAsync(store, $"comes{i % 100}", Entry(new string('v', i % 1000)));
                await InvalidateAsync(store, $"comes{(i + 50) % 100}");
            }
        });
        for (var round = 0; round < 5; round++)
        {
            var listed = await ListAsync(store, "stays");
            listed.Should().OnlyHaveUniqueItems().And.HaveCount(Keys);
        }

        await end.CancelAsync();
        await Soon(churn);
    }

    [Fact]
    public async Task Keys_can_be_removed_while_they_are_listed()
    {
        const int Keys = 300;
        var store = await CreateAsync<IEnumerableStore>();
        for (var i = 0; i < Keys; i++)
        {
            await SetAsync(store, $"k{i}", Entry("value"));
        }

        var removed = 0;
        await foreach (var key in store.EnumerateKeysAsync("k", default))
        {
            removed += (await InvalidateAsync(store, key)).WasFresh ? 1 : 0;
        }

        removed.Should().Be(Keys);
        (await ListAsync(store, "")).Should().BeEmpty();
    }

    [Fact]
    public async Task Listing_can_be_left_and_called_off()
    {
        var store = await CreateAsync<IEnumerableStore>();
        for (var i = 0; i < 100; i++)
        {
            await SetAsync(store, $"k{i}", Entry("value"));
        }

        await foreach (var _ in store.EnumerateKeysAsync("", default))
        {
            break;
        }

        using var source = new CancellationTokenSource();
        var act = async () =>
        {
            await foreach (var _ in store.EnumerateKeysAsync("", source.Token))
            {
                await source.CancelAsync();
            }
        };
        try
        {
            await Soon(act());
        }
        catch (OperationCanceledException)
        {
            // Or it ended, since it had all keys at hand.
        }

        (await ListAsync(store, "")).Should().HaveCount(100);
    }

    [Fact]
    public async Task The_count_is_about_right()
    {
        var store = await CreateAsync<IEnumerableStore>();
        (await Soon(store.GetApproximateCountAsync(default))).Should().BeInRange(0, 5);
        for (var i = 0; i < 100; i++)
        {
            await SetAsync(store, $"k{i}", Entry("value", "t"));
        }

        (await Soon(store.GetApproximateCountAsync(default))).Should().BeInRange(95, 105);
    }

    private static async Task<IReadOnlyList<string>> ListAsync(IEnumerableStore store, string prefix)
    {
        var keys = new List<string>();
        await foreach (var key in store.EnumerateKeysAsync(prefix, default))
        {
            keys.Add(key);
        }

        keys.Should().OnlyHaveUniqueItems();
        return keys;
    }
}
