using CacheKit.Stores;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>An entry is gone at and after the instant it is retained until, by the store's clock, and those instants can be moved.</summary>
public abstract class StoreExpirationContract : StoreContract
{
    private static readonly TimeSpan _moment = TimeSpan.FromMilliseconds(1);

    [Fact]
    public async Task An_entry_is_gone_from_the_instant_it_is_retained_until()
    {
        var store = await CreateAsync();
        var other = await OpenAnotherAsync(store);
        await SetAsync(store, "k", Entry("value", Hours(1)));
        Clock.Advance(Hours(1) - _moment);
        await ExpectAsync(store, "k", "value");
        Clock.Advance(_moment);
        await ExpectMissingAsync(store, "k");
        await ExpectMissingAsync(other, "k");
    }

    [Fact]
    public async Task A_stale_entry_is_returned_with_the_instant_it_expired()
    {
        var store = await CreateAsync();
        var entry = Entry("value", Hours(1), Hours(2));
        await SetAsync(store, "k", entry);
        Clock.Advance(Hours(3) - _moment);
        var read = await ReadAsync(store, "k");
        (read.Status, read.Text, read.ExpiresAt, read.RetainUntil).Should().Be((StoreLookupStatus.Found, "value", entry.ExpiresAt, entry.RetainUntil));
        Clock.Advance(_moment);
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task What_never_expires_stays()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value", TimeSpan.MaxValue));
        var read = await ReadAsync(store, "k");
        (read.ExpiresAt, read.RetainUntil).Should().Be((DateTimeOffset.MaxValue, DateTimeOffset.MaxValue));
        Clock.Advance(TimeSpan.FromDays(365 * 100));
        await ExpectAsync(store, "k", "value");
    }

    [Fact]
    public async Task What_is_retained_for_ever_may_expire_all_the_same()
    {
        var store = await CreateAsync();
        var expiresAt = Clock.GetUtcNow() + Hours(1);
        await SetAsync(store, "k", new() { Payload = "value"u8.ToArray(), ExpiresAt = expiresAt, RetainUntil = DateTimeOffset.MaxValue, Tags = [] });
        Clock.Advance(TimeSpan.FromDays(365));
        var read = await ReadAsync(store, "k");
        (read.Text, read.ExpiresAt, read.RetainUntil).Should().Be(("value", expiresAt, DateTimeOffset.MaxValue));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    public async Task What_has_ended_when_it_is_written_leaves_nothing(int hours)
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("old"));
        await WriteAsync(store, "k", Entry("ended", Hours(hours)), StoreCondition.Always);
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task A_second_write_brings_its_own_end()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("short", Hours(1)));
        await SetAsync(store, "k", Entry("long", Hours(5)));
        Clock.Advance(Hours(4));
        await ExpectAsync(store, "k", "long");
        await SetAsync(store, "k", Entry("eternal", TimeSpan.MaxValue));
        Clock.Advance(Hours(4000));
        await ExpectAsync(store, "k", "eternal");
        await SetAsync(store, "k", Entry("short", Hours(1)));
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task What_has_expired_does_not_come_back_when_the_clock_is_set_back()
    {
        var store = await CreateAsync();
        await SetAsync(store, "k", Entry("value", Hours(1)));
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "k");
        await SetAsync(store, "k", Entry("new", Hours(1)));
        await ExpectAsync(store, "k", "new");
        Clock.StepWallClock(Hours(2));
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task The_end_of_an_entry_can_be_moved_either_way()
    {
        var store = await CreateAsync();
        var stamp = await SetAsync(store, "k", Entry("value", Hours(1), Hours(1)));
        var now = Clock.GetUtcNow();
        (await Soon((await OpenAnotherAsync(store)).SetExpirationAsync("k", stamp, now + Hours(5), now + Hours(6), default))).Should().BeTrue();
        var read = await ReadAsync(store, "k");
        (read.Text, read.Stamp, read.ExpiresAt, read.RetainUntil).Should().Be(("value", stamp, now + Hours(5), now + Hours(6)));
        Clock.Advance(Hours(5) - _moment);
        await ExpectAsync(store, "k", "value");
        Clock.Advance(_moment);
        (await ReadAsync(store, "k")).Status.Should().Be(StoreLookupStatus.Found, "it is stale");
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "k");

        stamp = await SetAsync(store, "k", Entry("value", Hours(5)));
        now = Clock.GetUtcNow();
        (await Soon(store.SetExpirationAsync("k", stamp, now + Hours(1), now + Hours(1), default))).Should().BeTrue();
        Clock.Advance(Hours(1));
        await ExpectMissingAsync(store, "k");

        stamp = await SetAsync(store, "k", Entry("value", Hours(1)));
        (await Soon(store.SetExpirationAsync("k", stamp, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, default))).Should().BeTrue();
        Clock.Advance(Hours(5000));
        await ExpectAsync(store, "k", "value");
    }

    [Fact]
    public async Task An_entry_whose_end_was_moved_goes_with_its_key_and_tags_as_before()
    {
        var store = await CreateAsync();
        var until = Clock.GetUtcNow() + Hours(50);
        var stamp = await SetAsync(store, "k", Entry("value", "t"));
        (await Soon(store.SetExpirationAsync("k", stamp, until, until, default))).Should().BeTrue();
        await InvalidateTagsAsync(store, "t");
        await ExpectMissingAsync(store, "k");
        stamp = await SetAsync(store, "k", Entry("value", "t"));
        (await Soon(store.SetExpirationAsync("k", stamp, until, until, default))).Should().BeTrue();
        (await InvalidateAsync(store, "k")).WasFresh.Should().BeTrue();
        await ExpectMissingAsync(store, "k");
    }

    [Fact]
    public async Task The_end_of_another_entry_is_not_moved()
    {
        var store = await CreateAsync();
        var until = Clock.GetUtcNow() + Hours(50);
        (await Soon(store.SetExpirationAsync("absent", 1, until, until, default))).Should().BeFalse();
        await ExpectMissingAsync(store, "absent");
        var old = await SetAsync(store, "k", Entry("old"));
        var entry = Entry("new", Hours(1));
        await SetAsync(store, "k", entry);
        (await Soon(store.SetExpirationAsync("k", old, until, until, default))).Should().BeFalse();
        (await ReadAsync(store, "k")).ExpiresAt.Should().Be(entry.ExpiresAt);
    }

    [Fact]
    public async Task Moving_the_end_revives_nothing_that_is_dead()
    {
        var store = await CreateAsync();
        var until = Clock.GetUtcNow() + Hours(50);
        var removed = await SetAsync(store, "removed", Entry("value"));
        var tagged = await SetAsync(store, "tagged", Entry("value", "t"));
        var ended = await SetAsync(store, "ended", Entry("value", Hours(1)));
        await InvalidateAsync(store, "removed");
        await InvalidateTagsAsync(store, "t");
        Clock.Advance(Hours(1));
        foreach (var (key, stamp) in new[] { ("removed", removed), ("tagged", tagged), ("ended", ended) })
        {
            (await Soon(store.SetExpirationAsync(key, stamp, until, until, default))).Should().BeFalse("'{0}' is dead", key);
            await ExpectMissingAsync(store, key);
        }

        var cleared = await SetAsync(store, "cleared", Entry("value"));
        await Soon(store.ClearAsync(default));
        (await Soon(store.SetExpirationAsync("cleared", cleared, until, until, default))).Should().BeFalse();
        await ExpectMissingAsync(store, "cleared");
    }

    [Fact]
    public async Task Moving_the_end_does_not_freshen_what_was_made_to_expire()
    {
        var store = await CreateAsync();
        var until = Clock.GetUtcNow() + Hours(50);
        var byKey = await SetAsync(store, "by key", Entry("value", Hours(1), Hours(5)));
        var byTag = await SetAsync(store, "by tag", Entry("value", Hours(1), Hours(5), "t"));
        var byAll = await SetAsync(store, "by all", Entry("value", Hours(1), Hours(5), "u", "v"));
        await InvalidateAsync(store, "by key", InvalidationKind.Expire);
        await InvalidateTagsAsync(store, TagMatch.Any, InvalidationKind.Expire, "t");
        await InvalidateTagsAsync(store, TagMatch.All, InvalidationKind.Expire, "u", "v");
        foreach (var (key, stamp) in new[] { ("by key", byKey), ("by tag", byTag), ("by all", byAll) })
        {
            (await Soon(store.SetExpirationAsync(key, stamp, until, until, default))).Should().BeFalse("'{0}' was made to expire", key);
            await ExpectExpiredAsync(store, key, "value");
        }
    }
}
