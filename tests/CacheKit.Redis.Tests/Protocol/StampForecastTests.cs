using System.Globalization;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Protocol;

/// <summary>Sets that come together are sent with the stamps that they will be given, as far as that can be told: whatever was foretold, what counts is what was drawn.</summary>
public sealed class StampForecastTests(QuietServers servers) : IClassFixture<QuietServers>, IAsyncLifetime
{
    private RedisStore _store = null!;
    private RedisStore _other = null!;

    public async ValueTask InitializeAsync()
    {
        var prefix = servers.Servers.NextPrefix();
        _store = await TestStores.CreateAsync(servers.Servers, Topology.OneServer, prefix, TestStores.Context());
        _other = await TestStores.CreateAsync(servers.Servers, Topology.OneServer, prefix, TestStores.Context());
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _other.DisposeAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(1_000_000)]
    public async Task A_set_has_the_stamp_that_was_drawn_for_it_whatever_was_foretold(long error)
    {
        await _store.SetAsync("before", Entry("value"));
        var link = await _store.Connection.GetAsync(default);
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var latest = await ClockAsync();
        var entry = Entry("value");
        string[] names = ["a", "b", "c"];
        var (high, low) = lifetimes.Now();
        RedisKey[] keys = [_store.Layout.Clock, .. names.Select(_store.Layout.Entry), .. names.Select((_, i) => _store.Layout.Waiting(i))];
        RedisValue[] arguments =
            [latest, lifetimes.MaximumAge, lifetimes.Fence, 3, high, low, latest + error, lifetimes.Fence, "", lifetimes.Fence, "", lifetimes.Fence, ""];
        await link.Database.StringSetAsync([.. names.Select((_, i) => new KeyValuePair<RedisKey, RedisValue>(
            _store.Layout.Waiting(i),
            EntryRecord.Write(EntryFlags.None, latest + error + 1 + i, entry.ExpiresAt, entry.RetainUntil, EntryTags.None, entry.Payload.Span)))]);
        var calls = await PatchesAsync();
        var last = (long)await Scripts.WriteMany.RunAsync(link.Database, keys, arguments);
        last.Should().Be(latest + 3).And.Be(await ClockAsync());
        for (var i = 0; i < names.Length; i++)
        {
            EntryRecord.TryParse(await link.Database.StringGetAsync(_store.Layout.Entry(names[i])), out var record).Should().BeTrue();
            new[] { record.Stamp, record.Cover, record.Fence }.Should().AllBeEquivalentTo(last - 2 + i);
        }

        (await PatchesAsync() - calls).Should().Be(error == 0 ? 0 : 3);
    }

    [Fact]
    public async Task Where_nobody_else_draws_most_are_foretold()
    {
        const int Sets = 64 * 100;
        await SetManyAsync(_store, 5);
        var calls = await PatchesAsync();
        await SetManyAsync(_store, Sets / 64);
        (await PatchesAsync() - calls).Should().BeLessThan(Sets / 2);
    }

    [Fact]
    public async Task Where_others_draw_each_entry_has_the_stamp_that_its_caller_was_told()
    {
        var told = await Task.WhenAll(SetManyAsync(_store, 40), SetManyAsync(_other, 40));
        var stamps = told.SelectMany(static one => one).ToList();
        stamps.Select(static one => one.Stamp).Should().OnlyHaveUniqueItems();
        foreach (var (key, stamp) in stamps)
        {
            using var lookup = await _store.ReadAsync(key, default, default);
            lookup.Stamp.Should().Be(stamp);
        }
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

    private async Task<long> ClockAsync() => (long)(await (await _store.Connection.GetAsync(default)).Database.SortedSetScoreAsync(_store.Layout.Clock, "z"))!.Value;

    /// <summary>How often stamps were written into records by a call of their own.</summary>
    private async Task<long> PatchesAsync()
    {
        var link = await _store.Connection.GetAsync(default);
        var text = (string)(await link.Database.ExecuteAsync("INFO", "commandstats"))!; // it has an answer
        var line = text.Split('\n').FirstOrDefault(static line => line.StartsWith("cmdstat_setrange:calls=", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.Split('=')[1].Split(',')[0], CultureInfo.InvariantCulture);
    }
}
