using System.Collections.Concurrent;
using System.Text;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Feed;

/// <summary>What was missed while the connection was down comes from the log, or it is told that it may be missing.</summary>
public sealed class FeedFaultTests : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? default;

    [Fact]
    public async Task What_was_missed_is_read_from_the_log()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var far = TestStores.Create(proxy.Configuration);
        await using var near = TestStores.Create(_server.Configuration);
        var receiver = new RecordingReceiver();
        await using var subscription = await far.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        await PublishAsync(near, "before");
        await Waiting.UntilAsync(() => receiver.Messages.Contains("before"), what: "messages arrive");

        var (connections, interruptions) = (receiver.Connections.Count, receiver.Interruptions);
        proxy.IsClosed = true;
        proxy.Cut();
        await Waiting.UntilAsync(() => receiver.Interruptions > interruptions, what: "the interruption is told");
        await PublishAsync(near, "meanwhile");
        proxy.IsClosed = false;

        await Waiting.UntilAsync(() => receiver.Connections.Count > connections, what: "it is connected again");
        receiver.Connections[^1].Should().BeTrue();
        receiver.Messages.Should().Contain("meanwhile");
        await PublishAsync(near, "after");
        await Waiting.UntilAsync(() => receiver.Messages.Contains("after"), what: "messages arrive");
        receiver.Messages.Distinct().Should().BeEquivalentTo("before", "meanwhile", "after");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(600)] // more than is read at once
    public async Task Where_the_log_does_not_reach_back_it_is_told(int logLength)
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var far = TestStores.Create(proxy.Configuration, configure: options => options.MessageLogLength = logLength);
        await using var near = TestStores.Create(_server.Configuration, configure: options => options.MessageLogLength = logLength);
        var receiver = new RecordingReceiver();
        await using var subscription = await far.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        proxy.IsClosed = true;
        proxy.Cut();
        await Waiting.UntilAsync(() => receiver.Interruptions > 0, what: "the interruption is told");
        for (var i = 0; i < 500 + (2 * logLength); i++)
        {
            await PublishAsync(near, $"{i}");
        }

        proxy.IsClosed = false;

        // Clients of the 3.x line may tell of one loss several times, and of the last when all is well again: the first time tells what was missed.
        await Waiting.UntilAsync(() => receiver.Connections.Count >= 2, what: "it is connected again");
        receiver.Connections[1].Should().BeFalse();
    }

    [Fact]
    public async Task A_receiver_that_fails_is_told_that_something_was_missed()
    {
        await using var store = TestStores.Create(_server.Configuration);
        var receiver = new FailingReceiver();
        await using var subscription = await store.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections > 0, what: "it is connected");
        await PublishAsync(store, "one");
        await Waiting.UntilAsync(() => receiver.Interruptions == 1 && receiver.Connections > 1, what: "it is told, and goes on");
        await PublishAsync(store, "another");
        await Waiting.UntilAsync(() => receiver.Messages > 1, what: "messages arrive");
    }

    [Fact]
    public async Task A_subscription_that_hears_nothing_any_more_is_made_anew()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using var far = TestStores.Create(
            proxy.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(300), silenceToReplace: TimeSpan.FromSeconds(1));
        await using var near = TestStores.Create(_server.Configuration);
        var receiver = new RecordingReceiver();
        await using var subscription = await far.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        var connections = receiver.Connections.Count;
        proxy.HalfOpen();
        await PublishAsync(near, "meanwhile");

        // As the cache does all the time: its own messages must come back.
        await Waiting.UntilAsync(async () =>
        {
            await PublishAsync(far, "own");
            return receiver.Connections.Count > connections;
        }, what: "the connection is replaced");
        receiver.Interruptions.Should().BePositive();
        receiver.Connections[connections].Should().BeTrue();
        receiver.Messages.Should().Contain("meanwhile");
    }

    [Fact]
    public async Task A_server_that_comes_later_is_subscribed_to_then()
    {
        await _server.KillAsync();
        await using var store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(300));
        var receiver = new RecordingReceiver();
        await using var subscription = await store.SubscribeAsync(receiver, default);
        receiver.Connections.Should().BeEmpty();
        await _server.LaunchAsync();
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        receiver.Connections[0].Should().BeFalse("nobody knows what was published meanwhile");
        await PublishAsync(store, "hello");
        await Waiting.UntilAsync(() => receiver.Messages.Contains("hello"), what: "messages arrive");
    }

    [Fact]
    public async Task A_subscription_that_the_client_takes_down_for_later_is_not_taken_for_an_answer()
    {
        using var logger = new RecordingLogger();
        await using var store = TestStores.Create(_server.Configuration, TestStores.Context(loggers: logger), options => options.OperationTimeout = TimeSpan.FromMilliseconds(300));
        var receiver = new RecordingReceiver();
        await using var subscription = await store.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        await _server.KillAsync();
        await Waiting.UntilAsync(() => logger.Count(1) == 1, what: "it is told");

        // So long that it has been subscribed anew, with a pause before that is longer than the one after which Redis counts as well again.
        await Task.Delay(TimeSpan.FromSeconds(8));
        (logger.Count(1), logger.Count(2)).Should().Be((1, 0));
    }

    /// <summary>It has a connection of its own, which is back later than that of the commands.</summary>
    [Fact]
    public async Task A_subscription_that_fails_while_commands_are_answered_is_not_taken_for_another_outage()
    {
        using var logger = new RecordingLogger();
        await using var store = TestStores.Create(_server.Configuration, TestStores.Context(loggers: logger));
        await store.GetAsync("k");
        var link = await store.Connection.GetAsync(default);
        var subscribing = () => store.Connection.SubscribeAsync(link, Task.FromException(new TimeoutException("No connection became available for SUBSCRIBE.")), default).AsTask();
        (await subscribing.Should().ThrowAsync<CacheStoreException>()).Which.Failure.Should().Be(StoreFailure.Unavailable);
        logger.Count(1).Should().Be(0, "one outage is told once: {0}", logger.Messages);
    }

    [Fact]
    public async Task What_is_told_in_one_database_is_not_heard_in_another()
    {
        await using var first = TestStores.Create(_server.Configuration);
        await using var second = TestStores.Create(_server.Configuration + ",defaultDatabase=1");
        var (inFirst, inSecond) = (new RecordingReceiver(), new RecordingReceiver());
        await using var one = await first.SubscribeAsync(inFirst, default);
        await using var other = await second.SubscribeAsync(inSecond, default);
        await Waiting.UntilAsync(() => inFirst.Connections.Count > 0 && inSecond.Connections.Count > 0, what: "both are connected");
        await PublishAsync(second, "of the second");
        await Waiting.UntilAsync(() => inSecond.Messages.Count > 0, what: "messages arrive");
        await PublishAsync(first, "of the first");
        await Waiting.UntilAsync(() => inFirst.Messages.Contains("of the first"), what: "messages arrive");
        inFirst.Messages.Should().Equal("of the first");
        inSecond.Messages.Should().Equal("of the second");
    }

    [Fact]
    public async Task Messages_tell_the_time()
    {
        await using var one = TestStores.Create(_server.Configuration);
        await using var other = TestStores.Create(_server.Configuration);
        var receiver = new RecordingReceiver();
        await using var subscription = await other.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        var loadStamp = await other.LoadStampAsync("k");
        var stamp = await one.RemoveByTagAsync("t");
        await PublishAsync(one, "told");
        await Waiting.UntilAsync(() => receiver.Messages.Contains("told"), what: "messages arrive");
        loadStamp.Should().BeLessThan(stamp);
        (await other.LoadStampAsync("k")).Should().BeGreaterThanOrEqualTo(stamp);
    }

    /// <summary>Fails with the first message.</summary>
    private sealed class FailingReceiver : IInvalidationReceiver
    {
        private int _messages;
        private int _interruptions;
        private int _connections;

        internal int Messages => Volatile.Read(ref _messages);

        internal int Interruptions => Volatile.Read(ref _interruptions);

        internal int Connections => Volatile.Read(ref _connections);

        public void OnMessage(ReadOnlyMemory<byte> message)
        {
            if (Interlocked.Increment(ref _messages) == 1)
            {
                throw new FormatException("It does not understand.");
            }
        }

        public void OnInterrupted() => Interlocked.Increment(ref _interruptions);

        public void OnConnected(bool isComplete) => Interlocked.Increment(ref _connections);
    }

    private static Task PublishAsync(RedisStore store, string text) => store.PublishAsync(Encoding.UTF8.GetBytes(text), default).AsTask();
}
