using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Invalidation by tag reaches every entry that carries it, from before, and none from after.</summary>
public abstract class StoreTagContract : StoreContract
{
    [Fact]
    public async Task An_entry_goes_with_any_of_its_tags()
    {
        foreach (var tag in new[] { "a", "b", "c" })
        {
            var store = await CreateAsync(options => options.CacheName = tag);
            await SetAsync(store, "k", Entry("value", "a", "b", "c"));
            await SetAsync(store, "other", Entry("other", "d"));
            await SetAsync(store, "untagged", Entry("untagged"));
            await InvalidateTagsAsync(await OpenAnotherAsync(store), tag);
            await ExpectMissingAsync(store, "k");
            await ExpectAsync(store, "other", "other");
            await ExpectAsync(store, "untagged", "untagged");
        }
    }

    [Fact]
    public async Task Several_tags_at_once_take_what_carries_any_of_them()
    {
        var store = await CreateAsync();
        await SetAsync(store, "a", Entry("a", "a"));
        await SetAsync(store, "b", Entry("b", "b"));
        await SetAsync(store, "ab", Entry("ab", "a", "b"));
        await SetAsync(store, "c", Entry("c", "c"));
        await InvalidateTagsAsync(store, "a", "b", "never used");
        await ExpectMissingAsync(store, "a");
        await ExpectMissingAsync(store, "b");
        await ExpectMissingAsync(store, "ab");
        await ExpectAsync(store, "c", "c");
    }

    [Fact]
    public async Task All_of_several_tags_take_what_carries_all_of_them()
    {
        var store = await CreateAsync();
        await SetAsync(store, "a", Entry("a", "a"));
        await SetAsync(store, "b", Entry("b", "b"));
        await SetAsync(store, "ab", Entry("ab", "a", "b"));
        await SetAsync(store, "bca", Entry("bca", "b", "c", "a"));
        await SetAsync(store, "c", Entry("c", "c"));
        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "b", "a");
        await ExpectMissingAsync(store, "ab");
        await ExpectMissingAsync(store, "bca");
        await ExpectAsync(store, "c", "c");
        if (!RemovesMoreThanAsked)
        {
            await ExpectAsync(store, "a", "a");
            await ExpectAsync(store, "b", "b");
        }

        await SetAsync(store, "ab", Entry("later", "a", "b"));
        await ExpectAsync(store, "ab", "later");
        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "c");
        await ExpectMissingAsync(store, "c");
        await ExpectAsync(store, "ab", "later");
    }

    [Fact]
    public async Task Removals_by_all_of_several_tags_do_not_blend()
    {
        var store = await CreateAsync();
        await SetAsync(store, "ac", Entry("ac", "a", "c"));
        await SetAsync(store, "ab", Entry("ab", "a", "b"));
        await SetAsync(store, "abc", Entry("abc", "a", "b", "c"));
        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "a", "b", "x");
        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "c", "d");
        if (!RemovesMoreThanAsked)
        {
            await ExpectAsync(store, "ac", "ac");
            await ExpectAsync(store, "ab", "ab");
            await ExpectAsync(store, "abc", "abc");
        }

        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "c", "b");
        await ExpectMissingAsync(store, "abc");
        if (!RemovesMoreThanAsked)
        {
            await ExpectAsync(store, "ac", "ac");
            await ExpectAsync(store, "ab", "ab");
        }
    }

    [Fact]
    public async Task Many_removals_by_all_of_several_tags_each_take_what_they_should()
    {
        const int Sets = 40;
        var store = await CreateAsync();
        for (var i = 0; i < Sets; i++)
        {
            await SetAsync(store, $"k{i}", Entry($"{i}", "shared", $"t{i}"));
        }

        for (var i = 0; i < Sets; i += 2)
        {
            await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, "shared", $"t{i}");
        }

        for (var i = 0; i < Sets; i++)
        {
            if (i % 2 == 0)
            {
                await ExpectMissingAsync(store, $"k{i}");
            }
            else if (!RemovesMoreThanAsked)
            {
                await ExpectAsync(store, $"k{i}", $"{i}");
            }
        }
    }

    [Fact]
    public async Task Entries_written_after_the_invalidation_stay()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("old", "t"));
        for (var i = 0; i < 10; i++)
        {
            await InvalidateTagsAsync(store, "t");
            await ExpectMissingAsync(store, "k");
            await SetAsync(store, "k", Entry($"{i}", "t"));
            await ExpectAsync(store, "k", $"{i}");
            await ExpectAsync(await OpenAnotherAsync(store), "k", $"{i}");
        }
    }

    [Fact]
    public async Task Invalidating_a_tag_twice_or_one_that_nobody_uses_is_fine()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value", "t"));
        await InvalidateTagsAsync(store, "never used");
        await InvalidateTagsAsync(store, "never used");
        await ExpectAsync(store, "k", "value");
        await InvalidateTagsAsync(store, "t");
        await InvalidateTagsAsync(store, "t");
        await ExpectMissingAsync(store, "k");
    }

    [Theory]
    [InlineData(TagMatch.Any)]
    [InlineData(TagMatch.All)]
    public async Task A_value_begun_before_its_tag_was_invalidated_is_refused_or_dead_when_it_comes(TagMatch match)
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("old", "t", "u"));
        var loadStamp = await LoadStampAsync(store, "k");
        await InvalidateTagsAsync(await OpenAnotherAsync(store), match, InvalidationKind.Remove, "t", "u");
        await PopulateAsync(store, "k", Entry("late", "t", "u"), loadStamp);
        await PopulateAsync(store, "j", Entry("late", "t", "u", "v"), loadStamp);
        await ExpectMissingAsync(store, "k");
        await ExpectMissingAsync(store, "j");
    }

    [Fact]
    public async Task A_tag_that_a_factory_chose_counts_from_the_read_before_it()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        var loadStamp = await LoadStampAsync(store, "k");

        // Nobody has ever used the tag, on neither side, when it is invalidated.
        await InvalidateTagsAsync(other, "chosen");
        await PopulateAsync(store, "k", Entry("late", "chosen"), loadStamp);
        await ExpectMissingAsync(store, "k");
        await ExpectMissingAsync(other, "k");
        var read = await ReadAsync(store, "k", new() { TagHints = ["chosen"] });
        (await PopulateAsync(store, "k", Entry("again", "chosen"), read.LoadStamp)).Outcome.Should().NotBe(StoreWriteOutcome.Declined);
        (await ReadAsync(store, "k")).Text.Should().BeOneOf("again", "");
    }

    [Fact]
    public async Task A_value_made_from_an_entry_before_its_tag_was_made_to_expire_is_not_fresh()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Expire, "t");
        await PopulateAsync(store, "k", Entry("late", Hours(1), Hours(5), "t"), loadStamp);
        var read = await ReadAsync(store, "k");
        (read.Status == StoreLookupStatus.Missing || read.ExpiresAt <= Clock.GetUtcNow()).Should().BeTrue();
    }

    [Theory]
    [InlineData(TagMatch.Any)]
    [InlineData(TagMatch.All)]
    public async Task Expiring_by_tag_leaves_stale_entries(TagMatch match)
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value", Hours(1), Hours(5), "t", "u"));
        await SetAsync(store, "other", Entry("other", Hours(1), Hours(5), "v"));
        await InvalidateTagsAsync(await OpenAnotherAsync(store), match, InvalidationKind.Expire, "t", "u");
        await ExpectExpiredAsync(store, "k", "value");
        await ExpectAsync(store, "other", "other");
        await SetAsync(store, "k", Entry("new", Hours(1), Hours(5), "t", "u"));
        await ExpectAsync(store, "k", "new");
        await InvalidateTagsAsync(store, match, InvalidationKind.Expire, "t", "u");
        await InvalidateTagsAsync(store, match, InvalidationKind.Remove, "t", "u");
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task What_was_removed_by_tag_does_not_come_back_as_a_stale_entry()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value", Hours(1), Hours(5), "t"));
        await InvalidateTagsAsync(store, "t");
        await InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Expire, "t");
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task An_entry_set_again_under_other_tags_forgets_the_old_ones()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("1", "old", "both"));
        await SetAsync(store, "k", Entry("2", "new", "both"));
        await InvalidateTagsAsync(store, "old");
        await ExpectAsync(store, "k", "2");
        await InvalidateTagsAsync(store, "new");
        await ExpectMissingAsync(store, "k");
        await SetAsync(store, "k", Entry("3"));
        await InvalidateTagsAsync(store, "new", "old", "both");
        await ExpectAsync(store, "k", "3");
    }

    [Fact]
    public async Task More_than_a_hundred_tags_on_an_entry_all_count()
    {
        var store = await CreateAsync();
        string[] tags = [.. Enumerable.Range(0, 150).Select(i => $"tag number {i}")];
        foreach (var i in new[] { 0, 75, 149 })
        {
            await SetAsync(store, "k", Entry($"{i}", tags));
            await ExpectAsync(store, "k", $"{i}");
            await InvalidateTagsAsync(store, tags[i]);
            await ExpectMissingAsync(store, "k");
        }

        await SetAsync(store, "k", Entry("all", tags));
        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Remove, tags);
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task Thousands_of_tags_can_be_in_use()
    {
        const int Tags = 2_000;
        var store = await CreateAsync();
        for (var i = 0; i < Tags; i++)
        {
            await SetAsync(store, $"k{i}", Entry($"{i}", $"t{i}"));
        }

        await InvalidateTagsAsync(store, [.. Enumerable.Range(0, Tags / 2).Select(i => $"t{2 * i}")]);
        for (var i = 0; i < Tags; i += 97)
        {
            await (i % 2 == 0 ? ExpectMissingAsync(store, $"k{i}") : ExpectAsync(store, $"k{i}", $"{i}"));
        }
    }

    [Theory]
    [InlineData("k", "k")]
    [InlineData("*", "?")]
    [InlineData("t\0", "t")]
    [InlineData("TAG", "tag")]
    [InlineData("a b", "a  b")]
    [InlineData("../t", "t")]
    [InlineData("🙂", "🚀")]
    [InlineData("a,b", "a")]
    [InlineData("{t}", "t")]
    [InlineData("é", "e\u0301")]
    [InlineData("~", "~token")]
    public async Task A_tag_is_any_text_and_has_nothing_to_do_with_keys(string tag, string key)
    {
        var store = await CreateAsync();
        await SetAsync(store, key, Entry("untagged"));
        await SetAsync(store, tag + " tagged", Entry("tagged", tag));
        await SetAsync(store, "of another tag", Entry("other", key + "!"));
        await InvalidateAsync(store, tag + "!");
        await ExpectAsync(store, tag + " tagged", "tagged");
        await InvalidateTagsAsync(store, tag);
        await ExpectMissingAsync(store, tag + " tagged");
        await ExpectAsync(store, key, "untagged");
        await ExpectAsync(store, "of another tag", "other");
    }

    [Fact]
    public async Task Long_tags_with_a_long_common_beginning_are_different_tags()
    {
        var store = await CreateAsync();
        var beginning = new string('t', 5_000);
        await SetAsync(store, "1", Entry("1", beginning + 1));
        await SetAsync(store, "2", Entry("2", beginning + 2));
        await InvalidateTagsAsync(store, beginning + 1);
        await ExpectMissingAsync(store, "1");
        await ExpectAsync(store, "2", "2");
    }

    [Fact]
    public async Task Removing_a_key_leaves_others_of_its_tag()
    {
        var store = await CreateAsync();
        await SetAsync(store, "1", Entry("1", "t"));
        await SetAsync(store, "2", Entry("2", "t"));
        await InvalidateAsync(store, "1");
        await ExpectAsync(store, "2", "2");
    }

    [Fact]
    public async Task Sets_and_invalidations_at_once_leave_nothing_alive_after_the_last_invalidation()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        await RunTogetherAsync(4, async thread =>
        {
            var mine = thread % 2 == 0 ? store : other;
            for (var i = 0; i < 100; i++)
            {
                _ = thread < 2 ? await InvalidateTagsAsync(mine, "t") : await SetAsync(mine, $"k{i % 10}", Entry("value", "t"));
            }
        });
        await InvalidateTagsAsync(store, "t");
        for (var i = 0; i < 10; i++)
        {
            await ExpectMissingAsync(store, $"k{i}");
            await ExpectMissingAsync(other, $"k{i}");
        }
    }
}
