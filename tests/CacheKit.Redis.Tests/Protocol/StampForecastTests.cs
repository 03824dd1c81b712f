using System.Globalization;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Protocol;

/// <summary>Sets that come together are sent with the stamps that they will be given, as far as that can be told: whatever was foretold, what counts is what was drawn.</summary>
public sealed class StampForecastTests : IAsyncLifetime
{
    private static readonly string[] _names = ["a", "b", "c"];

    private RedisServer _server = null!;
    private RedisStore _store = null!;
    private RedisStore _other = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
        (_store, _other) = (TestStores.Create(_server.Configuration), TestStores.Create(_server.Configuration));
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _store.DisposeAsync();
            await _other.DisposeAsync();
            await _server.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(1_000_000)]
    public async Task A_set_has_the_stamp_that_was_drawn_for_it_whatever_was_foretold(long error)
    {
        var calls = await CallsAsync("setrange");
        var (latest, answer) = await WriteForetoldAsync(error);
        var last = answer.Should().ContainSingle().Subject;
        last.Should().Be(latest + 3).And.Be(await ClockAsync());
        for (var i = 0; i < _names.Length; i++)
        {
            EntryRecord.TryParse(await (await LinkAsync()).Database.StringGetAsync(_store.Layout.Entry(_names[i])), out var record).Should().BeTrue();
            new[] { record.Stamp, record.Cover, record.Fence }.Should().AllBeEquivalentTo(last - 2 + i);
        }

        (await CallsAsync("setrange") - calls).Should().Be(error == 0 ? 0 : 3);
    }

    [Fact]
    public async Task Where_a_wrong_forecast_cannot_be_corrected_nothing_is_stored()
    {
        var database = (await LinkAsync()).Database;
        await _server.SendAsync("ACL", "SETUSER", "default", "-setrange");
        var (_, answer) = await WriteForetoldAsync(error: 1);
        answer.Should().Equal(Scripts.Aside, Scripts.Aside, Scripts.Aside, 0);
        for (var i = 0; i < _names.Length; i++)
        {
            (await database.KeyExistsAsync(_store.Layout.Entry(_names[i]))).Should().BeFalse();
            (await database.KeyExistsAsync(_store.Layout.Waiting(i))).Should().BeFalse();
        }
    }

    [Fact]
    public async Task Commands_under_way_count_until_they_end_each_on_its_own_connection()
    {
        var forecast = new StampForecast(_store.Clock);
        await _store.SetAsync("before", Entry("value"));
        var (link, next) = (await LinkAsync(), await _other.Connection.GetAsync(default));
        var latest = _store.Clock.Latest;
        var first = Begin(link, 3, latest);
        var second = Begin(link, 2, latest + 3);
        forecast.End(first, 3, latest + 3);
        Begin(link, 1, latest + 5);
        forecast.End(second, 2, latest: 0); // it has failed, and perhaps drawn nothing
        Begin(link, 1, latest + 4);

        // What has become of those nobody knows there; and how they end does not count there.
        var moved = Begin(next, 4, latest + 3);
        forecast.End(first, 100, latest: 0);
        var other = Begin(next, 1, latest + 7);
        forecast.End(moved, 4, latest + 7);
        forecast.End(other, 1, latest + 8);
        Begin(next, 1, latest + 8);

        StampForecast.Draws Begin(RedisLink on, int draws, long expected)
        {
            var underWay = forecast.Begin(on, draws, out var before);
            before.Should().Be(expected);
            return underWay;
        }
    }

    [Fact]
    public async Task Where_nobody_else_draws_most_are_foretold()
    {
        const int Sets = 64 * 100;
        await SetManyAsync(_store, 5);
        var (patches, alone) = (await CallsAsync("setrange"), await CallsAsync("set"));
        await SetManyAsync(_store, Sets / 64);
        var together = Sets - (await CallsAsync("set") - alone);
        together.Should().BeGreaterThan(Sets / 2);
        (await CallsAsync("setrange") - patches).Should().BeLessThan(together / 2);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_others_draw_each_entry_has_the_stamp_that_its_caller_was_told(bool forgetsScripts)
    {
        var sets = Task.WhenAll(SetManyAsync(_store, 60), SetManyAsync(_other, 60));
        while (forgetsScripts && !sets.IsCompleted)
        {
            // What is sent then is sent twice.
            await _server.SendAsync("SCRIPT", "FLUSH");
        }

        var told = (await sets).SelectMany(static one => one).ToList();
        told.Select(static one => one.Stamp).Should().OnlyHaveUniqueItems();
        foreach (var (key, stamp) in told)
        {
            using var lookup = await _store.ReadAsync(key, default, default);
            lookup.Stamp.Should().Be(stamp);
        }
    }

    /// <summary>Sends three sets with stamps as if the clock showed so much more than it does.</summary>
    private async Task<(long Latest, long[] Answer)> WriteForetoldAsync(long error)
    {
        await _store.SetAsync("before", Entry("value"));
        var link = await LinkAsync();
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var latest = await ClockAsync();
        var entry = Entry("value");
        var (high, low) = lifetimes.Now();
        RedisKey[] keys = [_store.Layout.Clock, .. _names.Select(_store.Layout.Entry), .. _names.Select((_, i) => _store.Layout.Waiting(i))];
        RedisValue[] arguments =
            [latest, lifetimes.MaximumAge, lifetimes.Fence, 3, high, low, latest + error, lifetimes.Fence, "", lifetimes.Fence, "", lifetimes.Fence, ""];
        await link.Database.StringSetAsync([.. _names.Select((_, i) => new KeyValuePair<RedisKey, RedisValue>(
            _store.Layout.Waiting(i),
            EntryRecord.Write(EntryFlags.None, latest + error + 1 + i, entry.ExpiresAt, entry.RetainUntil, EntryTags.None, entry.Payload.Span)))]);
        return (latest, (long[])(await Scripts.WriteMany.RunAsync(link.Database, keys, arguments))!); // the script returns an array or a number
    }

    private static async Task<List<(string Key, long Stamp)>> SetManyAsync(RedisStore store, int rounds)
    {
        var run = Guid.NewGuid();
        var sets = await Task.WhenAll(Enumerable.Range(0, 64).Select(caller => Task.Run(async () =>
        {
            List<(string, long)> own = [];
            for (var round = 0; round < rounds; round++)
            {
                var key = $"{run} {caller} {round}";
                own.Add((key, await store.SetAsync(key, Entry("value"))));
            }

            return own;
        })));
        return [.. sets.SelectMany(static own => own)];
    }

    private ValueTask<RedisLink> LinkAsync() => _store.Connection.GetAsync(default);

    private async Task<long> ClockAsync() => (long)(await (await LinkAsync()).Database.SortedSetScoreAsync(_store.Layout.Clock, "z"))!.Value;

    /// <summary>How often the server has run a command.</summary>
    private async Task<long> CallsAsync(string command)
    {
        var text = (string)(await _server.SendAsync("INFO", "commandstats"))!; // it has an answer
        var start = $"cmdstat_{command}:calls=";
        var line = text.Split('\n').FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line[start.Length..line.IndexOf(',', StringComparison.Ordinal)], CultureInfo.InvariantCulture);
    }
}
