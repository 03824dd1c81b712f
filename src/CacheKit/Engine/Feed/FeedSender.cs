using CacheKit.Stores;

namespace CacheKit.Engine.Feed;

/// <summary>Sends what a node tells the others: in few messages, in order, and again until it is on its way.</summary>
/// <remarks>
/// <para>What is told is queued; one pump at a time makes messages of it, so that whatever is told while a message is on its way
/// goes with the next. A message that fails is kept and sent again as it is, under its old number, before anything else: to receivers
/// it is late, not lost. A bounded queue, each thing once; what does not fit is told as "everything is suspect".</para>
/// <para>Safe for concurrent use. Its timer holds it weakly.</para>
/// </remarks>
internal sealed class FeedSender : IThreadPoolWorkItem, IDisposable
{
    /// <summary>How long what is told may wait for more to go with it, if nobody waits for it to be sent.</summary>
    internal static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(5);

    private static readonly TimeSpan _firstRetry = TimeSpan.FromMilliseconds(100);

    private readonly ulong _id;
    private readonly StoreGuard _guard;
    private readonly IInvalidationTransport _transport;
    private readonly TimeSpan _interval;
    private readonly WeakTimer<FeedSender> _pumpTimer;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();

    // All of these are guarded by the lock.
    private readonly NoticeQueue _queue;
    private readonly List<Flush> _flushes = [];
    private byte[]? _unsent;
    private long _unsentThrough;
    private long _sentThrough;
    private long _sequence;
    private int _failuresInARow;
    private bool _isPumping, _isPumpDue, _hasCompany, _isHeartbeatDue, _isEnding, _saysGoodbye;

    /// <param name="id">What the messages are signed with.</param>
    /// <param name="guard">Of the store that is the transport.</param>
    /// <param name="transport">Takes the messages.</param>
    /// <param name="options">The heartbeat, and how much is kept to be sent later.</param>
    /// <param name="time">The clock of waits.</param>
    internal FeedSender(ulong id, StoreGuard guard, IInvalidationTransport transport, CacheStoreOptions options, TimeProvider time)
    {
        _id = id;
        _guard = guard;
        _transport = transport;
        _interval = options.HeartbeatInterval;
        _queue = new NoticeQueue(Math.Max(options.RecoveryQueueSize, InvalidationMessage.MaximumNotices));
        _pumpTimer = new(this, static sender => sender.StartPump(), time);
    }

    /// <summary>Sends what has been told so far.</summary>
    /// <returns>Whether all of it is on its way. If not, it is kept and sent as soon as that is possible; nobody need wait for that.</returns>
    internal ValueTask<bool> FlushAsync()
    {
        ValueTask<bool> done;
        bool isSentSoon;
        lock (_lock)
        {
            if (_sentThrough >= _queue.Added)
            {
                return new(true);
            }

            if (_isEnding || (_unsent is not null && !_isPumping))
            {
                return new(false);
            }

            // Somebody may wait for the next message already, and that will tell this as well, unless keys are so long that it takes one more.
            if (_flushes is not [.., var flush] || flush.From <= _unsentThrough || _queue.Count > InvalidationMessage.MaximumNotices)
            {
                _flushes.Add(flush = new(_queue.Added));
            }

            done = flush.Join(_queue.Added);
            if (_isPumping)
            {
                return done;
            }

            // Where several told something a moment ago, the next are likely to be at it now: what they tell goes along if it comes before a thread is free to send it.
            isSentSoon = _isPumping = _hasCompany;
        }

        if (isSentSoon)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        else
        {
            StartPump();
        }

        return done;
    }

    void IThreadPoolWorkItem.Execute() => _ = PumpAsync();

    /// <summary>Tries at once what is being tried from time to time: there is reason to believe that the store answers again.</summary>
    internal void Resume() => StartPump();

    /// <summary>Sends a heartbeat, after what is still to be sent.</summary>
    /// <param name="isReconnected">Whether there is reason to believe that sending succeeds again.</param>
    internal void SendHeartbeat(bool isReconnected = false)
    {
        lock (_lock)
        {
            if (_isEnding)
            {
                return;
            }

            _isHeartbeatDue = true;
            if (isReconnected)
            {
                _failuresInARow = 0;
            }
        }

        StartPump();
    }

    /// <summary>Sends what is left and, if it is to, a goodbye; takes nothing more.</summary>
    /// <returns>Completes when nothing is left, or could not be sent. Never fails.</returns>
    internal Task EndAsync(bool saysGoodbye)
    {
        lock (_lock)
        {
            _isEnding = true;
            _saysGoodbye = saysGoodbye;
        }

        StartPump();
        return _ended.Task;
    }

    /// <summary>Ends its timer. After <see cref="EndAsync"/>.</summary>
    public void Dispose() => _pumpTimer.Dispose();

    /// <summary>Tells the other nodes something, with what follows it.</summary>
    internal void Tell(in InvalidationNotice notice)
    {
        TimeSpan sendIn;
        lock (_lock)
        {
            if (_isEnding)
            {
                return;
            }

            _queue.Add(notice);
            var isFull = _queue.Count >= InvalidationMessage.MaximumNotices;
            // A pump that runs takes it along. Where sending fails, the next attempt has its time.
            if (_isPumping || _unsent is not null || (_isPumpDue && !isFull))
            {
                return;
            }

            _isPumpDue = true;
            sendIn = isFull ? TimeSpan.Zero : Linger;
        }

        _pumpTimer.Start(sendIn);
    }

    private void StartPump()
    {
        lock (_lock)
        {
            _isPumpDue = false;
            if (_isPumping || _ended.Task.IsCompleted)
            {
                return;
            }

            _isPumping = true;
        }

        _ = PumpAsync();
    }

    private async Task PumpAsync()
    {
        while (TryTakeMessage(out var message, out var isData, out var isLast))
        {
            var answer = await _guard.RunAsync(StoreOperation.Publish, null, (_transport, message), static async (_, call, token) =>
            {
                await call._transport.PublishAsync(call.message, token).ConfigureAwait(false);
                return true;
            }, CancellationToken.None).ConfigureAwait(false);

            if (!NoteSent(answer.IsAnswered, isData, isLast))
            {
                break;
            }
        }
    }

    /// <summary>The next message to send: one that failed, what was told, a heartbeat, a goodbye. If there is none, the pump has stopped.</summary>
    private bool TryTakeMessage(out ReadOnlyMemory<byte> message, out bool isData, out bool isLast)
    {
        lock (_lock)
        {
            isData = true;
            isLast = false;
            if (_unsent is null && _queue.TryTake(Header(MessageType.Data, _sequence + 1), out _unsent, out _unsentThrough))
            {
                _sequence++;
            }

            message = _unsent;
            if (_unsent is not null)
            {
                return true;
            }

            isData = false;
            isLast = _isEnding && _saysGoodbye;
            if (isLast || _isHeartbeatDue)
            {
                _isHeartbeatDue = false;
                message = Header(isLast ? MessageType.Goodbye : MessageType.Heartbeat, _sequence).Encode();
                return true;
            }

            _isPumping = false;
            if (_isEnding)
            {
                _ended.TrySetResult();
            }

            return false;
        }
    }

    /// <summary>Takes note of how sending a message has ended.</summary>
    /// <returns>Whether to go on with the next.</returns>
    private bool NoteSent(bool isSent, bool isData, bool isLast)
    {
        TimeSpan retryIn;
        lock (_lock)
        {
            if (isSent)
            {
                _failuresInARow = 0;
                if (isData)
                {
                    _hasCompany = _unsentThrough - _sentThrough > 1;
                    _sentThrough = _unsentThrough;
                    _unsent = null;
                    EndFlushes(isSent: true);
                }

                if (!isLast)
                {
                    return true;
                }
            }

            _isPumping = false;
            EndFlushes(isSent: false);
            if (_isEnding)
            {
                _ended.TrySetResult();
                return false;
            }

            if (!isData && _queue.Count == 0)
            {
                return false; // a heartbeat is not sent again: the next one says the same
            }

            retryIn = _firstRetry * Math.Pow(2, Math.Min(_failuresInARow++, 20));
            retryIn = retryIn < _interval ? retryIn : _interval;
            _isPumpDue = true;
        }

        _pumpTimer.Start(retryIn);
        return false;
    }

    private void EndFlushes(bool isSent)
    {
        for (var i = _flushes.Count - 1; i >= 0; i--)
        {
            if (!isSent || _flushes[i].Through <= _sentThrough)
            {
                _flushes[i].End(isSent);
                _flushes.RemoveAt(i);
            }
        }
    }

    private InvalidationMessage Header(MessageType type, long sequence) =>
        new() { Type = type, Sender = _id, Sequence = sequence, Interval = _interval };
}
