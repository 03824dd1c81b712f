using System.Buffers.Binary;
using System.Security.Cryptography;
using CacheKit.Diagnostics;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Engine.Feed;

/// <summary>Tells other nodes what this one has changed, hears what they have, and knows when it may not have heard everything.</summary>
/// <remarks>
/// <para><b>Sending</b> is the work of <see cref="FeedSender"/>.</para>
/// <para><b>Hearing.</b> Transports lose, double and reorder. Nothing is applied by order of arrival: notices carry stamps. Losses show by numbers
/// that are missing (<see cref="PeerWatch"/>), by the transport's word, or by this node's own heartbeats not coming back. Each makes
/// everything suspect: from then on the listener asks the authority before it serves what it held before.</para>
/// <para><b>Events</b> of the connection and suspicions are told in the order they happened (<see cref="FeedEvents"/>). Notices are told on the thread that brings them.</para>
/// <para>Timers and the transport hold the feed weakly: a cache that nobody holds can go.</para>
/// </remarks>
internal sealed class InvalidationFeed : IAsyncDisposable
{
    /// <summary>How long the end of the cache may wait for the last messages to be sent, and for the subscription to end.</summary>
    internal static readonly TimeSpan DisposalPatience = TimeSpan.FromSeconds(2);

    private readonly FeedSender _sender;
    private readonly IInvalidationTransport _transport;
    private readonly IInvalidationListener _listener;
    private readonly TimeProvider _time;
    private readonly TimeSpan _interval;
    private readonly FeedReporter _reporter;
    private readonly FeedEvents _events;
    private readonly WeakTimer<InvalidationFeed> _heartbeatTimer;
    private readonly WeakTimer<InvalidationFeed> _missingTimer;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();

    // All of these are guarded by the lock.
    private readonly PeerWatch _peers;
    private IAsyncDisposable? _subscription;
    private long _heardOwnAt;
    private long _disconnectedAt;
    private bool _isStarted, _isSubscribing, _isMissingTimerSet, _isDisposed;
    private bool _isLineUp, _isConnected, _hasBeenConnected;
    private bool _isEchoHeard = true; // until proven otherwise
    private long _foreignMessages, _suspicions;

    /// <param name="cacheName">For the log.</param>
    /// <param name="guard">Of a store that is an <see cref="IInvalidationTransport"/>. The feed does not dispose it.</param>
    /// <param name="options">The heartbeat, and how much is kept to be sent later.</param>
    /// <param name="listener">Told of everything.</param>
    /// <param name="time">The clock of waits.</param>
    /// <param name="logger">Where changes of state are logged.</param>
    internal InvalidationFeed(
        string cacheName, StoreGuard guard, CacheStoreOptions options, IInvalidationListener listener, TimeProvider time, ILogger logger)
    {
        _transport = (IInvalidationTransport)guard.Store;
        _listener = listener;
        _time = time;
        _interval = options.HeartbeatInterval;
        _reporter = new FeedReporter(cacheName, guard.Name, logger, time, guard.Store is IStoreHealth { LogsOutages: true });
        _events = new FeedEvents(listener, _reporter);
        _peers = new PeerWatch(_interval, time);
        _disconnectedAt = time.GetTimestamp();
        _heartbeatTimer = new(this, static feed => feed.Beat(), time);
        _missingTimer = new(this, static feed => feed.LookForMissing(), time);
        Span<byte> id = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(id);
        Sender = BinaryPrimitives.ReadUInt64LittleEndian(id);
        _sender = new FeedSender(Sender, guard, _transport, options, time);
    }

    /// <summary>What the messages of this node are signed with.</summary>
    internal ulong Sender { get; }

    /// <summary>Whether the messages of others arrive, as far as anyone can tell. Not before the first connection.</summary>
    internal bool IsConnected => Volatile.Read(ref _isConnected);

    /// <summary>For how long they have not; zero if they do.</summary>
    internal TimeSpan DisconnectedFor
    {
        get
        {
            lock (_lock)
            {
                return _isConnected ? TimeSpan.Zero : _time.GetElapsedTime(_disconnectedAt);
            }
        }
    }

    /// <summary>Messages that were none, or were damaged.</summary>
    internal long ForeignMessages => Volatile.Read(ref _foreignMessages);

    /// <summary>How often everything was suspect.</summary>
    internal long Suspicions => Volatile.Read(ref _suspicions);

    /// <summary>Begins to listen, and to send heartbeats. Never throws: what does not succeed at once is tried again.</summary>
    internal Task StartAsync()
    {
        lock (_lock)
        {
            if (_isStarted || _isDisposed)
            {
                return Task.CompletedTask;
            }

            _isStarted = true;
        }

        _heartbeatTimer.Start(_interval);
        return SubscribeAsync();
    }

    /// <summary>Tells that a key has changed.</summary>
    internal void TellKey(KeyChange change, string key, long stamp) => Tell(InvalidationNotice.OfKey(key, change, stamp));

    /// <summary>Tells that the store has a value now that others may be waiting for.</summary>
    internal void TellFilled(string key) => Tell(new(NoticeKind.KeyFilled, key, 0));

    /// <summary>Tells that tags were invalidated.</summary>
    internal void TellTags(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, long stamp)
    {
        if (match == TagMatch.All && tags.Count > 1)
        {
            Tell(InvalidationNotice.OfTagSet(tags, kind, stamp));
            return;
        }

        foreach (var tag in tags)
        {
            Tell(InvalidationNotice.OfTag(tag, kind, stamp));
        }
    }

    /// <summary>Tells that everything was removed.</summary>
    internal void TellCleared(long stamp) => Tell(new(NoticeKind.Cleared, "", stamp));

    /// <summary>Tells that more has changed than can be said.</summary>
    internal void TellEverythingSuspect() => Tell(InvalidationNotice.EverythingSuspect);

    /// <inheritdoc cref="FeedSender.FlushAsync"/>
    internal ValueTask<bool> FlushAsync() => _sender.FlushAsync();

    /// <inheritdoc cref="FeedSender.Resume"/>
    internal void Resume() => _sender.Resume();

    /// <summary>Sends what is left, says goodbye and stops listening, but does not take long over it.</summary>
    public async ValueTask DisposeAsync()
    {
        IAsyncDisposable? subscription;
        bool isStarted;
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            isStarted = _isStarted;
            subscription = _subscription;
        }

        await _stopping.CancelAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // it may call the transport's code, which may throw
        _heartbeatTimer.Dispose();
        _missingTimer.Dispose();
        await WaitBrieflyAsync(_sender.EndAsync(saysGoodbye: isStarted)).ConfigureAwait(false);
        _sender.Dispose();
        if (subscription is not null)
        {
            await WaitBrieflyAsync(EndSubscriptionAsync(subscription)).ConfigureAwait(false);
        }
    }

    /// <inheritdoc cref="FeedSender.Tell"/>
    internal void Tell(in InvalidationNotice notice) => _sender.Tell(notice);

    private void Beat()
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            if (_isConnected && _time.GetElapsedTime(_heardOwnAt) >= PeerWatch.IntervalsOfSilence * _interval)
            {
                _isEchoHeard = false;
                Suspect("this node's own messages do not come back");
                NoteConnection();
            }
            else if (_isConnected && _peers.ForgetSilent())
            {
                Suspect("a node has fallen silent");
            }
        }

        _heartbeatTimer.Start(_interval);
        _sender.SendHeartbeat();
        _ = SubscribeAsync();
        _events.Tell();
    }

    private void LookForMissing()
    {
        TimeSpan? lookAgainIn;
        lock (_lock)
        {
            if (_peers.GiveUpMissing(out lookAgainIn))
            {
                Suspect("numbers are missing");
            }

            _isMissingTimerSet = lookAgainIn is not null;
        }

        if (lookAgainIn is { } again)
        {
            _missingTimer.Start(again);
        }

        _events.Tell();
    }

    private async Task SubscribeAsync()
    {
        lock (_lock)
        {
            if (_isDisposed || _isSubscribing || _subscription is not null)
            {
                return;
            }

            _isSubscribing = true;
        }

        IAsyncDisposable? subscription = null;
        try
        {
            subscription = await _transport.SubscribeAsync(new Receiver(this), _stopping.Token).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            if (!_stopping.IsCancellationRequested)
            {
                _reporter.SubscriptionFailed(exception);
            }
        }

        lock (_lock)
        {
            _isSubscribing = false;
            if (!_isDisposed)
            {
                _subscription = subscription;
                return;
            }
        }

        if (subscription is not null)
        {
            await EndSubscriptionAsync(subscription).ConfigureAwait(false);
        }
    }

    private static async Task EndSubscriptionAsync(IAsyncDisposable subscription)
    {
        try
        {
            await subscription.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The cache is going: whatever still comes is not listened to.
        }
    }

    /// <summary>Waits for something that cannot fail, but not for long.</summary>
    private async Task WaitBrieflyAsync(Task task) =>
        await task.WaitAsync(DisposalPatience, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private void OnMessage(ReadOnlySpan<byte> bytes)
    {
        var reading = InvalidationMessage.TryDecodeHeader(bytes, out var message);
        var notices = message.Type == MessageType.Data && message.Sender != Sender ? new List<InvalidationNotice>() : null;
        if (reading == MessageReading.Understood && notices is not null)
        {
            reading = InvalidationMessage.TryDecodeNotices(bytes, notices);
        }

        if (reading == MessageReading.Foreign)
        {
            Interlocked.Increment(ref _foreignMessages);
            _reporter.ForeignMessage(bytes.Length);
            return;
        }

        if (reading == MessageReading.Understood && notices is not null)
        {
            foreach (var notice in notices)
            {
                Deliver(notice);
            }
        }

        var mustLook = false;
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            if (reading == MessageReading.FromLaterVersion)
            {
                Suspect("a later version has sent something");
            }
            else if (message.Sender == Sender)
            {
                _heardOwnAt = _time.GetTimestamp();
                if (!_isEchoHeard)
                {
                    _isEchoHeard = true;
                    Suspect("this node's own messages did not come back");
                    NoteConnection();
                }
            }
            else
            {
                if (_peers.Hear(message))
                {
                    Suspect("there are too many nodes");
                }

                mustLook = _peers.HasMissing && !_isMissingTimerSet;
                _isMissingTimerSet |= mustLook;
            }
        }

        if (mustLook)
        {
            _missingTimer.Start(_peers.Grace);
        }

        _events.Tell();
    }

    private void Deliver(in InvalidationNotice notice)
    {
        if (notice.Kind == NoticeKind.EverythingSuspect)
        {
            lock (_lock)
            {
                Suspect("a node has changed more than could be told");
            }

            return;
        }

        try
        {
            notice.TellTo(_listener);
        }
        catch (Exception exception)
        {
            _reporter.ListenerFailed(exception);
        }
    }

    private void OnInterrupted()
    {
        lock (_lock)
        {
            _isLineUp = false;
            NoteConnection();
        }

        _events.Tell();
    }

    private void OnConnected(bool isComplete)
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            if (!isComplete || !_isEchoHeard)
            {
                Suspect(_hasBeenConnected ? FeedReporter.ConnectionInterrupted : null);
            }

            _hasBeenConnected = true;
            _isLineUp = true;
            _isEchoHeard = true;
            _heardOwnAt = _time.GetTimestamp();
            _peers.ListenAnew();
            NoteConnection();
        }

        _events.Tell();
        _sender.SendHeartbeat(isReconnected: true); // so that others know this node before it has something to say
    }

    /// <summary>Everything held may be outdated. Under the lock.</summary>
    /// <param name="reason">Why; null if that is nothing to be told of: what was cached before the first connection.</param>
    private void Suspect(string? reason)
    {
        _suspicions++;
        _events.AddSuspicion(reason);
    }

    /// <summary>Tells of it if the feed has become connected or disconnected. Under the lock.</summary>
    private void NoteConnection()
    {
        var isConnected = _isLineUp && _isEchoHeard;
        if (isConnected == _isConnected)
        {
            return;
        }

        var now = _time.GetTimestamp();
        if (isConnected)
        {
            _events.AddReconnection(_time.GetElapsedTime(_disconnectedAt, now));
        }
        else
        {
            _events.AddDisconnection();
            _disconnectedAt = now;
        }

        Volatile.Write(ref _isConnected, isConnected);
    }

    /// <summary>What the transport holds: it may be one of the whole application, and live longer than the cache.</summary>
    private sealed class Receiver(InvalidationFeed feed) : IInvalidationReceiver
    {
        private readonly WeakReference<InvalidationFeed> _feed = new(feed);

        public void OnMessage(ReadOnlyMemory<byte> message) => Find()?.OnMessage(message.Span);

        public void OnInterrupted() => Find()?.OnInterrupted();

        public void OnConnected(bool isComplete) => Find()?.OnConnected(isComplete);

        private InvalidationFeed? Find() => _feed.TryGetTarget(out var feed) ? feed : null;
    }
}
