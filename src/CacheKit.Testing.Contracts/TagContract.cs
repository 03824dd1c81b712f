using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Removal by tag: what carries it goes, all else stays, and what is stored afterwards is valid.</summary>
public abstract class TagContract : CacheContract
{
    [Fact]
    public async Task What_carries_the_tag_goes_and_all_else_stays()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("a", 1, Tagged("t"));
        await cache.SetAsync("b", 2, Tagged("t"));
        await cache.SetAsync("other", 3, Tagged("u"));
        await cache.SetAsync("none", 4);
        await Soon(cache.RemoveByTagAsync("t"));
        await ExpectMissAsync(cache, "a");
        await ExpectMissAsync(cache, "b");
        await ExpectAsync(cache, "other", 3);
        await ExpectAsync(cache, "none", 4);
    }

    [Fact]
    public async Task An_entry_goes_with_any_one_of_its_tags()
    {
        var cache = await CreateAsync();
        foreach (var tag in new[] { "t", "u", "v" })
        {
            await cache.SetAsync("k", 1, Tagged("t", "u", "v"));
            await Soon(cache.RemoveByTagAsync(tag));
            await ExpectMissAsync(cache, "k");
        }
    }

    [Fact]
    public async Task A_removed_value_is_made_anew_and_then_stays()
    {
        var cache = await CreateAsync();
        (await CreateOrGet(cache, "k", 1, Tagged("t"))).Should().Be(1);
        await Soon(cache.RemoveByTagAsync("t"));
        (await CreateOrGet(cache, "k", 2, Tagged("t"))).Should().Be(2);
        for (var i = 0; i < 3; i++)
        {
            (await CreateOrGet(cache, "k", 3, Tagged("t"))).Should().Be(2);
        }
    }

    // The clock of the test stands still here: that a value is newer than a removal is not a question of time.
    [Fact]
    public async Task What_is_stored_after_the_removal_under_the_same_tag_is_valid()
    {
        var cache = await CreateAsync();
        for (var i = 0; i < 5; i++)
        {
            await Soon(cache.RemoveByTagAsync("t"));
            await cache.SetAsync("k", i, Tagged("t"));
            await ExpectAsync(cache, "k", i);
            await Soon(cache.RemoveByTagAsync("t"));
            await ExpectMissAsync(cache, "k");
            (await Soon(cache.TryAddAsync("k", i, Tagged("t")))).Should().BeTrue();
            await ExpectAsync(cache, "k", i);
        }
    }

    [Fact]
    public async Task Removing_twice_or_by_an_unknown_tag_is_harmless()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Tagged("t"));
        await cache.SetAsync("m", 2, Tagged("u"));
        await Soon(cache.RemoveByTagAsync("unknown"));
        await ExpectAsync(cache, "k", 1);
        await Soon(cache.RemoveByTagAsync("t"));
        await Soon(cache.RemoveByTagAsync("t"));
        await ExpectMissAsync(cache, "k");
        await ExpectAsync(cache, "m", 2);
    }

    [Fact]
    public async Task A_key_stored_again_under_other_tags_forgets_the_old_ones()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Tagged("old", "both"));
        await cache.SetAsync("k", 2, Tagged("new", "both"));
        await Soon(cache.RemoveByTagAsync("old"));
        await ExpectAsync(cache, "k", 2);
        await Soon(cache.RemoveByTagAsync("new"));
        await ExpectMissAsync(cache, "k");

        await cache.SetAsync("k", 3, Tagged("both"));
        await cache.SetAsync("k", 4);
        await Soon(cache.RemoveByTagAsync("both"));
        await ExpectAsync(cache, "k", 4);
    }

    [Fact]
    public async Task Tags_are_compared_ordinally_and_are_no_patterns()
    {
        var cache = await CreateAsync();
        string[] tags = ["tag", "Tag", "tag ", "tag*", "t?g", "\u00e9", "e\u0301", " ", "a:b", "a", "\0"];
        foreach (var removed in tags)
        {
            foreach (var tag in tags)
            {
                await cache.SetAsync(tag, tag, Tagged(tag));
            }

            await Soon(cache.RemoveByTagAsync(removed));
            foreach (var tag in tags)
            {
                (await Soon(cache.ExistsAsync(tag))).Should().Be(tag != removed, "'{0}' was removed, and this is '{1}'", removed, tag);
            }
        }
    }

    [Fact]
    public async Task A_tag_is_not_a_key()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("x", 1, Tagged("y"));
        await cache.SetAsync("y", 2, Tagged("x"));
        await cache.RemoveAsync("y");
        await ExpectAsync(cache, "x", 1);
        await cache.RemoveByTagAsync("x");
        await ExpectAsync(cache, "x", 1);
    }

    [Fact]
    public async Task An_entry_may_have_very_many_tags_and_duplicates_do_not_matter()
    {
        var cache = await CreateAsync();
        var tags = Enumerable.Range(0, 500).Select(i => $"t{i % 250}").ToArray();
        foreach (var tag in new[] { "t0", "t15", "t16", "t249" })
        {
            await cache.SetAsync("k", 1, Tagged(tags));
            await ExpectAsync(cache, "k", 1);
            await Soon(cache.RemoveByTagAsync(tag));
            await ExpectMissAsync(cache, "k");
        }
    }

    [Fact]
    public async Task No_tags_are_fine()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("empty", 1, Tagged());
        await cache.SetAsync("null", 1, new CacheEntryOptions { Tags = null });
        await Soon(cache.RemoveByTagsAsync([]));
        await Soon(cache.RemoveByTagsAsync([], TagMatch.All));
        await ExpectAsync(cache, "empty", 1);
        await ExpectAsync(cache, "null", 1);
    }

    [Theory]
    [InlineData("empty")]
    [InlineData("star")]
    [InlineData("ill-formed")]
    public async Task A_bad_tag_is_an_ArgumentException_and_nothing_is_done(string what)
    {
        var tag = what switch
        {
            "empty" => "",
            "star" => "*", // which other caches take for everything; here that is ClearAsync
            _ => "a\ud800",
        };
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, Tagged("good"));
        await RefusedAsync(() => Soon(cache.SetAsync("k", 2, Tagged("good", tag))), "tags");
        await RefusedAsync(() => Soon(cache.TryAddAsync("new", 2, Tagged("good", tag))), "tags");
        await RefusedAsync(() => Soon(cache.SetManyAsync<int>([new("k", 2)], Tagged("good", tag))), "tags");
        await RefusedAsync(() => Soon(cache.GetOrCreateAsync("new", _ => ValueTask.FromResult(1), Tagged("good", tag))), "tags");
        await RefusedAsync(() => Soon(cache.GetOrCreateManyAsync(["new"], CacheOperations.MakeOnes, Tagged("good", tag))), "tags");
        await RefusedAsync(() => Soon(cache.IncrementAsync("new", 1, new() { Tags = [tag] })), "tags");
        await RefusedAsync(() => Soon(cache.RemoveByTagAsync(tag)), "tag");
        await RefusedAsync(() => Soon(cache.ExpireByTagAsync(tag)), "tag");
        await RefusedAsync(() => Soon(cache.RemoveByTagsAsync(["good", tag])), "tags");
        await ExpectAsync(cache, "k", 1);
        await ExpectMissAsync(cache, "new");
    }

    [Fact]
    public async Task A_null_tag_or_collection_of_tags_is_an_ArgumentNullException()
    {
        var cache = await CreateAsync();
        await RefusedAsync(() => Soon(cache.SetAsync("k", 2, Tagged("good", null!))), "tags");
        await RefusedAsync(() => Soon(cache.RemoveByTagAsync(null!)), "tag");
        await RefusedAsync(() => Soon(cache.ExpireByTagAsync(null!)), "tag");
        await RefusedAsync(() => Soon(cache.RemoveByTagsAsync(null!)), "tags");
        await RefusedAsync(() => Soon(cache.RemoveByTagsAsync([null!])), "tags");
    }

    [Fact]
    public async Task Removing_by_several_tags_takes_what_carries_any_of_them()
    {
        var cache = await CreateAsync();
        await StoreCombinationsAsync(cache);
        await Soon(cache.RemoveByTagsAsync(["a", "b"]));
        await ExpectLeftAsync(cache, "", "c");
    }

    [Fact]
    public async Task Removing_by_all_of_several_tags_takes_only_what_carries_every_one()
    {
        var cache = await CreateAsync();
        await StoreCombinationsAsync(cache);
        await Soon(cache.RemoveByTagsAsync(["b", "a", "b"], TagMatch.All));
        await ExpectLeftOfAllAsync(cache, "ab", "", "a", "b", "c", "ac", "bc");
    }

    [Fact]
    public async Task Removing_by_all_of_one_tag_is_removing_by_it()
    {
        var cache = await CreateAsync();
        await StoreCombinationsAsync(cache);
        await Soon(cache.RemoveByTagsAsync(["a", "a"], TagMatch.All));
        await ExpectLeftAsync(cache, "", "b", "c", "bc");
    }

    [Fact]
    public async Task Several_removals_by_all_of_several_tags_hold_together()
    {
        var cache = await CreateAsync();
        await StoreCombinationsAsync(cache);
        await Soon(cache.RemoveByTagsAsync(["a", "b"], TagMatch.All));
        await Soon(cache.RemoveByTagsAsync(["b", "c"], TagMatch.All));
        await Soon(cache.RemoveByTagsAsync(["a", "b", "c"], TagMatch.All));
        await ExpectLeftOfAllAsync(cache, "abc", "", "a", "b", "c", "ac");
        await StoreCombinationsAsync(cache);
        await Soon(cache.RemoveByTagsAsync(["c", "b"], TagMatch.All));
        await ExpectLeftOfAllAsync(cache, "bc", "", "a", "b", "c", "ab", "ac");
    }

    [Fact]
    public async Task What_is_stored_after_a_removal_by_all_of_several_tags_is_valid()
    {
        var cache = await CreateAsync();
        await Soon(cache.RemoveByTagsAsync(["a", "b"], TagMatch.All));
        await cache.SetAsync("k", 1, Tagged("a", "b"));
        await ExpectAsync(cache, "k", 1);
        await Soon(cache.RemoveByTagsAsync(["a", "c"], TagMatch.All));
        if (!RemovesMoreThanAsked)
        {
            await ExpectAsync(cache, "k", 1);
        }
    }

    [Fact]
    public async Task A_way_to_match_that_does_not_exist_is_refused()
    {
        var cache = await CreateAsync();
        await RefusedAsync(() => Soon(cache.RemoveByTagsAsync(["a"], (TagMatch)7)), "match");
        await RefusedAsync(() => Soon(cache.RemoveByTagsAsync([], (TagMatch)7)), "match");
    }

    [Fact]
    public async Task Every_way_of_storing_takes_tags()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("set", 1, Tagged("t"));
        await cache.TryAddAsync("add", 1, Tagged("t"));
        await cache.SetManyAsync<int>([new("many", 1)], Tagged("t"));
        await CreateOrGet(cache, "created", 1, Tagged("t"));
        await Soon(cache.GetOrCreateManyAsync(["created many"], CacheOperations.MakeOnes, Tagged("t")));
        await Soon(cache.GetOrCreateAsync("added", (context, _) =>
        {
            context.AddTags("t");
            return ValueTask.FromResult(1);
        }));
        await cache.IncrementAsync("counter", 1, new() { Tags = ["t"] });
        cache.Set("synchronous", 1, Tagged("t"));
        string[] keys = ["set", "add", "many", "created", "created many", "added", "counter", "synchronous"];
        foreach (var key in keys)
        {
            (await Soon(cache.ExistsAsync(key))).Should().BeTrue();
        }

        await Soon(cache.RemoveByTagAsync("t"));
        foreach (var key in keys)
        {
            await ExpectMissAsync(cache, key);
        }
    }

    [Fact]
    public async Task Tags_that_a_factory_adds_join_those_of_the_call()
    {
        var cache = await CreateAsync();
        foreach (var tag in new[] { "call", "factory", "more" })
        {
            await Soon(cache.GetOrCreateAsync(
                "k",
                (context, _) =>
                {
                    context.Tags.Should().Equal("call");
                    context.AddTags("factory", "call");
                    context.AddTags(["more"]);
                    context.Tags.Should().Equal("call", "factory", "more");
                    return ValueTask.FromResult(1);
                },
                Tagged("call")));
            await Soon(cache.RemoveByTagAsync(tag));
            await ExpectMissAsync(cache, "k");
        }
    }

    [Fact]
    public async Task Many_removals_of_many_tags_are_all_remembered()
    {
        var cache = await CreateAsync(options => options.Memory.MaintenanceInterval = Seconds(1));
        await cache.SetManyAsync(Enumerable.Range(0, 100).Select(i => KeyValuePair.Create($"k{i}", i)), Tagged("all"));
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"k{i}", i, Tagged($"t{i}", "all"));
        }

        // Many more than there are entries, and time for any upkeep there is; some at a time, since they may have far to go.
        foreach (var some in Enumerable.Range(0, Rounds(20_000)).Chunk(100))
        {
            await Task.WhenAll(some.Select(i => cache.RemoveByTagAsync($"unknown{i}").AsTask()));
        }

        Clock.Advance(Seconds(10));
        await Soon(cache.RemoveByTagAsync("t7"));
        for (var i = 0; i < 100; i++)
        {
            (await Soon(cache.ExistsAsync($"k{i}"))).Should().Be(i != 7);
        }

        await Soon(cache.RemoveByTagAsync("all"));
        Clock.Advance(Seconds(10));
        for (var i = 0; i < 100; i++)
        {
            await ExpectMissAsync(cache, $"k{i}");
        }
    }

    private static CacheEntryOptions Tagged(params string[] tags) => new() { Tags = tags };

    private static async Task StoreCombinationsAsync(ICache cache)
    {
        foreach (var key in Combinations)
        {
            await cache.SetAsync($"[{key}]", 1, Tagged([.. key.Select(letter => letter.ToString())]));
        }
    }

    private static Task ExpectLeftAsync(ICache cache, params string[] left) => ExpectLeftAsync(cache, Combinations, left);

    /// <summary>Asserts what a removal by all of several tags has left.</summary>
    private Task ExpectLeftOfAllAsync(ICache cache, string tags, params string[] left) =>
        ExpectLeftAsync(cache, RemovesMoreThanAsked ? Combinations.Where(key => !left.Contains(key) || !key.Any(tags.Contains)) : Combinations, left);

    private static async Task ExpectLeftAsync(ICache cache, IEnumerable<string> keys, string[] left)
    {
        foreach (var key in keys)
        {
            (await Soon(cache.ExistsAsync($"[{key}]"))).Should().Be(left.Contains(key), "the entry has the tags '{0}'", key);
        }
    }

    private static string[] Combinations => ["", "a", "b", "c", "ab", "ac", "bc", "abc"];

    private static async Task RefusedAsync(Func<Task> call, string parameter) =>
        (await call.Should().ThrowAsync<ArgumentException>()).WithParameterName(parameter);
}
