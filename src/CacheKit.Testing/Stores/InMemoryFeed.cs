using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>
/// What becomes of the messages on their way to one node. Left alone, each is delivered at once, in order; a test can keep, drop, double
/// and reorder them, and cut the connection.
/// </summary>
/// <remarks>Safe for concurrent use. Receivers run on the thread that publishes, delivers or reconnects, under no lock.</remarks>
public sealed class InMemoryFeed
{
    private readonly Lock _gate = new();
    private readonly List<Subscription> _subscriptions = [];
    private List<byte[]> _kept = [];
    private List<byte[]> _missed = [];
    private bool _isHeld;
    private bool _isInterrupted;
    private int _toDrop;
    private int _toDouble;

    internal InMemoryFeed()
    {
    }

    /// <summary>How many messages are kept back for <see cref="Deliver"/>.</summary>
    public int Kept
    {
        get
        {
            lock (_gate)
            {
                return _kept.Count;
            }
        }
    }

    /// <summary>Keeps messages back from now on, until <see cref="Deliver"/> or <see cref="Resume"/>.</summary>
    public void Hold()
    {
        lock (_gate)
        {
            _isHeld = true;
        }
    }

    /// <summary>Delivers messages that were kept back, and goes on keeping others.</summary>
    /// <param name="count">How many at most, from the first.</param>
    public void Deliver(int count = int.MaxValue)
    {
        List<byte[]> messages;
        lock (_gate)
        {
            messages = _kept[..Math.Min(count, _kept.Count)];
            _kept = _kept[messages.Count..];
        }

        messages.ForEach(Send);
    }

    /// <summary>Delivers what was kept back, and keeps no more.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            _isHeld = false;
        }

        Deliver();
    }

    /// <summary>Turns the order of the messages round that are kept back.</summary>
    public void ReverseKept()
    {
        lock (_gate)
        {
            _kept.Reverse();
        }
    }

    /// <summary>Forgets the messages that are kept back. Nobody is told.</summary>
    public void DropKept()
    {
        lock (_gate)
        {
            _kept.Clear();
        }
    }

    /// <summary>Loses the next messages. Nobody is told.</summary>
    /// <param name="count">How many more.</param>
    public void DropNext(int count)
    {
        lock (_gate)
        {
            _toDrop += count;
        }
    }

    /// <summary>Has the next messages come twice.</summary>
    /// <param name="count">How many more.</param>
    public void DoubleNext(int count)
    {
        lock (_gate)
        {
            _toDouble += count;
        }
    }

    /// <summary>Cuts the connection and tells the receivers. What was kept back is lost to it as well.</summary>
    public void Interrupt()
    {
        Subscription[] told;
        lock (_gate)
        {
            _isInterrupted = true;
            _missed.AddRange(_kept);
            _kept.Clear();
            told = [.. _subscriptions];
        }

        foreach (var subscription in told)
        {
            subscription.Receiver.OnInterrupted();
        }
    }

    /// <summary>Makes the connection again and tells the receivers.</summary>
    /// <param name="isComplete">Whether all that was published meanwhile is delivered now, as by a store with a log; else it is lost.</param>
    public void Reconnect(bool isComplete)
    {
        Subscription[] told;
        List<byte[]> missed;
        lock (_gate)
        {
            _isInterrupted = false;
            missed = isComplete ? _missed : [];
            _missed = [];
            told = [.. _subscriptions];
        }

        foreach (var subscription in told)
        {
            subscription.Receiver.OnConnected(isComplete);
        }

        missed.ForEach(Accept);
    }

    internal IAsyncDisposable Subscribe(IInvalidationReceiver receiver)
    {
        var subscription = new Subscription(this, receiver);
        bool isInterrupted;
        lock (_gate)
        {
            _subscriptions.Add(subscription);
            isInterrupted = _isInterrupted;
        }

        if (!isInterrupted)
        {
            receiver.OnConnected(isComplete: false);
        }

        return subscription;
    }

    internal void Accept(byte[] message)
    {
        var times = 1;
        lock (_gate)
        {
            if (_isInterrupted)
            {
                _missed.Add(message);
                return;
            }

            if (_toDrop > 0)
            {
                _toDrop--;
                return;
            }

            if (_toDouble > 0)
            {
                _toDouble--;
                times = 2;
            }

            if (_isHeld)
            {
                _kept.AddRange(Enumerable.Repeat(message, times));
                return;
            }
        }

        for (var i = 0; i < times; i++)
        {
            Send(message);
        }
    }

    private void Send(byte[] message)
    {
        Subscription[] receivers;
        lock (_gate)
        {
            receivers = [.. _subscriptions];
        }

        foreach (var subscription in receivers)
        {
            // The bytes are the receiver's during the call only: it must not keep them.
            var lent = message.AsSpan().ToArray();
            subscription.Receiver.OnMessage(lent);
            lent.AsSpan().Clear();
        }
    }

    private sealed class Subscription(InMemoryFeed feed, IInvalidationReceiver receiver) : IAsyncDisposable
    {
        internal IInvalidationReceiver Receiver => receiver;

        public ValueTask DisposeAsync()
        {
            lock (feed._gate)
            {
                feed._subscriptions.Remove(this);
            }

            return default;
        }
    }
}
