using System.Collections.Concurrent;
using System.Text;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Nodes;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Faults;

/// <summary>Rare troubles of servers, clusters and clients, and what must not come of them.</summary>
public sealed class TroubleTests(SharedServers shared) : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? default;

    private static StoreCounterStep Step => new() { Delta = 1, Minimum = long.MinValue, Maximum = long.MaxValue, ExpiresAt = DateTimeOffset.UtcNow.AddHours(1), Tags = [] };

    /// <summary>As providers do that were disposed before the cache.</summary>
    [Fact]
    public async Task A_logger_that_throws_keeps_no_call_from_ending()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var store = TestStores.Create(
            proxy.Configuration, TestStores.Context(loggers: new ThrowingLogger()), options => options.OperationTimeout = TimeSpan.FromMilliseconds(300));
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "connected");
        proxy.HalfOpen();
        await store.Awaiting(it => it.GetAsync("k").WaitAsync(TimeSpan.FromSeconds(20))).Should().ThrowAsync<CacheStoreException>();
    }

    [Fact]
    public async Task A_set_over_a_counter_has_a_stamp_the_counter_never_had()
    {
        await using var store = TestStores.Create(_server.Configuration);
        var reused = 0;
        for (var i = 0; i < 50; i++)
        {
            var key = $"n{i}";
            await store.LoadStampAsync("look");
            var stamps = new List<long>();
            for (var step = 0; step < 5; step++)
            {
                stamps.Add((await store.IncrementAsync(key, Step, default))!.Value.Stamp);
            }

            var set = await store.SetAsync(key, Entry("set"));
            if (stamps.Contains(set))
            {
                reused++;
            }
        }
        reused.Should().Be(0);
    }

    [Fact]
    public async Task A_late_set_does_not_undo_steps_after_what_its_sender_knew()
    {
        await using var store = TestStores.Create(_server.Configuration);
        RedisValue known = (await store.IncrementAsync("n", Step, default))!.Value.Stamp;
        var link = await store.Connection.GetAsync(default);
        var lifetimes = new Lifetimes(TimeProvider.System, TimeSpan.FromMinutes(2));
        var entry = Entry("late");
        RedisValue[] arguments = [known, lifetimes.MaximumAge, lifetimes.Fence, EntryRecord.WriteTail(entry.ExpiresAt, entry.RetainUntil, EntryTags.None, entry.Payload.Span)];
        for (var i = 0; i < 5; i++)
        {
            await store.IncrementAsync("n", Step, default);
        }

        var result = (long)await Scripts.Set.RunAsync(link.Database, [store.Layout.Entry("n"), store.Layout.Clock], arguments);
        result.Should().BeNegative("it was sent before the steps");
    }

    [Fact]
    public async Task The_sweep_after_a_clear_leaves_what_refuses_older_values()
    {
        await using var store = TestStores.Create(_server.Configuration);
        for (var i = 0; i < 40; i++)
        {
            await store.WriteManyAsync([.. Enumerable.Range(0, 250).Select(n => new StoreWrite($"fill{i}-{n}", Entry("value"), StoreCondition.Always))], default);
        }

        await store.ClearAsync(default);
        var stamps = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => store.LoadStampAsync($"k{i}")));
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => store.SetAsync($"k{i}", Entry("new", TimeSpan.FromMilliseconds(1)))));
        await store.Sweeping;
        var stored = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => store.PopulateAsync($"k{i}", Entry("old"), stamps[i])));
        stored.Should().NotContain(true);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(120)]
    public async Task A_server_whose_time_is_set_back_still_refuses_what_a_removal_covers(int minutes)
    {
        await using var store = TestStores.Create(_server.Configuration);
        await using var other = TestStores.Create(_server.Configuration);
        await store.SetAsync("warm", Entry("1"));

        // As the clock's key is after the server's time was set back: ahead of it.
        var ahead = (DateTimeOffset.UtcNow.AddMinutes(minutes).ToUnixTimeMilliseconds() * 1000).ToString(System.Globalization.CultureInfo.InvariantCulture);
        await _server.SendAsync("ZADD", store.Layout.Clock.ToString(), ahead, "z");
        await Task.Delay(200);
        await store.GetAsync("warm");
        await Task.Delay(200);
        await store.GetAsync("warm");
        await store.SetAsync("k", Entry("old"));
        await other.GetAsync("warm");
        await store.RemoveAsync("k");
        await store.SetAsync("k", Entry("old"));
        var stamp = await store.LoadStampAsync("k");
        await other.RemoveAsync("k");
        var stored = await store.PopulateAsync("k", Entry("made before the removal"), stamp);
        stored.Should().BeFalse();
    }

    [Fact]
    public async Task A_key_of_another_type_does_not_keep_the_others_from_being_listed()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("a", Entry("1"));
        await store.SetAsync("b", Entry("1"));
        await _server.SendAsync("RPUSH", store.Layout.Entry("foreign").ToString(), "x");
        var keys = new List<string>();
        await foreach (var key in store.EnumerateKeysAsync("", default))
        {
            keys.Add(key);
        }

        keys.Should().BeEquivalentTo("a", "b");
    }

    [Fact]
    public async Task A_key_of_another_type_is_a_miss_of_its_own_where_many_are_judged()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("a", Entry("1"));
        await _server.SendAsync("RPUSH", store.Layout.Entry("foreign").ToString(), "x");
        var lookups = await store.ReadManyAsync(["a", "foreign"], new() { WithoutPayload = true }, default);
        lookups[0].IsFound.Should().BeTrue();
    }

    [Fact]
    public async Task A_sweep_that_fails_leaves_no_thread_behind()
    {
        await using var store = TestStores.Create(_server.Configuration);
        for (var i = 0; i < 20; i++)
        {
            await store.WriteManyAsync([.. Enumerable.Range(0, 250).Select(n => new StoreWrite($"fill{i}-{n}", Entry("value"), StoreCondition.Always))], default);
        }

        for (var i = 0; i < 40; i++)
        {
            await _server.SendAsync("RPUSH", store.Layout.Entry($"foreign{i}").ToString(), "x");
        }

        for (var i = 0; i < 30; i++)
        {
            await store.ClearAsync(default);
            await store.Sweeping;
        }

        // Others may list at the same time, but not so many.
        await Waiting.UntilAsync(() => KeyScan.Threads < 10, what: "threads end");
    }

    [Fact]
    public async Task Who_ends_a_listing_early_leaves_no_thread_behind()
    {
        await using var store = TestStores.Create(_server.Configuration);
        for (var i = 0; i < 20; i++)
        {
            await store.WriteManyAsync([.. Enumerable.Range(0, 250).Select(n => new StoreWrite($"fill{i}-{n}", Entry("value"), StoreCondition.Always))], default);
        }

        for (var i = 0; i < 30; i++)
        {
            await foreach (var _ in store.EnumerateKeysAsync("", default))
            {
                break;
            }
        }

        // Others may list at the same time, but not so many.
        await Waiting.UntilAsync(() => KeyScan.Threads < 10, what: "threads end");
    }

    [Fact]
    public async Task A_call_on_a_connection_of_the_applications_ends_in_time_though_the_store_is_disposed()
    {
        await using var proxy = new TcpProxy(_server.Port);
        using var multiplexer = await ConnectionMultiplexer.ConnectAsync(proxy.Configuration + ",abortConnect=false");
        var options = new RedisOptions { OperationTimeout = TimeSpan.FromMilliseconds(500) };
        options.UseConnection(multiplexer);
        var store = new RedisStore(options, TestStores.Context());
        await Waiting.UntilAsync(async () => await store.SetAsync("k", Entry("1")) > 0, what: "the server is used");
        proxy.HalfOpen();
        var reading = store.GetAsync("k");
        await store.DisposeAsync();
        await Waiting.UntilAsync(() => reading.IsCompleted, what: "the limit of a command is half a second");
    }

    [Fact]
    public async Task Messages_of_a_node_without_a_log_are_not_told_to_be_all_there()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var far = TestStores.Create(proxy.Configuration);
        await using var near = TestStores.Create(_server.Configuration, configure: options => options.MessageLogLength = 0); // or: one permanent error of XADD at any time
        var receiver = new RecordingReceiver();
        await using var subscription = await far.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        var (connections, interruptions) = (receiver.Connections.Count, receiver.Interruptions);
        proxy.IsClosed = true;
        proxy.Cut();
        await Waiting.UntilAsync(() => receiver.Interruptions > interruptions, what: "the interruption is told");
        await near.PublishAsync("meanwhile"u8.ToArray(), default);
        proxy.IsClosed = false;
        await Waiting.UntilAsync(() => receiver.Connections.Count > connections, what: "it is connected again");
        (receiver.Messages.Contains("meanwhile") || receiver.Connections.Skip(connections).Contains(false)).Should().BeTrue("'meanwhile' did not come, and yet all is told to have come");
    }

    [Fact]
    public async Task Messages_are_sent_though_the_server_is_full()
    {
        await using var near = TestStores.Create(_server.Configuration);
        await using var far = TestStores.Create(_server.Configuration);
        var receiver = new RecordingReceiver();
        await using var subscription = await far.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        await near.PublishAsync("before"u8.ToArray(), default);
        await Waiting.UntilAsync(() => receiver.Messages.Contains("before"), what: "messages arrive");
        await _server.SendAsync("CONFIG", "SET", "maxmemory", "1");
        var publishing = async () => await near.PublishAsync("while full"u8.ToArray(), default);
        await publishing.Should().NotThrowAsync();
    }

    [Fact]
    public async Task What_is_removed_from_a_full_server_is_gone()
    {
        await using var store = TestStores.Create(_server.Configuration);
        await using var other = TestStores.Create(_server.Configuration);
        await store.SetAsync("k", Entry("old"));
        (await other.GetAsync("k")).Should().Be("old");
        await _server.SendAsync("CONFIG", "SET", "maxmemory", "1");
        try
        {
            await store.RemoveAsync("k");
        }
        catch (CacheStoreException)
        {
            // As after a set: it has to be tried again, for the fence.
        }

        (await other.GetAsync("k")).Should().BeNull("a DEL is not refused, and a set under the same conditions leaves nothing older either");
    }

    [Fact]
    public async Task A_server_that_cannot_save_refuses_for_now_only()
    {
        var logger = new RecordingLogger();
        await using var store = TestStores.Create(_server.Configuration, TestStores.Context(loggers: logger));
        await using var other = TestStores.Create(_server.Configuration);
        await store.PublishAsync("before"u8.ToArray(), default);
        await store.SetAsync("k", Entry("1"));

        // Where the snapshot should go there is a folder.
        var folder = (string)((object?[])(await _server.SendAsync("CONFIG", "GET", "dir"))!)[1]!;
        var inTheWay = Directory.CreateDirectory(Path.Combine(folder, "dump.rdb"));
        File.WriteAllText(Path.Combine(inTheWay.FullName, "x"), "");
        await _server.SendAsync("CONFIG", "SET", "save", "3600 1");
        await _server.SendAsync("BGSAVE");
        await Waiting.UntilAsync(async () => ((string)(await _server.SendAsync("INFO", "persistence"))!).Contains("rdb_last_bgsave_status:err", StringComparison.Ordinal), what: "saving fails");
        CacheStoreException? failure = null;
        try
        {
            await store.RemoveAsync("k");
        }
        catch (CacheStoreException exception)
        {
            failure = exception;
        }
        try
        {
            await store.PublishAsync("while it cannot save"u8.ToArray(), default);
        }
        catch (CacheStoreException)
        {
        }

        inTheWay.Delete(recursive: true);
        await _server.SendAsync("CONFIG", "SET", "save", "");
        await _server.SendAsync("BGSAVE");
        await Waiting.UntilAsync(async () => ((string)(await _server.SendAsync("INFO", "persistence"))!).Contains("rdb_last_bgsave_status:ok", StringComparison.Ordinal), what: "saving works");
        var before = (long)(await _server.SendAsync("XLEN", store.Layout.Log.ToString()))!;
        await store.PublishAsync("after"u8.ToArray(), default);
        var after = (long)(await _server.SendAsync("XLEN", store.Layout.Log.ToString()))!;
        failure!.Failure.Should().Be(StoreFailure.WritesRefused);
        after.Should().Be(before + 1, "the log is kept again");
    }

    [Fact]
    public async Task Removing_by_prefix_works_on_a_server_that_holds_much_else()
    {
        await _server.SendAsync("DEBUG", "POPULATE", "1000000", "foreign", "1");
        await using var node = new ServiceCollection()
            .AddCacheKit(cache => cache.UseMemory().UseRedis(_server.Configuration))
            .BuildServiceProvider();
        await using var otherNode = new ServiceCollection()
            .AddCacheKit(cache => cache.UseMemory().UseRedis(_server.Configuration))
            .BuildServiceProvider();
        var (cache, other) = (node.GetRequiredService<ICache>(), otherNode.GetRequiredService<ICache>());
        await Waiting.UntilAsync(async () =>
        {
            await cache.SetAsync("warm", 1);
            return cache.GetStatistics().Tiers.Any(tier => tier.Writes > 0);
        }, what: "Redis is used");
        for (var i = 0; i < 10; i++)
        {
            await cache.SetAsync($"p:{i}", i);
        }

        await Waiting.UntilAsync(async () => (await other.GetAsync<int>("p:1")).IsHit, what: "Redis is used");
        var removed = await other.RemoveByPrefixAsync("p:");
        await Task.Delay(300);
        (await other.GetAsync<int>("p:5")).IsHit.Should().BeFalse("{0} of 10 were removed", removed);
    }

    [Fact]
    public async Task One_node_of_a_cluster_whose_connection_is_half_open_gets_a_new_one()
    {
        await using var servers = await NodeServers.StartAsync(Topology.Cluster, shared);
        foreach (var server in servers.Servers)
        {
            await Waiting.UntilAsync(async () => (string)(await server.SendAsync("CLUSTER", "NODES"))! is var nodes && servers.Proxies.All(proxy => nodes.Contains($":{proxy.Port}@", StringComparison.Ordinal)), what: "all know the proxies");
        }

        var logger = new RecordingLogger();
        await using var store = TestStores.Create(
            servers.ConfigurationOf(0), TestStores.Context(loggers: logger), options => options.OperationTimeout = TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(1));
        await Waiting.UntilAsync(async () => await store.GetAsync("x") is null, what: "connected");
        int Node(string name) => HashSlot.Of(name) is var slot && slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2;
        var clockNode = Node(store.Layout.Clock.ToString());
        var hung = (clockNode + 1) % 3;
        string KeyOn(Func<int, bool> node) => Enumerable.Range(0, 10_000).Select(i => $"k{i}").First(
            key => node(Node(store.Layout.Entry(key).ToString())) && Node(store.Layout.Clear(key).ToString()) != hung);
        var onHung = KeyOn(node => node == hung);
        var elsewhere = KeyOn(node => node != hung);
        await Waiting.UntilAsync(async () => await store.SetAsync(onHung, Entry("1")) > 0 && await store.SetAsync(elsewhere, Entry("1")) > 0, what: "all are used");
        servers.Proxies[hung].HalfOpen();

        // One after the other, as in an application that is not busy.
        await Waiting.UntilAsync(async () => await store.GetAsync(elsewhere) == "1" && await store.GetAsync(onHung) == "1", what: "what is on the other node can be read again");
    }

    [Fact]
    public async Task A_node_of_a_cluster_that_is_down_is_not_a_permanent_failure()
    {
        await using var cluster = await shared.TakeClusterAsync();

        // Later clients keep what cannot be sent until its limit.
        await using var store = TestStores.Create(cluster.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(300));
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "connected");
        int Node(string name) => HashSlot.Of(name) is var slot && slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2;
        await Waiting.UntilAsync(() => PublishedAsync("before"), what: "messages are sent");
        var dead = Node(store.Layout.Log.ToString());
        foreach (var node in cluster.Nodes)
        {
            await node.SendAsync("CONFIG", "SET", "cluster-require-full-coverage", "no");
        }

        await cluster.Nodes[dead].KillAsync();
        var key = Enumerable.Range(0, 1000).Select(i => $"k{i}").First(one => Node(store.Layout.Entry(one).ToString()) == dead);
        var failures = new List<string>();
        for (var i = 0; i < 20; i++)
        {
            try
            {
                await store.GetAsync(key);
            }
            catch (CacheStoreException exception)
            {
                failures.Add($"{exception.Failure}: {exception.Message[..Math.Min(70, exception.Message.Length)]}");
            }

            try
            {
                await store.PublishAsync("while it is down"u8.ToArray(), default);
            }
            catch (CacheStoreException)
            {
            }

            await Task.Delay(100);
        }

        await cluster.Nodes[dead].LaunchAsync();
        await Waiting.UntilAsync(async () => await store.GetAsync(key) is null, what: "it is back");
        await Waiting.UntilAsync(() => PublishedAsync("after"), what: "it can be published");
        await Waiting.UntilAsync(() => PublishedAsync("after"), what: "and again");
        var length = await cluster.Nodes[dead].SendAsync("XLEN", store.Layout.Log.ToString());
        failures.Should().NotContain(failure => failure.StartsWith("Permanent", StringComparison.Ordinal));
        length.Should().NotBe(0L);

        async Task<bool> PublishedAsync(string message)
        {
            await store.PublishAsync(System.Text.Encoding.UTF8.GetBytes(message), default);
            return true;
        }
    }

    [Fact]
    public async Task A_cluster_of_which_one_node_hangs_logs_a_change_of_state_and_not_each_call()
    {
        await using var servers = await NodeServers.StartAsync(Topology.Cluster, shared);
        foreach (var server in servers.Servers)
        {
            await Waiting.UntilAsync(async () => (string)(await server.SendAsync("CLUSTER", "NODES"))! is var nodes && servers.Proxies.All(proxy => nodes.Contains($":{proxy.Port}@", StringComparison.Ordinal)), what: "all know the proxies");
        }

        var logger = new RecordingLogger();
        await using var store = TestStores.Create(
            servers.ConfigurationOf(0), TestStores.Context(loggers: logger), options => options.OperationTimeout = TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5));
        await Waiting.UntilAsync(async () => await store.GetAsync("x") is null, what: "connected");
        int Node(string name) => HashSlot.Of(name) is var slot && slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2;
        var hung = (Node(store.Layout.Clock.ToString()) + 1) % 3;
        servers.Proxies[hung].HalfOpen();
        for (var i = 0; i < 60; i++)
        {
            try
            {
                await store.GetAsync($"k{i}");
            }
            catch (CacheStoreException)
            {
            }
        }
        logger.Count(1).Should().BeLessThan(4);
    }

    [Fact]
    public async Task A_second_clear_while_the_first_is_swept_gives_its_space_back_as_well()
    {
        await using var store = TestStores.Create(_server.Configuration);
        for (var i = 0; i < 40; i++)
        {
            await store.WriteManyAsync([.. Enumerable.Range(0, 250).Select(n => new StoreWrite($"fill{i}-{n}", Entry("value"), StoreCondition.Always))], default);
        }

        await store.ClearAsync(default);
        var first = store.Sweeping;
        for (var written = 0; !first.IsCompleted && written < 40; written++)
        {
            await store.WriteManyAsync([.. Enumerable.Range(0, 250).Select(n => new StoreWrite($"second{written}-{n}", Entry("value"), StoreCondition.Always))], default);
        }

        await store.ClearAsync(default);
        await first;
        await store.Sweeping;
        (await store.GetApproximateCountAsync(default)).Should().Be(0);
    }

    [Fact]
    public async Task A_script_that_cannot_be_sent_in_full_is_a_failure_and_not_the_end_of_the_process()
    {
        // The client was closed meanwhile, and then throws at once, on a thread where nobody would catch it.
        await using var store = TestStores.Create(_server.Configuration);
        var link = await store.Connection.GetAsync(default);
        var unknown = await FluentActions.Awaiting(() => link.Database.ScriptEvaluateAsync(new byte[20], [], [])).Should().ThrowAsync<RedisServerException>();
        var closed = await ConnectionMultiplexer.ConnectAsync(_server.Configuration);
        await closed.CloseAsync(false);
        var answer = new TaskCompletionSource<RedisResult>();
        var waiting = WatchedScript.TryBegin(
            store.Connection, store.Connection.Watch, new RedisLink(closed), answer.Task, "k", Scripts.Release, ["k"], ["token"], default)!.Value.AsTask();
        answer.SetException(unknown.Which);
        await FluentActions.Awaiting(() => waiting.WaitAsync(TimeSpan.FromSeconds(5))).Should().ThrowAsync<CacheStoreException>();
    }

    private sealed class ThrowingLogger : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new ObjectDisposedException("the provider");

        public void Dispose()
        {
        }
    }
}
