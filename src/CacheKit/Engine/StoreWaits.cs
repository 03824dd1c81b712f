using System.Threading.Tasks.Sources;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>How the wait for a call of a store has ended.</summary>
internal enum StoreWaitEnd
{
    /// <summary>The call has ended, well or not.</summary>
    Ended,

    /// <summary>Its time was up.</summary>
    TimedOut,

    /// <summary>Its caller went.</summary>
    Cancelled,
}

/// <summary>Waits for calls of a store that all have the same time, with one timer for all of them.</summary>
/// <remarks>
/// Since their limit is the same, calls run out of time in the order they began: a list, its oldest first, is all there is to keep, and the timer
/// runs for the oldest alone. Waits are used again, so one that ends in time allocates nothing. While it runs, the timer holds on to what waits: nobody else may.
/// Safe for concurrent use.
/// </remarks>
internal sealed class StoreWaits : IDisposable
{
    /// <summary>More than a process has under way at most times; beyond that, waits are made anew.</summary>
    private const int MostSpare = 256;

    private readonly TimeSpan? _limit;
    private readonly TimeProvider _time;
    private readonly ITimer? _timer;
    private readonly Lock _lock = new();
    private Wait? _oldest;
    private Wait? _newest;
    private Wait? _spare;
    private int _spares;
    private bool _isTimerSet;
    private bool _isDisposed;

    /// <param name="limit">How long a call may take; without end if negative or longer than a timer can run.</param>
    /// <param name="time">The clock.</param>
    internal StoreWaits(TimeSpan limit, TimeProvider time)
    {
        _limit = limit < TimeSpan.Zero ? null : Patience.Of(limit);
        _time = time;
        if (_limit is null)
        {
            return;
        }

        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static waits => ((StoreWaits)waits!).EndOverdue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan); // its state is this
        }
    }

    /// <summary>Waits for a call, whose result and exception are left to be taken: at once if it has ended, else by what <see cref="Wait.TakeLate"/> is given.</summary>
    /// <param name="call">The call, which nobody else waits for.</param>
    /// <param name="beganAt">The timestamp of its beginning.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="wait">What waits; to be used only where the call has not ended in time.</param>
    /// <param name="progress">What tells of a call that goes on part by part: as long as it does, its time is not up.</param>
    /// <remarks>What waits goes on where the end came from: the call, the one who cancels, the timer.</remarks>
    internal ValueTask<StoreWaitEnd> WaitAsync<T>(ValueTask<T> call, long beganAt, CancellationToken cancellationToken, out Wait? wait, StoreReadProgress? progress = null)
    {
        wait = null;
        if (call.IsCompleted)
        {
            return new(StoreWaitEnd.Ended);
        }

        bool isOver;
        lock (_lock)
        {
            wait = Take();
            isOver = _isDisposed;
            if (_limit is not null && !isOver)
            {
                wait.BeganAt = beganAt;
                (wait.Progress, wait.Parts) = (progress, progress?.Parts ?? 0);
                Append(wait);
                if (!_isTimerSet)
                {
                    _isTimerSet = true;
                    _timer!.Change(_limit.Value, Timeout.InfiniteTimeSpan); // there are both or none
                }
            }
        }

        return wait.StartAsync(call, isOver, cancellationToken);
    }

    /// <summary>Takes no more calls; those under way still end in time.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            if (_isTimerSet)
            {
                return; // the timer's last ring disposes it
            }
        }

        _timer?.Dispose();
    }

    private void EndOverdue()
    {
        // What waits may run whatever it likes: so each has a thread to itself, and the timer is set again before the last gets this one.
        var overdue = TakeOverdue();
        while (overdue is not null && TakeOverdue() is { } next)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static wait => wait.SetEnd(StoreWaitEnd.TimedOut), overdue, preferLocal: false);
            overdue = next;
        }

        overdue?.SetEnd(StoreWaitEnd.TimedOut);
    }

    /// <summary>The oldest wait if its time is up; else the timer is set for it.</summary>
    private Wait? TakeOverdue()
    {
        lock (_lock)
        {
            while (_oldest is { } oldest)
            {
                var left = _limit!.Value - _time.GetElapsedTime(oldest.BeganAt); // there is a timer
                if (left > TimeSpan.Zero)
                {
                    // Timers count whole milliseconds, and may ring early.
                    _timer!.Change(left < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : left, Timeout.InfiniteTimeSpan);
                    return null;
                }

                Unlink(oldest);
                if (oldest.Progress is { } progress && progress.Parts is var parts && parts != oldest.Parts)
                {
                    // It is getting on: as if it had begun with the last part, or rather now, for the list is in the order of beginnings.
                    (oldest.Parts, oldest.BeganAt) = (parts, _time.GetTimestamp());
                    Append(oldest);
                    continue;
                }

                // Claimed under the lock: while it is listed, it is not used again.
                if (oldest.TryClaim())
                {
                    return oldest;
                }
            }

            _isTimerSet = false;
            if (_isDisposed)
            {
                _timer!.Dispose();
            }

            return null;
        }
    }

    private Wait Take()
    {
        if (_spare is not { } wait)
        {
            return new(this);
        }

        _spare = wait.Next;
        _spares--;
        wait.Next = null;
        return wait;
    }

    private void Append(Wait wait)
    {
        wait.IsListed = true;
        wait.Previous = _newest;
        if (_newest is null)
        {
            _oldest = wait;
        }
        else
        {
            _newest.Next = wait;
        }

        _newest = wait;
    }

    /// <summary>The caller holds the lock.</summary>
    private void Unlink(Wait wait)
    {
        if (!wait.IsListed)
        {
            return;
        }

        wait.IsListed = false;
        if (wait.Previous is null)
        {
            _oldest = wait.Next;
        }
        else
        {
            wait.Previous.Next = wait.Next;
        }

        if (wait.Next is null)
        {
            _newest = wait.Previous;
        }
        else
        {
            wait.Next.Previous = wait.Previous;
        }

        wait.Previous = wait.Next = null;
    }

    /// <summary>One wait. It is used again once its call has told it, and only then: who has given it up must not be told of another's.</summary>
    internal sealed class Wait : IValueTaskSource<StoreWaitEnd>
    {
        private const int Waiting = 0;
        private const int Over = 1;

        private static readonly Action _hasEnded = static () => { };

        private readonly StoreWaits _waits;
        private readonly Action _onEnded;
        private Action? _late;
        private ManualResetValueTaskSourceCore<StoreWaitEnd> _core;
        private CancellationTokenRegistration _registration;
        private int _state;

        internal long BeganAt;
        internal bool IsListed;
        internal StoreReadProgress? Progress;
        internal long Parts;
        internal Wait? Previous;
        internal Wait? Next;

        internal Wait(StoreWaits waits)
        {
            _waits = waits;
            _onEnded = OnEnded;
        }

        internal ValueTask<StoreWaitEnd> StartAsync<T>(ValueTask<T> call, bool isOver, CancellationToken cancellationToken)
        {
            var result = new ValueTask<StoreWaitEnd>(this, _core.Version);
            if (isOver)
            {
                End(StoreWaitEnd.TimedOut);
            }
            else if (cancellationToken.CanBeCanceled)
            {
                _registration = cancellationToken.UnsafeRegister(static wait => ((Wait)wait!).End(StoreWaitEnd.Cancelled), this); // it was registered
            }

            call.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onEnded);
            return result;
        }

        /// <summary>For a wait that was given up: what is to be done with the call once it has ended after all.</summary>
        internal void TakeLate(Action take)
        {
            if (Interlocked.CompareExchange(ref _late, take, null) is not null)
            {
                take();
            }
        }

        /// <summary>Whether the caller is the one to say how it ends.</summary>
        internal bool TryClaim() => Interlocked.CompareExchange(ref _state, Over, Waiting) == Waiting;

        internal void SetEnd(StoreWaitEnd end) => _core.SetResult(end);

        private void OnEnded()
        {
            if (TryClaim())
            {
                SetEnd(StoreWaitEnd.Ended);
            }
            else if (Interlocked.CompareExchange(ref _late, _hasEnded, null) is { } late)
            {
                late();
            }
        }

        private void End(StoreWaitEnd end)
        {
            if (TryClaim())
            {
                SetEnd(end);
            }
        }

        public StoreWaitEnd GetResult(short token)
        {
            var end = _core.GetResult(token);

            // A registration that cannot be undone is about to call: it must find this wait as it is.
            var isFree = (_registration == default || _registration.Unregister()) && end == StoreWaitEnd.Ended;
            lock (_waits._lock)
            {
                _waits.Unlink(this);
                if (isFree && _waits._spares < MostSpare)
                {
                    _core.Reset();
                    _registration = default;
                    Progress = null;
                    _state = Waiting;
                    Next = _waits._spare;
                    _waits._spare = this;
                    _waits._spares++;
                }
            }

            return end;
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
