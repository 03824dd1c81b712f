using System.Globalization;
using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Stamps grow, and each condition of a write holds when it should and at no other time.</summary>
public abstract class StoreConditionContract : StoreContract
{
    [Fact]
    public async Task Every_explicit_write_and_every_invalidation_draws_a_later_stamp()
    {
        var store = await CreateAsync();
        var stamps = new List<long>
        {
            await LoadStampAsync(store, "k"),
            await SetAsync(store, "k", Entry("1")),
            await SetAsync(store, "k", Entry("2")),
            (await InvalidateAsync(store, "k")).Stamp,
            (await WriteAsync(store, "k", Entry("3"), StoreCondition.IfAbsent)).Stamp,
            (await InvalidateAsync(store, "k", InvalidationKind.Expire)).Stamp,
            await InvalidateTagsAsync(store, "t"),
            await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Expire, "t", "u"),
            await Soon(store.ClearAsync(default)),
            await SetAsync(store, "k", Entry("4")),
        };
        stamps.Should().BeInAscendingOrder();
        stamps.Skip(1).Should().OnlyHaveUniqueItems().And.NotContain(0);
    }

    [Fact]
    public async Task The_load_stamp_is_never_behind_what_happened_to_the_key_before()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        var stamp = await SetAsync(store, "k", Entry("1"));
        (await LoadStampAsync(store, "k")).Should().BeGreaterThanOrEqualTo(stamp);
        stamp = (await InvalidateAsync(store, "k")).Stamp;
        (await LoadStampAsync(other, "k")).Should().BeGreaterThanOrEqualTo(stamp);
        stamp = await Soon(store.ClearAsync(default));
        (await LoadStampAsync(other, "k")).Should().BeGreaterThanOrEqualTo(stamp);
    }

    [Fact]
    public async Task What_a_factory_made_is_stored_under_the_stamp_of_the_read_before()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        var result = await PopulateAsync(store, "k", Entry("value"), loadStamp);
        result.Should().Be(new StoreWriteResult(StoreWriteOutcome.Stored, loadStamp));
        await ExpectAsync(await OpenAnotherAsync(store), "k", "value");
        (await ReadAsync(store, "k")).Stamp.Should().Be(loadStamp);
    }

    [Fact]
    public async Task A_load_that_begins_after_a_removal_can_store_its_value()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("old", "t"));
        await InvalidateAsync(store, "k");
        (await PopulateAsync(store, "k", Entry("1", "t"), await LoadStampAsync(store, "k"))).IsStored.Should().BeTrue();
        await ExpectAsync(store, "k", "1");
        await InvalidateTagsAsync(store, "t");
        await Eventually(store, "k", "2", "t");
        await Soon(store.ClearAsync(default));
        await Eventually(store, "k", "3", "t");
    }

    [Fact]
    public async Task A_load_that_begins_after_the_last_entry_is_dead_can_store_its_value()
    {
        var store = await CreateAsync();
        for (var i = 0; i < 3; i++)
        {
            (await PopulateAsync(store, "k", Entry($"{i}", Hours(1)), await LoadStampAsync(store, "k"))).IsStored.Should().BeTrue();
            await ExpectAsync(store, "k", $"{i}");
            Clock.Advance(Hours(1));
            await ExpectMissingAsync(store, "k");
        }
    }

    [Fact]
    public async Task A_load_that_begins_while_the_entry_is_stale_can_replace_it()
    {
        var store = await CreateAsync();
        for (var i = 0; i < 3; i++)
        {
            await SetAsync(store, "k", Entry("stale", Hours(1), Hours(10)));
            Clock.Advance(Hours(2));
            var loadStamp = await LoadStampAsync(store, "k");
            var result = await PopulateAsync(store, "k", Entry("new", Hours(1), Hours(10)), loadStamp);
            if (!result.IsStored)
            {
                // A store that shows no stamp beyond that of the entry refuses the load once, and must then have moved on.
                loadStamp = await LoadStampAsync(store, "k");
                result = await PopulateAsync(store, "k", Entry("new", Hours(1), Hours(10)), loadStamp);
            }

            result.IsStored.Should().BeTrue();
            await ExpectAsync(store, "k", "new");
        }
    }

    [Theory]
    [InlineData(InvalidationKind.Remove)]
    [InlineData(InvalidationKind.Expire)]
    public async Task A_value_begun_before_its_key_was_invalidated_is_refused(InvalidationKind kind)
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await InvalidateAsync(await OpenAnotherAsync(store), "k", kind);
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task A_value_begun_before_an_entry_was_removed_is_refused_though_the_key_is_empty_again()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await SetAsync(store, "k", Entry("1"));
        await InvalidateAsync(store, "k");
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task What_was_set_is_not_replaced_by_a_value_begun_before()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await SetAsync(await OpenAnotherAsync(store), "k", Entry("set"));
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "k", "set");
    }

    [Fact]
    public async Task What_was_set_and_has_expired_since_is_not_replaced_by_a_value_begun_before()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await SetAsync(store, "k", Entry("set", Hours(1)));
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "k");
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task Of_two_values_begun_at_the_same_stamp_the_first_stays()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        (await PopulateAsync(store, "k", Entry("first"), loadStamp)).IsStored.Should().BeTrue();
        (await PopulateAsync(await OpenAnotherAsync(store), "k", Entry("second"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "k", "first");
    }

    [Fact]
    public async Task Of_two_values_the_one_begun_later_stays_in_whatever_order_they_come()
    {
        var store = await CreateAsync();
        var earlier = await LoadStampAsync(store, "k");
        await InvalidateTagsAsync(store, "unrelated");
        await SetAsync(store, "unrelated", Entry("v"));
        var later = Math.Max(await LoadStampAsync(store, "k"), await LoadStampAsync(store, "unrelated"));
        later.Should().BeGreaterThan(earlier);
        (await PopulateAsync(store, "k", Entry("later"), later)).IsStored.Should().BeTrue();
        (await PopulateAsync(store, "k", Entry("earlier"), earlier)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "k", "later");

        (await PopulateAsync(store, "j", Entry("earlier"), earlier)).IsStored.Should().BeTrue();
        (await PopulateAsync(store, "j", Entry("later"), later)).IsStored.Should().BeTrue();
        await ExpectAsync(store, "j", "later");
    }

    [Fact]
    public async Task What_happens_to_other_keys_and_tags_refuses_nothing()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await SetAsync(store, "j", Entry("1", "u"));
        await InvalidateAsync(store, "j");
        await InvalidateTagsAsync(store, "u");
        (await PopulateAsync(store, "k", Entry("value", "t"), loadStamp)).IsStored.Should().BeTrue();
        await ExpectAsync(store, "k", "value");
    }

    [Fact]
    public async Task Set_takes_the_place_of_anything()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("1"));
        await SetAsync(store, "k", Entry("2"));
        await InvalidateAsync(store, "k", InvalidationKind.Expire);
        await SetAsync(store, "k", Entry("3"));
        await ExpectAsync(store, "k", "3");
    }

    [Fact]
    public async Task Add_stores_only_where_nothing_unexpired_is()
    {
        var store = await CreateAsync();
        (await WriteAsync(store, "k", Entry("1", Hours(1), Hours(5)), StoreCondition.IfAbsent)).IsStored.Should().BeTrue();
        (await WriteAsync(store, "k", Entry("2"), StoreCondition.IfAbsent)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        var read = await ReadAsync(store, "k");
        (read.Text, read.ExpiresAt).Should().Be(("1", Clock.GetUtcNow() + Hours(1)));

        Clock.Advance(Hours(1));
        (await WriteAsync(store, "k", Entry("3", "t"), StoreCondition.IfAbsent)).IsStored.Should().BeTrue("a stale entry does not count");
        await InvalidateTagsAsync(store, "t");
        (await WriteAsync(store, "k", Entry("4"), StoreCondition.IfAbsent)).IsStored.Should().BeTrue("a dead entry does not count");
        await InvalidateAsync(store, "k", InvalidationKind.Expire);
        (await WriteAsync(store, "k", Entry("5"), StoreCondition.IfAbsent)).IsStored.Should().BeTrue("an entry that was made to expire does not count");
        await InvalidateAsync(store, "k");
        (await WriteAsync(store, "k", Entry("6"), StoreCondition.IfAbsent)).IsStored.Should().BeTrue("a removed entry does not count");
        await ExpectAsync(store, "k", "6");
    }

    [Fact]
    public async Task What_was_added_is_not_replaced_by_a_value_begun_before()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        (await WriteAsync(store, "k", Entry("added"), StoreCondition.IfAbsent)).IsStored.Should().BeTrue();
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "k", "added");
    }

    [Fact]
    public async Task Of_many_who_add_at_once_one_succeeds()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        for (var round = 0; round < 20; round++)
        {
            var key = $"k{round}";
            var results = new StoreWriteResult[16];
            await RunTogetherAsync(results.Length, async thread =>
                results[thread] = await WriteAsync(thread % 2 == 0 ? store : other, key, Entry($"{thread}"), StoreCondition.IfAbsent));
            results.Count(result => result.IsStored).Should().Be(1);
            results.Should().OnlyContain(result => result.IsStored || result.Outcome == StoreWriteOutcome.Overtaken);
            await ExpectAsync(store, key, $"{Array.FindIndex(results, result => result.IsStored)}");
        }
    }

    [Fact]
    public async Task Replacing_succeeds_only_on_the_entry_that_was_read()
    {
        var store = await CreateAsync();
        var first = await SetAsync(store, "k", Entry("1"));
        var second = await WriteAsync(store, "k", Entry("2"), StoreCondition.IfUnchanged(first));
        second.IsStored.Should().BeTrue();
        second.Stamp.Should().NotBe(first);
        (await ReadAsync(store, "k")).Stamp.Should().Be(second.Stamp);
        (await WriteAsync(store, "k", Entry("lost"), StoreCondition.IfUnchanged(first))).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "k", "2");
        (await WriteAsync(store, "k", Entry("3"), StoreCondition.IfUnchanged(second.Stamp))).IsStored.Should().BeTrue();
        await ExpectAsync(store, "k", "3");
        (await WriteAsync(store, "absent", Entry("lost"), StoreCondition.IfUnchanged(first))).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectMissingAsync(store, "absent");
    }

    [Fact]
    public async Task What_a_factory_made_can_be_replaced_if_unchanged()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        await PopulateAsync(store, "k", Entry("1"), loadStamp);
        var result = await WriteAsync(store, "k", Entry("2"), StoreCondition.IfUnchanged(loadStamp));
        result.IsStored.Should().BeTrue();
        result.Stamp.Should().NotBe(loadStamp);
        (await PopulateAsync(store, "k", Entry("late"), loadStamp)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        await ExpectAsync(store, "k", "2");
    }

    [Fact]
    public async Task Replacing_does_not_revive_what_is_dead()
    {
        var store = await CreateAsync();
        var stamp = await SetAsync(store, "removed", Entry("1"));
        await InvalidateAsync(store, "removed");
        (await WriteAsync(store, "removed", Entry("2"), StoreCondition.IfUnchanged(stamp))).IsStored.Should().BeFalse();

        stamp = await SetAsync(store, "tagged", Entry("1", "t"));
        await InvalidateTagsAsync(store, "t");
        (await WriteAsync(store, "tagged", Entry("2"), StoreCondition.IfUnchanged(stamp))).IsStored.Should().BeFalse();

        stamp = await SetAsync(store, "expired", Entry("1", Hours(1)));
        Clock.Advance(Hours(1));
        (await WriteAsync(store, "expired", Entry("2"), StoreCondition.IfUnchanged(stamp))).IsStored.Should().BeFalse();

        stamp = await SetAsync(store, "cleared", Entry("1"));
        await Soon(store.ClearAsync(default));
        (await WriteAsync(store, "cleared", Entry("2"), StoreCondition.IfUnchanged(stamp))).IsStored.Should().BeFalse();

        foreach (var key in new[] { "removed", "tagged", "expired", "cleared" })
        {
            await ExpectMissingAsync(store, key);
        }
    }

    [Fact]
    public async Task What_replaces_an_entry_is_covered_by_invalidations_of_its_own_tags_since_that_entry()
    {
        var store = await CreateAsync();
        var stamp = await SetAsync(store, "k", Entry("1"));
        await InvalidateTagsAsync(store, "t");
        await WriteAsync(store, "k", Entry("2", "t"), StoreCondition.IfUnchanged(stamp));
        (await ReadAsync(store, "k")).Text.Should().NotBe("2", "its tag was invalidated after the entry it was made from");

        stamp = await SetAsync(store, "j", Entry("1"));
        await WriteAsync(store, "j", Entry("2", "t"), StoreCondition.IfUnchanged(stamp));
        await ExpectAsync(store, "j", "2");
        await InvalidateTagsAsync(store, "t");
        await ExpectMissingAsync(store, "j");
    }

    [Fact]
    public async Task What_replaces_an_entry_that_was_made_to_expire_meanwhile_is_not_fresh()
    {
        var store = await CreateAsync();
        foreach (var byTag in new[] { false, true })
        {
            var stamp = await SetAsync(store, "k", Entry("1", "t"));
            Task expiry = byTag ? InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Expire, "t") : InvalidateAsync(store, "k", InvalidationKind.Expire);
            await expiry;
            await WriteAsync(store, "k", Entry("2", "t"), StoreCondition.IfUnchanged(stamp));
            var read = await ReadAsync(store, "k");
            (read.Status == StoreLookupStatus.Missing || read.ExpiresAt <= Clock.GetUtcNow()).Should().BeTrue();
        }
    }

    [Fact]
    public async Task Increments_at_once_by_reading_and_replacing_lose_nothing()
    {
        const int Threads = 8;
        const int Times = 25;
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        await SetAsync(store, "k", Entry("0"));
        await RunTogetherAsync(Threads, async thread =>
        {
            var mine = thread % 2 == 0 ? store : other;
            for (var done = 0; done < Times;)
            {
                var read = await ReadAsync(mine, "k");
                var next = Entry($"{int.Parse(read.Text, CultureInfo.InvariantCulture) + 1}");
                done += (await WriteAsync(mine, "k", next, StoreCondition.IfUnchanged(read.Stamp))).IsStored ? 1 : 0;
            }
        });
        await ExpectAsync(store, "k", $"{Threads * Times}");
    }

    [Fact]
    public async Task Who_knows_the_entry_is_told_that_it_is_still_there_or_given_its_bytes()
    {
        var store = await CreateAsync();
        var entry = Entry("value", Hours(1), Hours(2));
        var stamp = await SetAsync(store, "k", entry);
        await ExpectKnownAsync(store, "k", stamp, "value");
        var read = await ReadAsync(store, "k", new() { KnownStamp = stamp });
        (read.Stamp, read.ExpiresAt, read.RetainUntil).Should().Be((stamp, entry.ExpiresAt, entry.RetainUntil));

        (await Soon(store.SetExpirationAsync("k", stamp, entry.ExpiresAt + Hours(1), entry.RetainUntil + Hours(1), default))).Should().BeTrue();
        read = await ReadAsync(store, "k", new() { KnownStamp = stamp });
        (read.Stamp, read.ExpiresAt, read.RetainUntil).Should().Be((stamp, entry.ExpiresAt + Hours(1), entry.RetainUntil + Hours(1)));
    }

    [Fact]
    public async Task Who_knows_another_entry_is_given_the_bytes()
    {
        var store = await CreateAsync();
        var old = await SetAsync(store, "k", Entry("old"));
        var stamp = await SetAsync(store, "k", Entry("new"));
        foreach (var known in new[] { old, stamp + 1, stamp - 1, 0, long.MaxValue, -1 })
        {
            var read = await ReadAsync(store, "k", new() { KnownStamp = known });
            (read.Status, read.Stamp, read.Text).Should().Be((StoreLookupStatus.Found, stamp, "new"));
        }
    }

    [Fact]
    public async Task Who_knows_a_dead_entry_is_told_that_it_is_missing()
    {
        var store = await CreateAsync();
        var stamp = await SetAsync(store, "k", Entry("1"));
        await InvalidateAsync(store, "k");
        (await ReadAsync(store, "k", new() { KnownStamp = stamp })).Status.Should().Be(StoreLookupStatus.Missing);
        stamp = await SetAsync(store, "k", Entry("2", "t"));
        await InvalidateTagsAsync(store, "t");
        (await ReadAsync(store, "k", new() { KnownStamp = stamp, TagHints = ["t"] })).Status.Should().Be(StoreLookupStatus.Missing);
        stamp = await SetAsync(store, "k", Entry("3", Hours(1)));
        Clock.Advance(Hours(1));
        (await ReadAsync(store, "k", new() { KnownStamp = stamp })).Status.Should().Be(StoreLookupStatus.Missing);
        stamp = await SetAsync(store, "k", Entry("4"));
        await Soon(store.ClearAsync(default));
        (await ReadAsync(store, "k", new() { KnownStamp = stamp })).Status.Should().Be(StoreLookupStatus.Missing);
    }

    [Fact]
    public async Task Who_knows_an_entry_is_not_told_that_it_is_there_when_another_has_its_stamp()
    {
        var store = await CreateAsync();
        var loadStamp = await LoadStampAsync(store, "k");
        (await PopulateAsync(store, "k", Entry("dead", "t"), loadStamp)).IsStored.Should().BeTrue();
        await InvalidateTagsAsync(store, "t");
        await PopulateAsync(store, "k", Entry("another"), loadStamp);
        var read = await ReadAsync(store, "k", new() { KnownStamp = loadStamp });
        read.Status.Should().NotBe(StoreLookupStatus.NotModified);
        read.Text.Should().BeOneOf("", "another");
    }

    private static async Task ExpectKnownAsync(ICacheStore store, string key, long stamp, string text)
    {
        var read = await ReadAsync(store, key, new() { KnownStamp = stamp });
        read.Stamp.Should().Be(stamp);
        if (read.Status == StoreLookupStatus.NotModified)
        {
            read.Payload.Length.Should().Be(0);
        }
        else
        {
            (read.Status, read.Text).Should().Be((StoreLookupStatus.Found, text));
        }
    }

    /// <summary>
    /// A store whose reads do not bring all invalidations of tags may show too old a stamp, which costs a refusal; but then it must learn.
    /// </summary>
    private async Task Eventually(ICacheStore store, string key, string text, params string[] tags)
    {
        for (var attempt = 0; attempt < 3; attempt++)
        {
            var loadStamp = await LoadStampAsync(store, key);
            await PopulateAsync(store, key, Entry(text, tags), loadStamp);
            if ((await ReadAsync(store, key)).Status == StoreLookupStatus.Found)
            {
                break;
            }
        }

        await ExpectAsync(store, key, text);
    }
}
