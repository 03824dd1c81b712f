using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Removing and expiring one key, and clearing everything.</summary>
public abstract class StoreInvalidationContract : StoreContract
{
    [Fact]
    public async Task Removing_tells_whether_something_unexpired_was_there()
    {
        var store = await CreateAsync();
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeFalse("nothing was there");
        await SetAsync(store, "k", Entry("1", Hours(1), Hours(5), "t"));
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeTrue();
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeFalse("it was removed before");
        await SetAsync(store, "k", Entry("2", Hours(1), Hours(5), "t"));
        Clock.Advance(Hours(1));
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeFalse("it was stale");
        await ExpectMissingAsync(store, "k");
        await SetAsync(store, "k", Entry("3", Hours(1), Hours(5), "t"));
        await InvalidateTagsAsync(store, "t");
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeFalse("its tag was removed before");
        await SetAsync(store, "k", Entry("4"));
        await InvalidateAsync(store, "k", InvalidationKind.Expire);
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeFalse("it was made to expire before");
    }

    [Fact]
    public async Task Of_many_who_remove_at_once_one_was_it()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        for (var round = 0; round < 20; round++)
        {
            await SetAsync(store, "k", Entry("value"));
            var removals = new StoreInvalidation[8];
            await RunTogetherAsync(removals.Length, async thread => removals[thread] = await InvalidateAsync(thread % 2 == 0 ? store : other, "k"));
            removals.Count(removal => removal.WasFresh).Should().Be(1);
            removals.Select(removal => removal.Stamp).Should().OnlyHaveUniqueItems();
        }
    }

    [Fact]
    public async Task A_removed_key_can_be_used_again()
    {
        var store = await CreateAsync();
        for (var i = 0; i < 5; i++)
        {
            await SetAsync(store, "k", Entry($"{i}"));
            await ExpectAsync(store, "k", $"{i}");
            await InvalidateAsync(store, "k");
            await ExpectMissingAsync(store, "k");
        }
    }

    [Fact]
    public async Task Expiring_leaves_a_stale_entry()
    {
        var store = await CreateAsync();
        var stamp = await SetAsync(store, "k", Entry("value", Hours(1), Hours(5)));
        (await InvalidateAsync(await OpenAnotherAsync(store), "k", InvalidationKind.Expire)).WasFresh.Should().BeTrue();
        await ExpectExpiredAsync(store, "k", "value");
        (await InvalidateAsync(store, "k", InvalidationKind.Expire)).WasFresh.Should().BeFalse();
        await ExpectExpiredAsync(store, "k", "value");
        if (!ExpireRemoves)
        {
            var read = await ReadAsync(store, "k");
            (read.Stamp, read.RetainUntil).Should().Be((stamp, Clock.GetUtcNow() + Hours(6)));
        }

        Clock.Advance(Hours(6));
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task Expiring_holds_though_the_clock_is_set_back()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("by key", Hours(10), Hours(50)));
        await SetAsync(store, "j", Entry("by tag", Hours(10), Hours(50), "t"));
        await InvalidateAsync(store, "k", InvalidationKind.Expire);
        await InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Expire, "t");
        Clock.StepWallClock(-Hours(5));
        await ExpectExpiredAsync(store, "k", "by key");
        await ExpectExpiredAsync(store, "j", "by tag");
    }

    [Fact]
    public async Task Removing_holds_though_the_clock_is_set_back_or_forward()
    {
        var store = await CreateAsync();
        foreach (var step in new[] { -Hours(1000), Hours(2000), -Hours(1000) })
        {
            await SetAsync(store, "k", Entry("value", Hours(5000)));
            await SetAsync(store, "j", Entry("value", Hours(5000), default, "t"));
            var loadStamp = await LoadStampAsync(store, "k");
            await InvalidateAsync(store, "k");
            await InvalidateTagsAsync(store, "t");
            Clock.StepWallClock(step);
            await ExpectMissingAsync(store, "k");
            await ExpectMissingAsync(store, "j");
            (await PopulateAsync(store, "k", Entry("late"), loadStamp)).IsStored.Should().BeFalse();
            await SetAsync(store, "k", Entry("set since", Hours(5000)));
            await ExpectAsync(store, "k", "set since");
        }
    }

    [Fact]
    public async Task An_expired_key_can_be_set_again()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("old", Hours(1), Hours(5)));
        await InvalidateAsync(store, "k", InvalidationKind.Expire);
        await SetAsync(store, "k", Entry("new", Hours(1), Hours(5)));
        await ExpectAsync(store, "k", "new");
    }

    [Fact]
    public async Task Fences_of_many_keys_keep_old_values_out()
    {
        const int Keys = 500;
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k0");
        for (var i = 0; i < Keys; i++)
        {
            await InvalidateAsync(store, $"k{i}");
        }

        for (var i = 0; i < Keys; i++)
        {
            (await PopulateAsync(store, $"k{i}", Entry("late"), loadStamp)).IsStored.Should().BeFalse();
        }
    }

    [Fact]
    public async Task Clearing_removes_every_entry()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        for (var i = 0; i < 50; i++)
        {
            await SetAsync(store, $"k{i}", i % 2 == 0 ? Entry("untagged") : Entry("tagged", $"t{i % 5}"));
        }

        await SetAsync(store, "stale", Entry("stale", Hours(1), Hours(50)));
        await SetAsync(store, "eternal", Entry("eternal", TimeSpan.MaxValue));
        Clock.Advance(Hours(2));
        await Soon(other.ClearAsync(default));
        for (var i = 0; i < 50; i++)
        {
            await ExpectMissingAsync(store, $"k{i}");
        }

        await ExpectMissingAsync(store, "stale");
        await ExpectMissingAsync(store, "eternal");
        await ExpectMissingAsync(other, "eternal");
    }

    [Fact]
    public async Task A_cleared_store_can_be_used_again()
    {
        var store = await CreateAsync();
        for (var i = 0; i < 3; i++)
        {
            await SetAsync(store, "k", Entry($"{i}", "t"));
            await SetAsync(store, "j", Entry($"{i}"));
            await ExpectAsync(store, "k", $"{i}");
            await InvalidateTagsAsync(store, "t");
            await ExpectMissingAsync(store, "k");
            await ExpectAsync(store, "j", $"{i}");
            await Soon(store.ClearAsync(default));
            await ExpectMissingAsync(store, "j");
        }
    }

    [Fact]
    public async Task A_value_begun_before_a_clear_is_refused_or_dead_when_it_comes()
    {
        var store = await CreateAsync();
        await SetAsync(store, "j", Entry("value"));
        var loadStamp = Math.Max(await LoadStampAsync(store, "k"), await LoadStampAsync(store, "j"));
        await Soon((await OpenAnotherAsync(store)).ClearAsync(default));
        await PopulateAsync(store, "k", Entry("late"), loadStamp);
        await PopulateAsync(store, "j", Entry("late", "t"), loadStamp);
        await ExpectMissingAsync(store, "k");
        await ExpectMissingAsync(store, "j");
    }

    [Fact]
    public async Task Clearing_an_empty_store_and_clearing_twice_is_fine()
    {
        var store = await CreateAsync();
        var first = await Soon(store.ClearAsync(default));
        (await Soon(store.ClearAsync(default))).Should().BeGreaterThan(first);
        await SetAsync(store, "k", Entry("value"));
        await ExpectAsync(store, "k", "value");
    }
}
