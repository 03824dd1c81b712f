using System.Buffers.Binary;
using System.Security.Cryptography;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Diagnostics;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace CacheKit.Redis.Feed;

/// <summary>Sends messages to all nodes, and has them received: over a channel, with a bounded log beside it.</summary>
/// <remarks>
/// <para>A message on the channel begins with its place in the log and a space (a dash where there is no log). Then follows a frame: "CKF" and a version (4 bytes), the sender (8 bytes), the latest
/// stamp the sender knew (8 bytes), what it is (1 byte), and the message. With the stamps, all nodes know the clock without asking. What does not begin so, or is
/// of another version, is nobody's.</para>
/// <para>The log holds the same frames. Whoever was cut off reads on where he was; if that place is not in the log any more he has missed something.</para>
/// </remarks>
internal sealed class MessageFeed(RedisConnection connection, StampClock clock, KeyLayout layout, int logLength, string cache, ILogger logger) : IAsyncDisposable
{
    internal const int FrameHeaderLength = KindAt + 1;

    private const uint MagicAndVersion = 0x43_4B_46_01; // "CKF", 1
    private const int SenderAt = 4;
    private const int StampAt = 12;
    private const int KindAt = 20;

    private const int MaximumMessageLength = 64 << 10;

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly long _sender = BinaryPrimitives.ReadInt64BigEndian(RandomNumberGenerator.GetBytes(8));
    private readonly Lock _gate = new();
    private readonly List<FeedSubscription> _subscriptions = [];
    private volatile bool _hasLog = logLength > 0;
    private long _unansweredSince;

    internal RedisConnection Connection => connection;

    internal KeyLayout Layout => layout;

    /// <summary>The channel of the database that a connection uses.</summary>
    internal RedisChannel ChannelOf(RedisLink link) => layout.Channel(link.Database.Database);

    internal string Cache => cache;

    internal ILogger Logger => logger;

    /// <summary>Whether messages are logged.</summary>
    internal bool HasLog => _hasLog;

    /// <summary>How long a message of this node's has been under way without coming back to it.</summary>
    internal TimeSpan Unanswered => Volatile.Read(ref _unansweredSince) is > 0 and var since ? _time.GetElapsedTime(since) : TimeSpan.Zero;

    internal async ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(connection.IsDisposed, typeof(MessageFeed));
        var subscription = new FeedSubscription(this, receiver);
        lock (_gate)
        {
            _subscriptions.Add(subscription);
        }

        await subscription.StartAsync(cancellationToken).ConfigureAwait(false);
        return subscription;
    }

    internal async ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, MaximumMessageLength, nameof(message));
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        bool isHeard;
        lock (_gate)
        {
            isHeard = _subscriptions.Count > 0;
        }

        if (isHeard)
        {
            Interlocked.CompareExchange(ref _unansweredSince, _time.GetTimestamp(), 0);
        }

        await SendAsync(link, Frame(FrameKind.Message, message.Span), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends something that only its sender will look at, to see it come back.</summary>
    internal ValueTask ProbeAsync(RedisLink link, byte[] probe, CancellationToken cancellationToken) =>
        SendAsync(link, Frame(FrameKind.Probe, probe), cancellationToken);

    /// <summary>Takes a frame apart, and learns the time from it.</summary>
    internal bool TryOpen(ReadOnlyMemory<byte> frame, out FrameKind kind, out ReadOnlyMemory<byte> message)
    {
        (kind, message) = (default, default);
        if (frame.Length < FrameHeaderLength || BinaryPrimitives.ReadUInt32BigEndian(frame.Span) != MagicAndVersion
            || (FrameKind)frame.Span[KindAt] is not (FrameKind.Message or FrameKind.Probe))
        {
            return false;
        }

        if (BinaryPrimitives.ReadInt64BigEndian(frame.Span[SenderAt..]) == _sender)
        {
            Volatile.Write(ref _unansweredSince, 0);
        }

        clock.AdvanceByHearsay(BinaryPrimitives.ReadInt64BigEndian(frame.Span[StampAt..]));
        kind = (FrameKind)frame.Span[KindAt];
        message = frame[FrameHeaderLength..];
        return true;
    }

    /// <summary>Begins anew to wait for messages of this node's.</summary>
    internal void ForgetUnanswered() => Volatile.Write(ref _unansweredSince, 0);

    internal void Remove(FeedSubscription subscription)
    {
        lock (_gate)
        {
            _subscriptions.Remove(subscription);
        }
    }

    public async ValueTask DisposeAsync()
    {
        FeedSubscription[] subscriptions;
        lock (_gate)
        {
            subscriptions = [.. _subscriptions];
        }

        foreach (var subscription in subscriptions)
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }
    }

    private byte[] Frame(FrameKind kind, ReadOnlySpan<byte> message)
    {
        var frame = new byte[FrameHeaderLength + message.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, MagicAndVersion);
        BinaryPrimitives.WriteInt64BigEndian(frame.AsSpan(SenderAt), _sender);
        BinaryPrimitives.WriteInt64BigEndian(frame.AsSpan(StampAt), clock.Latest);
        frame[KindAt] = (byte)kind;
        message.CopyTo(frame.AsSpan(FrameHeaderLength));
        return frame;
    }

    private async ValueTask SendAsync(RedisLink link, byte[] frame, CancellationToken cancellationToken)
    {
        if (_hasLog)
        {
            try
            {
                var logging = Scripts.Publish.RunAsync(
                    link.Database, [layout.Log], [link.NameOnServer(ChannelOf(link)), frame, logLength]);
                await connection.RunAsync(link, logging, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (CacheStoreException exception) when (exception.InnerException is { } inner && (RedisErrors.IsUnknown(inner) || RedisErrors.IsReadOnly(inner)))
            {
                // The channel may work all the same. If the server has no streams, say, there is no use in trying again.
                if (RedisErrors.IsUnknown(inner) && _hasLog)
                {
                    _hasLog = false;
                    logger.NoMessageLog(cache, exception);
                }
            }
        }

        // Whoever was cut off must not take the log for all there was: what it holds is not where he was any more. With every such message: nodes that log begin the log anew in between.
        Abandoned.Observe(link.Database.KeyDeleteAsync(layout.Log, Flags.Master));

        byte[] bare = [.. "- "u8, .. frame];
        await connection.RunAsync(link, link.Database.PublishAsync(ChannelOf(link), bare), cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>What a frame carries.</summary>
internal enum FrameKind : byte
{
    Message = 1,
    Probe = 2,
}
