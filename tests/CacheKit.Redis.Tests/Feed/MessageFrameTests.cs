using System.Buffers.Binary;
using CacheKit.Redis.Feed;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.Logging.Abstractions;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Feed;

/// <summary>What goes over the channel, byte for byte: what is not exactly that is nobody's.</summary>
public sealed class MessageFrameTests : IAsyncLifetime
{
    private const int SenderAt = 4;
    private const int StampAt = 12;
    private const int KindAt = 20;
    private const int MessageAt = 21;

    private RedisServer _server = null!;
    private RedisStore _store = null!;
    private MessageFeed _feed = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
        _store = TestStores.Create(_server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromSeconds(30));
        _feed = new(_store.Connection, _store.Clock, _store.Layout, logLength: 100, "test", NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        if (_feed is not null)
        {
            await _feed.DisposeAsync();
            await _store.DisposeAsync();
            await _server.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_frame_has_a_sender_the_time_and_a_kind_before_the_message()
    {
        var stamp = await _store.RemoveByTagAsync("t");
        var frame = await LoggedAsync("hello");
        frame[..SenderAt].Should().Equal(0x43, 0x4B, 0x46, 1);
        BinaryPrimitives.ReadInt64BigEndian(frame.AsSpan(StampAt)).Should().BeGreaterThanOrEqualTo(stamp);
        frame[KindAt].Should().Be(1);
        frame[MessageAt..].Should().Equal("hello"u8.ToArray());
        (await LoggedAsync("another"))[SenderAt..StampAt].Should().Equal(frame[SenderAt..StampAt], "the sender is the same");
    }

    [Fact]
    public async Task A_frame_that_is_cut_short_or_of_another_version_or_kind_is_nobodys()
    {
        var frame = await LoggedAsync("hello");
        _feed.TryOpen(frame, out var kind, out var message).Should().BeTrue();
        (kind, message.ToArray()).Should().BeEquivalentTo((FrameKind.Message, "hello"u8.ToArray()));
        _feed.TryOpen(frame.AsMemory(0, MessageAt), out _, out message).Should().BeTrue("a message may be empty");
        message.Length.Should().Be(0);
        for (var length = 0; length < MessageAt; length++)
        {
            _feed.TryOpen(frame.AsMemory(0, length), out _, out _).Should().BeFalse("it has {0} bytes", length);
        }

        for (var i = 0; i < SenderAt; i++)
        {
            _feed.TryOpen(With(frame, i, (byte)(frame[i] + 1)), out _, out _).Should().BeFalse("byte {0} is another", i);
        }

        foreach (byte other in new byte[] { 0, 3, 255 })
        {
            _feed.TryOpen(With(frame, KindAt, other), out _, out _).Should().BeFalse("nothing is of kind {0}", other);
        }
    }

    [Fact]
    public async Task Only_its_own_messages_tell_a_node_that_they_come_back()
    {
        await LoggedAsync("nobody listens");
        _feed.Unanswered.Should().Be(TimeSpan.Zero, "nobody waits for it");

        var receiver = new RecordingReceiver();
        await using var subscription = await _feed.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        var frame = await LoggedAsync("one");
        await Waiting.UntilAsync(() => _feed.Unanswered == TimeSpan.Zero, what: "it comes back");

        await _server.SuspendAsync();
        var sending = _feed.PublishAsync("two"u8.ToArray(), default).AsTask();
        await Waiting.UntilAsync(() => _feed.Unanswered > TimeSpan.Zero, what: "it is under way");
        _feed.TryOpen(With(frame, SenderAt, (byte)(frame[SenderAt] + 1)), out _, out _).Should().BeTrue();
        _feed.Unanswered.Should().BePositive("that was another's");
        _feed.TryOpen(frame, out _, out _).Should().BeTrue();
        _feed.Unanswered.Should().Be(TimeSpan.Zero);
        await _server.ResumeAsync();
        await sending;
    }

    /// <summary>Nothing that somebody writes to the channel reaches the cache, nor do probes, nor anything after the subscription has ended.</summary>
    [Fact]
    public async Task A_receiver_is_told_of_messages_alone()
    {
        var receiver = new RecordingReceiver();
        var channel = _store.Layout.Prefix + "feed";
        var frame = await LoggedAsync("logged");
        var subscription = await _feed.SubscribeAsync(receiver, default);
        await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
        byte[] probe = With(frame, KindAt, 2);
        foreach (byte[] foreign in new byte[][] { [], [32], [.. " "u8, .. frame], [.. frame], [.. "-"u8, .. frame], [.. "- "u8, .. frame[..MessageAt][..^1]], [.. "- "u8, .. probe] })
        {
            await _server.SendAsync("PUBLISH", channel, foreign);
        }

        await _server.SendAsync("PUBLISH", channel, (byte[])[.. "- "u8, .. frame]);
        await _server.SendAsync("PUBLISH", channel, (byte[])[.. "1-1 "u8, .. frame]);
        await Waiting.UntilAsync(() => receiver.Messages.Count >= 2, what: "messages arrive");
        receiver.Messages.Should().Equal("logged", "logged");

        await subscription.DisposeAsync();
        var other = new RecordingReceiver();
        await using var next = await _feed.SubscribeAsync(other, default);
        await Waiting.UntilAsync(() => other.Connections.Count > 0, what: "it is connected");
        await _server.SendAsync("PUBLISH", channel, (byte[])[.. "- "u8, .. frame]);
        await Waiting.UntilAsync(() => other.Messages.Count >= 1, what: "the message arrives");
        receiver.Messages.Should().HaveCount(2);
    }

    [Fact]
    public async Task A_message_of_more_than_64_KiB_is_refused()
    {
        await _feed.PublishAsync(new byte[64 << 10], default);
        await FluentActions.Awaiting(() => _feed.PublishAsync(new byte[(64 << 10) + 1], default).AsTask()).Should().ThrowAsync<ArgumentOutOfRangeException>();
    }

    private static byte[] With(byte[] frame, int at, byte value)
    {
        byte[] other = [.. frame];
        other[at] = value;
        return other;
    }

    // What has been sent last lies in the log.
    private async Task<byte[]> LoggedAsync(string message)
    {
        await _feed.PublishAsync(System.Text.Encoding.UTF8.GetBytes(message), default);
        var link = await _store.Connection.GetAsync(default);
        var last = await link.Database.ExecuteAsync("XREVRANGE", _store.Layout.Log.ToString(), "+", "-", "COUNT", "1");
        var entry = (StackExchange.Redis.RedisResult[])((StackExchange.Redis.RedisResult[])last!)[0]!;
        return (byte[])((StackExchange.Redis.RedisValue[])entry[1]!)[1]!;
    }
}
