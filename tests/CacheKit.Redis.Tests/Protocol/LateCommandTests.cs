using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Protocol;

/// <summary>
/// What was given up may land at any time later. Here it does: the very command a store sends is kept, and sent only after others have been.
/// </summary>
public abstract class LateCommandTests(SharedServers servers, Topology topology) : IAsyncLifetime
{
    private static readonly TimeSpan _hour = TimeSpan.FromHours(1);

    private RedisStore _store = null!;
    private RedisStore _other = null!;

    public async ValueTask InitializeAsync()
    {
        var prefix = servers.NextPrefix();
        _store = await TestStores.CreateAsync(servers, topology, prefix, TestStores.Context());
        _other = await TestStores.CreateAsync(servers, topology, prefix, TestStores.Context());
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_store is not null)
        {
            await _store.DisposeAsync();
            await _other.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_set_that_lands_after_a_later_set_changes_nothing()
    {
        var late = await PrepareWriteAsync("S", "late");
        await _other.SetAsync("k", Entry("new"));
        (await late()).Should().BeLessThan(Scripts.Behind);
        (await _other.GetAsync("k")).Should().Be("new");
    }

    [Fact]
    public async Task A_set_that_lands_after_a_later_removal_changes_nothing()
    {
        var late = await PrepareWriteAsync("S", "late");
        await _other.RemoveAsync("k");
        (await late()).Should().BeLessThan(Scripts.Behind);
        (await _other.GetAsync("k")).Should().BeNull();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_loaded_in_place_of_what_has_expired_has_a_stamp_of_its_own(bool isKept)
    {
        var first = await _store.LoadStampAsync("k");
        var life = TimeSpan.FromMilliseconds(20);
        var entry = new StoreEntry
        {
            Payload = "1"u8.ToArray(), ExpiresAt = DateTimeOffset.UtcNow + life, RetainUntil = DateTimeOffset.UtcNow + (isKept ? _hour : life),
        };
        (await _store.PopulateAsync("k", entry, first)).Should().BeTrue();

        // It has expired, and nobody has looked at the clock for longer than looks are good for.
        await Task.Delay(150);
        var second = await _store.LoadStampAsync("k");
        second.Should().BeGreaterThan(first);
        (await _store.PopulateAsync("k", Entry("2"), second)).Should().BeTrue();
        using var lookup = await _store.ReadAsync("k", new() { KnownStamp = first }, default);
        lookup.Status.Should().Be(StoreLookupStatus.Found, "who has the first is not to take the second for it");
    }

    [Fact]
    public async Task Sets_that_came_together_and_land_late_change_nothing_that_was_changed_since()
    {
        var link = await _store.Connection.GetAsync(default);
        if (!link.IsSingle)
        {
            return;
        }

        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var entry = Entry("late");
        RedisValue record = EntryRecord.Write(EntryFlags.None, 0, entry.ExpiresAt, entry.RetainUntil, EntryTags.None, entry.Payload.Span);
        string[] names = ["removed", "untouched", "set"];
        var (high, low) = lifetimes.Now();
        RedisKey[] keys = [_store.Layout.Clock, .. names.Select(_store.Layout.Entry), .. names.Select((_, i) => _store.Layout.Waiting(i))];
        RedisValue[] arguments =
            [await clock.LookAsync(link, default), lifetimes.MaximumAge, lifetimes.Fence, 3, high, low, 0, lifetimes.Fence, "", lifetimes.Fence, "", lifetimes.Fence, ""];
        var removed = await _other.RemoveAsync("removed");
        var set = await _other.SetAsync("set", Entry("new"));
        await link.Database.StringSetAsync([.. names.Select((_, i) => new KeyValuePair<RedisKey, RedisValue>(_store.Layout.Waiting(i), record))]);
        var answer = (long[])(await Scripts.WriteMany.RunAsync(link.Database, keys, arguments))!; // the script returns an array
        answer[0].Should().Be(-removed.Stamp);
        answer[1].Should().BeGreaterThan(set);
        answer[2].Should().Be(-set);
        (await _other.GetAsync("removed")).Should().BeNull();
        (await _other.GetAsync("untouched")).Should().Be("late");
        (await _other.GetAsync("set")).Should().Be("new");
    }

    [Fact]
    public async Task Values_that_factories_have_made_and_that_come_together_and_land_late_change_nothing_that_was_changed_since()
    {
        var link = await _store.Connection.GetAsync(default);
        if (!link.IsSingle)
        {
            return;
        }

        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var entry = Entry("late");
        var stamp = await clock.LookAsync(link, default);
        var old = stamp - (long)TimeSpan.FromMinutes(3).TotalMicroseconds;
        string[] names = ["removed", "untouched", "set", "old"];
        var (high, low) = lifetimes.Now();
        RedisKey[] keys = [_store.Layout.Clock, .. names.Select(_store.Layout.Entry), .. names.Select((_, i) => _store.Layout.Waiting(i))];
        RedisValue[] arguments =
            [stamp, lifetimes.MaximumAge, lifetimes.Fence, 0, high, low, 0, lifetimes.Fence, stamp, lifetimes.Fence, stamp, lifetimes.Fence, stamp, lifetimes.Fence, old];
        var removed = await _other.RemoveAsync("removed");
        var set = await _other.SetAsync("set", Entry("new"));
        await link.Database.StringSetAsync([.. names.Select((name, i) => new KeyValuePair<RedisKey, RedisValue>(
            _store.Layout.Waiting(i), EntryRecord.Write(EntryFlags.None, name == "old" ? old : stamp, entry.ExpiresAt, entry.RetainUntil, EntryTags.None, entry.Payload.Span)))]);
        var answer = (long[])(await Scripts.WriteMany.RunAsync(link.Database, keys, arguments))!; // the script returns an array
        answer.Should().Equal(-removed.Stamp, stamp, -set, Scripts.Aside, 0);
        (await _other.GetAsync("removed")).Should().BeNull();
        (await _other.GetAsync("untouched")).Should().Be("late");
        (await _other.GetAsync("set")).Should().Be("new");
        (await _other.GetAsync("old")).Should().BeNull();
        (await link.Database.KeyExistsAsync(_store.Layout.Waiting(0))).Should().BeFalse();
    }

    [Fact]
    public async Task An_add_that_lands_after_a_later_removal_changes_nothing()
    {
        var late = await PrepareWriteAsync("A", "late");
        await _other.RemoveAsync("k");
        (await late()).Should().BeLessThan(Scripts.Behind);
        (await _other.GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_removal_that_lands_after_a_later_set_changes_nothing()
    {
        var late = await PrepareRemovalAsync();
        await _other.SetAsync("k", Entry("new"));
        (await late()).Should().BeLessThan(Scripts.Behind);
        (await _other.GetAsync("k")).Should().Be("new");
    }

    [Fact]
    public async Task A_removal_by_tag_that_lands_late_leaves_what_was_set_later()
    {
        // Drawn, but not recorded yet: that is as far as it got.
        var link = await _store.Connection.GetAsync(default);
        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        var stamp = await clock.DrawAsync(link, ["tt"], default);
        await _other.SetAsync("k", Entry("new", "t"));
        await Scripts.Record.RunAsync(link.Database, [_store.Layout.Tag("t")], [stamp, "R", 60_000, RedisValue.EmptyString, 32]);
        (await _other.GetAsync("k")).Should().Be("new");
    }

    [Fact]
    public async Task What_is_late_by_more_than_fences_live_is_refused_for_its_age()
    {
        var link = await _store.Connection.GetAsync(default);
        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        var old = await clock.LookAsync(link, default) - (long)TimeSpan.FromMinutes(3).TotalMicroseconds;
        (await _store.PopulateAsync("k", Entry("old"), old)).Should().BeFalse();
        (await (await PrepareWriteAsync("S", "old", old))()).Should().Be(Scripts.Outdated);
        (await _store.GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_value_that_is_late_by_more_than_fences_live_is_not_stored_without_a_script_either()
    {
        // What a store sends where it believes that there is nothing; the fence that would have refused it is gone.
        var link = await _store.Connection.GetAsync(default);
        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        var old = await clock.LookAsync(link, default) - (long)TimeSpan.FromMinutes(3).TotalMicroseconds;
        var name = _store.Layout.Entry("k");
        await link.Database.ExecuteAsync("SET", name, "late", "NX", "PXAT", (old + (long)TimeSpan.FromMinutes(2).TotalMicroseconds) / 1000);
        (await link.Database.KeyExistsAsync(name)).Should().BeFalse();
    }

    [Theory]
    [InlineData("removal")]
    [InlineData("set")]
    [InlineData("set for ever")]
    [InlineData("count")]
    public async Task What_takes_the_place_of_a_change_and_soon_expires_leaves_no_room_for_a_value_from_before_it(string change)
    {
        var before = await _store.LoadStampAsync("k");
        switch (change)
        {
            case "removal":
                await _other.RemoveAsync("k");
                break;
            case "count":
                (await _other.IncrementAsync("k", new() { Delta = 1, Minimum = long.MinValue, Maximum = long.MaxValue, ExpiresAt = DateTimeOffset.UtcNow.AddMilliseconds(1), Tags = [] }, default))
                    .Should().NotBeNull();
                break;
            case "set":
                await _other.SetAsync("k", Entry("set", TimeSpan.FromMilliseconds(1)));
                break;
            default:
                await _other.SetAsync("k", Entry("set", TimeSpan.Zero) with { ExpiresAt = DateTimeOffset.UtcNow.AddMilliseconds(1), RetainUntil = DateTimeOffset.MaxValue });
                break;
        }

        // Its own life is over, but it is the only one that tells of the change.
        await Waiting.UntilAsync(async () => await _other.PopulateAsync("k", Entry("new", TimeSpan.FromMilliseconds(20)), await _other.LoadStampAsync("k")), what: "it is made anew");
        await Waiting.UntilAsync(async () => await _other.GetAsync("k") is null, what: "it has expired");
        await Task.Delay(100); // so that Redis would have dropped it
        (await _store.PopulateAsync("k", Entry("old"), before)).Should().BeFalse();
        (await _other.GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task What_was_set_for_ever_and_is_given_a_short_life_leaves_no_room_for_a_value_from_before_it()
    {
        var before = await _store.LoadStampAsync("k");
        var stamp = await _other.SetAsync("k", Entry("set") with { ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue });
        var soon = DateTimeOffset.UtcNow.AddMilliseconds(20);
        (await _other.SetExpirationAsync("k", stamp, soon, soon, default)).Should().BeTrue();
        await Waiting.UntilAsync(async () => await _other.GetAsync("k") is null, what: "it has expired");
        await Task.Delay(100); // so that Redis would have dropped it
        (await _store.PopulateAsync("k", Entry("old"), before)).Should().BeFalse();
        (await _other.GetAsync("k")).Should().BeNull();
    }

    // As the store sends it: with what it knows, or has drawn, before.
    private async Task<Func<Task<long>>> PrepareWriteAsync(string mode, string text, long? known = null)
    {
        var link = await _store.Connection.GetAsync(default);
        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        RedisValue stamp = known ?? (link.IsSingle ? await clock.LookAsync(link, default) : await clock.DrawAsync(link, [], default));
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var entry = Entry(text);
        var tail = EntryRecord.WriteTail(entry.ExpiresAt, entry.RetainUntil, EntryTags.None, entry.Payload.Span);
        var (high, low) = lifetimes.Now();
        if (mode == "S")
        {
            RedisValue[] setting = link.IsSingle ? [stamp, lifetimes.MaximumAge, lifetimes.Fence, tail] : [stamp, lifetimes.MaximumAge, lifetimes.Fence, tail, stamp];
            return async () => (long)await Scripts.Set.RunAsync(link.Database, Keys(link), setting);
        }

        RedisValue[] arguments =
            [mode, stamp, link.IsSingle ? RedisValue.EmptyString : stamp, lifetimes.MaximumAge, lifetimes.Fence, new byte[] { 0xC4, 1, 0 }, tail, 0, high, low];
        return async () => (long)await Scripts.Write.RunAsync(link.Database, Keys(link), arguments);
    }

    private async Task<Func<Task<long>>> PrepareRemovalAsync()
    {
        var link = await _store.Connection.GetAsync(default);
        var clock = new StampClock(_store.Connection, _store.Layout, _hour);
        RedisValue stamp = link.IsSingle ? await clock.LookAsync(link, default) : await clock.DrawAsync(link, [], default);
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var (high, low) = lifetimes.Now();
        RedisValue[] arguments = ["R", stamp, link.IsSingle ? RedisValue.EmptyString : stamp, lifetimes.MaximumAge, lifetimes.Fence, high, low];
        return async () => (long)((RedisResult[])(await Scripts.Invalidate.RunAsync(link.Database, Keys(link), arguments))!)[0];
    }

    private RedisKey[] Keys(RedisLink link) => link.IsSingle ? [_store.Layout.Entry("k"), _store.Layout.Clock] : [_store.Layout.Entry("k")];

    public sealed class OnSingleServer(SharedServers servers) : LateCommandTests(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : LateCommandTests(servers, Topology.Cluster);
}
