using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Faults;

/// <summary>What happens to servers and networks costs misses or a <see cref="CacheStoreException"/> in time, and is over when it is over.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? default;

    [Fact]
    public async Task Scripts_that_the_server_has_forgotten_are_sent_again()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("1", "t"));
        await _server.SendAsync("SCRIPT", "FLUSH");
        await store.SetAsync("k", Entry("2", "t"));
        (await store.GetAsync("k")).Should().Be("2");
        await _server.SendAsync("SCRIPT", "FLUSH");
        await store.RemoveByTagAsync("t");
        await _server.SendAsync("SCRIPT", "FLUSH");
        (await store.PopulateAsync("k", Entry("3", "t"), await store.LoadStampAsync("k"))).Should().BeTrue();
        (await store.GetAsync("k")).Should().Be("3");
    }

    [Fact]
    public async Task A_flush_of_everything_is_a_removal_of_everything()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await using var other = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("1", "t"));
        var loadStamp = await other.LoadStampAsync("other");
        await store.RemoveAsync("other");
        await store.RemoveByTagAsync("t");
        await _server.SendAsync("FLUSHALL");
        (await store.GetAsync("k")).Should().BeNull();

        // The fence is gone, too, but what was loaded before is found out all the same.
        await other.PopulateAsync("other", Entry("old", "t"), loadStamp);
        (await store.GetAsync("other")).Should().BeNull();

        (await store.PopulateAsync("k", Entry("2", "t"), await store.LoadStampAsync("k"))).Should().BeTrue();
        (await other.GetAsync("k")).Should().Be("2");
    }

    [Fact]
    public async Task A_record_that_was_evicted_costs_nothing_while_the_journal_is_there()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("1", "t"));
        await _server.SendAsync("DEL", store.Layout.Tag("t").ToString(), store.Layout.Clear("k").ToString());
        (await store.GetAsync("k")).Should().Be("1");
        (await _server.SendAsync("EXISTS", store.Layout.Tag("t").ToString())).Should().Be(1L);
        await store.RemoveByTagAsync("t");
        await _server.SendAsync("DEL", store.Layout.Tag("t").ToString());
        (await store.GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_server_that_is_killed_and_started_again_is_used_again()
    {
        var logger = new RecordingLogger();
        await using var store = TestStores.Create(
            _server.Configuration, TestStores.Context(loggers: logger), options => options.OperationTimeout = TimeSpan.FromSeconds(2));
        await store.SetAsync("k", Entry("1", "t"));
        await _server.KillAsync();
        for (var i = 0; i < 5; i++)
        {
            (await Failure(() => store.GetAsync("k"))).Should().Be(StoreFailure.Unavailable);
        }

        await _server.LaunchAsync();
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "the server is back, and empty");
        await store.SetAsync("k", Entry("2", "t"));
        (await store.GetAsync("k")).Should().Be("2");
        await Waiting.UntilAsync(async () => await store.GetAsync("k") == "2" && logger.Count(2) > 0, what: "nothing has failed for a while");
        logger.Count(1).Should().Be(1, "a change of state is logged once: {0}", logger.Messages);
        logger.Count(2).Should().Be(1);
    }

    [Fact]
    public async Task A_server_that_pauses_costs_the_limit_of_a_command()
    {
        await using var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(300));
        await SetFirstAsync(store);
        await _server.SuspendAsync();
        (await Failure(() => store.GetAsync("k"))).Should().Be(StoreFailure.Unavailable, "it is not waited for until it goes on");
        await _server.ResumeAsync();
        await Waiting.UntilAsync(async () => await store.GetAsync("k") == "1", what: "it goes on");
    }

    [Fact]
    public async Task A_write_that_was_given_up_does_not_undo_a_later_removal()
    {
        await using var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(200));
        await using var other = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMinutes(1));
        await SetFirstAsync(store);
        await other.GetAsync("k");

        // It waits at the server, with the client gone; the server then takes it up in the order it likes.
        await _server.SendAsync("CLIENT", "PAUSE", "600000", "WRITE");
        (await Failure(() => store.SetAsync("k", Entry("given up")))).Should().Be(StoreFailure.Unavailable);
        var removing = other.RemoveAsync("k");
        await _server.SendAsync("CLIENT", "UNPAUSE");
        (await removing).Stamp.Should().BePositive();
        await Waiting.UntilAsync(async () => await store.GetAsync("other") is null, what: "the connection answers");
        (await other.GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_half_open_connection_is_replaced()
    {
        var logger = new RecordingLogger();
        await using var proxy = new TcpProxy(_server.Port);
        await using var store = TestStores.Create(
            proxy.Configuration, TestStores.Context(loggers: logger), options => options.OperationTimeout = TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(1));
        await SetFirstAsync(store);
        var hanging = store.Connection.Link;
        proxy.HalfOpen();
        (await Failure(() => store.GetAsync("k"))).Should().Be(StoreFailure.Unavailable);
        logger.Count(3).Should().Be(0, "it might have been slow");
        await Waiting.UntilAsync(async () => await store.GetAsync("k") == "1", what: "a new connection takes the place of the one that hangs");
        store.Connection.Link.Should().NotBeNull().And.NotBeSameAs(hanging);
        logger.Count(3).Should().BePositive("it is told; on a slow machine the new one may have hung as well");
    }

    [Fact]
    public async Task A_connection_that_belongs_to_the_application_is_left_alone()
    {
        await using var proxy = new TcpProxy(_server.Port);
        using var multiplexer = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync(proxy.Configuration + ",abortConnect=false");
        var options = new RedisOptions { OperationTimeout = TimeSpan.FromMilliseconds(100) };
        options.UseConnection(multiplexer);
        await using (var store = new RedisStore(options, TestStores.Context(), TimeSpan.FromMilliseconds(200)))
        {
            await SetFirstAsync(store);
            proxy.HalfOpen();
            for (var i = 0; i < 8; i++)
            {
                (await Failure(() => store.GetAsync("k"))).Should().Be(StoreFailure.Unavailable);
            }

            (await store.Connection.GetAsync(default)).Multiplexer.Should().BeSameAs(multiplexer);
        }

        proxy.Cut();
        await Waiting.UntilAsync(async () =>
        {
            try
            {
                await multiplexer.GetDatabase().PingAsync().WaitAsync(TimeSpan.FromSeconds(1));
                return true;
            }
            catch (Exception exception) when (exception is StackExchange.Redis.RedisException or TimeoutException)
            {
                return false;
            }
        }, what: "it was not closed with the store");
    }

    [Fact]
    public async Task A_slow_network_is_only_slow()
    {
        await using var proxy = new TcpProxy(_server.Port) { Delay = TimeSpan.FromMilliseconds(30) };
        await using var store = TestStores.Create(proxy.Configuration);
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "the connection is made");
        await store.SetAsync("k", Entry("1", "t"));
        (await store.GetAsync("k")).Should().Be("1");
    }

    [Fact]
    public async Task A_key_of_another_type_is_a_clear_error()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await _server.SendAsync("LPUSH", store.Layout.Entry("k").ToString(), "x");
        (await store.GetAsync("k")).Should().BeNull();
        var write = () => store.SetAsync("k", Entry("1"));
        (await write.Should().ThrowAsync<CacheStoreException>().WithMessage("*/e:k'*another type*")).Which.Failure.Should().Be(StoreFailure.Permanent);
        (await store.GetAsync("other")).Should().BeNull();
    }

    [Fact]
    public async Task Something_foreign_in_the_place_of_the_clock_is_named()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await _server.SendAsync("SET", store.Layout.Clock.ToString(), "x");
        foreach (var call in new Func<Task>[] { () => store.SetAsync("k", Entry("1")), () => store.RemoveByTagAsync("t"), () => store.LoadStampAsync("k") })
        {
            (await call.Should().ThrowAsync<CacheStoreException>().WithMessage("*'cachekit/test/clock'*another type*sorted set*string*KeyPrefix*"))
                .Which.Failure.Should().Be(StoreFailure.Permanent);
        }
    }

    [Fact]
    public async Task Something_foreign_in_the_place_of_a_tag_is_named()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await _server.SendAsync("LPUSH", store.Layout.Tag("t").ToString(), "x");
        foreach (var call in new Func<Task>[] { () => store.SetAsync("k", Entry("1", "t")), () => store.RemoveByTagAsync("t") })
        {
            (await call.Should().ThrowAsync<CacheStoreException>().WithMessage("*'cachekit/test/t:t'*another type*string*list*KeyPrefix*"))
                .Which.Failure.Should().Be(StoreFailure.Permanent);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    [InlineData("a text that somebody has written there, and that is rather longer than the header of an entry")]
    public async Task Foreign_bytes_are_a_miss_and_give_way(string foreign)
    {
        await using var store = TestStores.Create(_server.Configuration);
        var name = store.Layout.Entry("k").ToString();
        await _server.SendAsync("SET", name, foreign);
        (await store.GetAsync("k")).Should().BeNull();
        (await store.PopulateAsync("k", Entry("1"), await store.LoadStampAsync("k"))).Should().BeTrue();
        (await store.GetAsync("k")).Should().Be("1");

        await _server.SendAsync("SET", name, foreign);
        await store.SetAsync("k", Entry("2"));
        (await store.GetAsync("k")).Should().Be("2");

        await _server.SendAsync("SET", store.Layout.Tag("t").ToString(), foreign);
        await store.SetAsync("tagged", Entry("3", "t"));
        (await store.GetAsync("tagged")).Should().Be("3");
        await store.RemoveByTagAsync("t");
        (await store.GetAsync("tagged")).Should().BeNull();
    }

    [Fact]
    public async Task A_bit_that_has_flipped_in_a_header_costs_the_entry_at_most_and_revives_none()
    {
        var life = TimeSpan.FromHours(1);
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("live", Entry("a value of some length", "tag"));
        await store.SetAsync("removed", Entry("a value of some length", "gone"));
        await store.RemoveByTagAsync("gone");
        await store.SetAsync("expired", Entry("a value of some length", TimeSpan.FromMilliseconds(1)));
        var database = store.Connection.Link!.Database; // it was just used
        foreach (var key in new[] { "live", "removed", "expired" })
        {
            var name = store.Layout.Entry(key);
            byte[] bytes = (await database.StringGetAsync(name))!; // it was just set
            var lengthOfHeader = bytes.Length - "a value of some length".Length;
            for (var bit = 0; bit < 8 * lengthOfHeader; bit++)
            {
                byte[] damaged = [.. bytes];
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                await database.StringSetAsync(name, damaged);
                using var lookup = await store.ReadAsync(key, default, default);
                var isServed = lookup.IsFound && lookup.ExpiresAt > DateTimeOffset.UtcNow;
                isServed.Should().Be(isServed && key == "live", $"bit {bit} of '{key}' has flipped");
                if (isServed)
                {
                    lookup.Number.Should().BeNull();
                    System.Text.Encoding.UTF8.GetString(lookup.Payload.Span).Should().Be("a value of some length", $"bit {bit} has flipped");
                    lookup.ExpiresAt.Should().BeBefore(DateTimeOffset.UtcNow + life);
                }
            }
        }
    }

    [Fact]
    public async Task A_stamp_far_in_the_future_is_damage_and_does_not_put_the_clock_out_of_order()
    {
        await using var store = TestStores.Create(_server.Configuration);
        var stamp = await store.SetAsync("k", Entry("1"));
        await _server.SendAsync("SETRANGE", store.Layout.Entry("k").ToString(), "3", new byte[] { 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0 });
        (await store.GetAsync("k")).Should().BeNull();
        (await store.SetAsync("k", Entry("2")) - stamp).Should().BeLessThan(60_000_000);
        (await store.GetAsync("k")).Should().Be("2");
    }

    [Fact]
    public async Task A_server_that_is_full_refuses_and_leaves_nothing_older()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("old"));
        await _server.SendAsync("CONFIG", "SET", "maxmemory", "1");
        (await Failure(() => store.SetAsync("k", Entry("new")))).Should().Be(StoreFailure.WritesRefused);
        await _server.SendAsync("CONFIG", "SET", "maxmemory", "0");
        (await store.GetAsync("k")).Should().BeNull();
        await store.SetAsync("k", Entry("new"));
        (await store.GetAsync("k")).Should().Be("new");
    }

    [Fact]
    public async Task What_the_server_evicts_are_misses()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await _server.SendAsync("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
        var used = (string)(await _server.SendAsync("INFO", "memory"))!;
        var bytes = long.Parse(used.Split("used_memory:")[1].Split('\r')[0], System.Globalization.CultureInfo.InvariantCulture);
        await _server.SendAsync("CONFIG", "SET", "maxmemory", bytes + (2 << 20));
        var filling = new string('x', 4000);
        await store.WriteManyAsync([.. Enumerable.Range(0, 1500).Select(i => new StoreWrite($"k{i}", Entry($"{i} {filling}", $"t{i % 50}"), StoreCondition.Always))], default);
        var lookups = await store.ReadManyAsync([.. Enumerable.Range(0, 1500).Select(i => $"k{i}")], default, default);
        var found = lookups.Select((lookup, i) => (lookup, i)).Where(pair => pair.lookup.IsFound).ToList();
        found.Should().HaveCountLessThan(1500).And.HaveCountGreaterThan(10);
        found.Select(pair => System.Text.Encoding.UTF8.GetString(pair.lookup.Payload.Span).Split(' ')[0]).Should().Equal(found.Select(pair => $"{pair.i}"));
    }

    [Fact]
    public async Task An_entry_that_lives_shortly_still_refuses_what_was_made_before_it()
    {
        await using var store = TestStores.Create(_server.Configuration);
        var loadStamp = await store.LoadStampAsync("k");
        await store.SetAsync("k", Entry("set", TimeSpan.FromMilliseconds(100)));
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "it expires");
        (await store.PopulateAsync("k", Entry("old"), loadStamp)).Should().BeFalse();
        (await store.GetAsync("k")).Should().BeNull();
    }

    [Theory]
    [InlineData(10, 8_000, 12_000)]
    [InlineData(3600, 3_590_000, 3_600_000)]
    public async Task What_a_factory_has_made_is_kept_as_long_as_it_lives(int seconds, long atLeast, long atMost)
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.PopulateAsync("k", Entry("1", TimeSpan.FromSeconds(seconds)), await store.LoadStampAsync("k"));

        // Where that is for longer than a command may be late, the rest is given it afterwards.
        var name = store.Layout.Entry("k").ToString();
        await Waiting.UntilAsync(async () => (long)(await _server.SendAsync("PTTL", name))! >= atLeast, what: "it is kept long enough");
        ((long)(await _server.SendAsync("PTTL", name))!).Should().BeInRange(atLeast, atMost);
    }

    [Fact]
    public async Task What_a_clear_has_made_dead_gives_its_space_back()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.WriteManyAsync([.. Enumerable.Range(0, 600).Select(i => new StoreWrite($"k{i}", Entry("value", "t"), StoreCondition.Always))], default);
        (await store.GetApproximateCountAsync(default)).Should().Be(600);
        await store.ClearAsync(default);
        await store.SetAsync("new", Entry("value"));
        await store.Sweeping;
        (await store.GetApproximateCountAsync(default)).Should().Be(1);
        (await store.GetAsync("new")).Should().Be("value");
    }

    [Fact]
    public async Task A_cache_shares_a_server_with_others_and_clears_only_itself()
    {
        await using var one = TestStores.Create(_server.Configuration, configure: options => options.KeyPrefix = "app");
        await using var other = TestStores.Create(_server.Configuration, configure: options => options.KeyPrefix = "app:x");
        await _server.SendAsync("SET", "mine", "value");
        await one.SetAsync("k", Entry("one", "t"));
        await other.SetAsync("k", Entry("other", "t"));
        await one.ClearAsync(default);
        await one.RemoveByTagAsync("t");
        (await one.GetAsync("k")).Should().BeNull();
        (await other.GetAsync("k")).Should().Be("other");
        (await _server.SendAsync("GET", "mine")).Should().Be("value");
    }

    // With a limit that is short for a test's sake, what is done before may run into it as well.
    private static Task SetFirstAsync(RedisStore store) => Waiting.UntilAsync(async () => await store.SetAsync("k", Entry("1")) > 0, what: "the server is used");

    private static async Task<StoreFailure?> Failure(Func<Task> act)
    {
        try
        {
            await act();
            return null;
        }
        catch (CacheStoreException exception)
        {
            return exception.Failure;
        }
    }
}
