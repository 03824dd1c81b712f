using System.Globalization;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Faults;

/// <summary>A server that takes no writes for now, being full, say, is read all the same: also by a process that starts then and knows nothing yet.</summary>
public sealed class RefusedWriteTests : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? default;

    [Theory]
    [InlineData("maxmemory", "OOM")]
    [InlineData("min-replicas-to-write", "NOREPLICAS")]
    [InlineData("a snapshot that fails", "MISCONF")]
    public async Task Who_comes_new_reads_all_the_same_and_is_refused_what_he_writes(string reason, string refusal)
    {
        var known = await FillAsync();
        await using var store = await OpenWhereWritesAreRefusedAsync(reason);
        (await store.GetAsync("k")).Should().Be("1");
        (await store.GetAsync("removed")).Should().BeNull();
        (await store.GetAsync("missing")).Should().BeNull();
        (await store.ReadManyAsync(["k", "removed"], default, default)).Select(lookup => lookup.IsFound).Should().Equal(true, false);
        store.Clock.Latest.Should().BeGreaterThanOrEqualTo(known);
        List<Func<Task>> writes =
        [
            () => store.SetAsync("k2", Entry("2")),
            async () => await store.PopulateAsync("missing", Entry("2"), await store.LoadStampAsync("missing")),
        ];
        if (reason != "maxmemory")
        {
            writes.Add(() => store.RemoveByTagAsync("t"));
        }

        foreach (var write in writes)
        {
            var thrown = (await write.Should().ThrowAsync<CacheStoreException>()).Which;
            thrown.Failure.Should().Be(StoreFailure.WritesRefused);
            thrown.ToString().Should().Contain(refusal);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_removed_by_tag_or_cleared_from_a_full_server_is_gone_for_all(bool isClear)
    {
        await FillAsync();
        await using var store = await OpenWhereWritesAreRefusedAsync("maxmemory");
        await using var other = TestStores.Create(_server.Configuration);
        (await other.GetAsync("k")).Should().Be("1");
        var stamp = await other.LoadStampAsync("made before");
        await (isClear ? store.ClearAsync(default).AsTask() : store.RemoveByTagAsync("t"));
        (await other.GetAsync("k")).Should().BeNull();
        await _server.SendAsync("CONFIG", "SET", "maxmemory", "0");
        (await other.GetAsync("k")).Should().BeNull();
        await other.PopulateAsync("made before", Entry("2", "t"), stamp);
        (await other.GetAsync("made before")).Should().BeNull();
        await other.SetAsync("k", Entry("3", "t"));
        (await store.GetAsync("k")).Should().Be("3");
    }

    [Theory]
    [InlineData("maxmemory")]
    [InlineData("a snapshot that fails")]
    public async Task What_an_entry_is_judged_by_need_not_be_there(string reason)
    {
        await FillAsync();
        var layout = new KeyLayout("cachekit", "test");
        await _server.SendAsync(["DEL", .. layout.Clears, layout.Tag("t"), layout.Tag("gone")]);
        await using var store = await OpenWhereWritesAreRefusedAsync(reason);
        (await store.GetAsync("k")).Should().Be("1");
        (await store.GetAsync("removed")).Should().BeNull("the clock's journal knows");
        (await _server.SendAsync("EXISTS", layout.Tag("t").ToString())).Should().Be(0L, "nothing could be put back");
    }

    /// <summary>Its clock was far behind, so that what begins now would look old.</summary>
    [Fact]
    public async Task A_clock_that_stood_still_is_no_slow_factory()
    {
        await FillAsync();
        var layout = new KeyLayout("cachekit", "test");
        var past = DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeMilliseconds() * 1000;
        await _server.SendAsync("ZADD", layout.Clock.ToString(), past.ToString(CultureInfo.InvariantCulture), "z");
        await _server.SendAsync("CONFIG", "SET", "min-replicas-to-write", "1");
        using var logger = new RecordingLogger();
        await using var store = TestStores.Create(_server.Configuration, TestStores.Context(loggers: logger));
        var stamp = await store.LoadStampAsync("k2");
        foreach (var write in new Func<Task>[] { () => store.SetAsync("k2", Entry("2")), () => store.PopulateAsync("k2", Entry("2"), stamp), () => store.RemoveAsync("k") })
        {
            (await write.Should().ThrowAsync<CacheStoreException>()).Which.ToString().Should().Contain("NOREPLICAS");
        }

        await _server.SendAsync("CONFIG", "SET", "min-replicas-to-write", "0");
        (await store.PopulateAsync("k2", Entry("2"), stamp)).Should().BeFalse("nobody can tell what was removed since");
        logger.Count(5).Should().Be(0);
        await store.SetAsync("k2", Entry("2"));
        (await store.GetAsync("k2")).Should().Be("2");
    }

    [Fact]
    public async Task An_application_that_starts_against_a_full_server_is_served_from_it()
    {
        await using (var before = Node(null))
        {
            var cache = before.GetRequiredService<ICache>();
            await Waiting.UntilAsync(
                async () =>
                {
                    await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] });
                    return cache.GetStatistics().Tiers[0].Writes > 0;
                }, what: "Redis is used");
        }

        await _server.SendAsync("CONFIG", "SET", "maxmemory", "1");
        using var logger = new RecordingLogger();
        await using var provider = Node(logger);
        foreach (var service in provider.GetServices<Microsoft.Extensions.Hosting.IHostedService>())
        {
            await service.StartAsync(default);
        }

        var starting = provider.GetRequiredService<ICache>();
        (await starting.GetAsync<int>("k")).GetValueOrDefault().Should().Be(1);
        for (var i = 0; i < 50; i++)
        {
            await starting.SetAsync($"new{i}", 2);
        }

        (await starting.GetAsync<int>("k")).GetValueOrDefault().Should().Be(1);
        var tier = starting.GetStatistics().Tiers.Should().ContainSingle().Which;
        tier.Failures.Should().BeGreaterThanOrEqualTo(50, "what is refused is counted");
        tier.Circuit.Should().Be(CircuitState.Closed, "it would be read no more");
        logger.Count(20).Should().Be(1, "it is told once");

        ServiceProvider Node(ILoggerFactory? loggers)
        {
            var services = new ServiceCollection();
            if (loggers is not null)
            {
                services.AddSingleton(loggers);
            }

            return services.AddCacheKit(cache => cache.UseRedis(_server.Configuration, redis =>
            {
                redis.RequireConnectionAtStart = true;
                redis.Store.ReadTimeout = redis.Store.WriteTimeout = TimeSpan.FromSeconds(20);
            })).BuildServiceProvider();
        }
    }

    /// <summary>Stores an entry, and one that is removed by its tag, and waits until the clock is behind the time.</summary>
    private async Task<long> FillAsync()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("1", "t"));
        await store.SetAsync("removed", Entry("1", "gone"));
        (await store.GetAsync("k")).Should().Be("1");
        await store.RemoveByTagAsync("gone");
        var latest = store.Clock.Latest;
        await Waiting.UntilAsync(
            async () => (object?[])(await _server.SendAsync("TIME"))! is [string seconds, string micros]
                && (long.Parse(seconds, CultureInfo.InvariantCulture) * 1_000_000) + long.Parse(micros, CultureInfo.InvariantCulture) > latest + 50_000,
            what: "the clock would have to be moved on");
        return latest;
    }

    private async Task<RedisStore> OpenWhereWritesAreRefusedAsync(string reason)
    {
        if (reason != "a snapshot that fails")
        {
            await _server.SendAsync("CONFIG", "SET", reason, "1");
            return TestStores.Create(_server.Configuration);
        }

        // Such a server answers no PING either, without which the oldest client does not connect.
        var store = TestStores.Create(_server.Configuration);
        await store.Connection.GetFirstAsync(default);

        // Where it should go there is a folder.
        var folder = (string)((object?[])(await _server.SendAsync("CONFIG", "GET", "dir"))!)[1]!;
        var inTheWay = Directory.CreateDirectory(Path.Combine(folder, "dump.rdb"));
        await File.WriteAllTextAsync(Path.Combine(inTheWay.FullName, "x"), "");
        await _server.SendAsync("CONFIG", "SET", "save", "3600 1");
        await _server.SendAsync("BGSAVE");
        await Waiting.UntilAsync(async () => ((string)(await _server.SendAsync("INFO", "persistence"))!).Contains("rdb_last_bgsave_status:err", StringComparison.Ordinal), what: "saving fails");
        return store;
    }
}
