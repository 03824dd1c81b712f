using System.Runtime.ExceptionServices;

namespace CacheKit.Testing;

/// <summary>A clock for tests: it stands still until <see cref="Advance"/> moves it, and timers fire while it moves.</summary>
/// <remarks>
/// <para>There are two clocks in it, as in a computer. Timestamps and timers follow the monotonic one, which only
/// <see cref="Advance"/> moves. <see cref="GetUtcNow"/> shows the wall clock, which goes along with it and which
/// <see cref="SetUtcNow"/> and <see cref="StepWallClock"/> set apart from it, as an operator or a time server would.</para>
/// <para>All members are safe for concurrent use. Callbacks run on the thread that advances, under no lock, in the
/// <see cref="ExecutionContext"/> their timer was created in; they may use the clock and its timers freely.</para>
/// </remarks>
public sealed class ManualTimeProvider : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly SortedSet<ManualTimer> _scheduled = new(Comparer<ManualTimer>.Create(static (left, right) =>
        left.Due != right.Due ? left.Due.CompareTo(right.Due) : left.Order.CompareTo(right.Order)));

    private TimeSpan _elapsed;
    private TimeSpan _target;
    private DateTimeOffset _wallClockAtStart;
    private long _lastOrder;

    /// <summary>Creates a clock that shows the first instant of the year 2000.</summary>
    public ManualTimeProvider()
        : this(new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
    }

    /// <summary>Creates a clock that shows the given instant.</summary>
    /// <param name="start">What the wall clock shows at first.</param>
    public ManualTimeProvider(DateTimeOffset start) => _wallClockAtStart = start.ToUniversalTime();

    /// <summary>The number of timestamp units in a second: ten million, so that one is a <see cref="TimeSpan"/> tick.</summary>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Coordinated universal time, so that a test reads the same everywhere.</summary>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Gets what the wall clock shows.</summary>
    /// <returns>An instant with offset zero.</returns>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _wallClockAtStart + _elapsed;
        }
    }

    /// <summary>Gets how far <see cref="Advance"/> has moved the clock since it was created.</summary>
    /// <returns>The time in ticks; zero at first.</returns>
    public override long GetTimestamp()
    {
        lock (_gate)
        {
            return _elapsed.Ticks;
        }
    }

    /// <summary>Moves both clocks forward, and fires the timers that come due on the way.</summary>
    /// <param name="by">How far. Zero fires what is due at this very instant.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="by"/> is negative, or leads past <see cref="DateTimeOffset.MaxValue"/>.
    /// </exception>
    /// <remarks>
    /// Timers fire in the order they are due (those due together: in the order they were set), and each sees the clock at
    /// its due time; a periodic one fires once per period. When several threads advance at once, the clock moves by the sum.
    /// What a callback throws reaches the caller, the first exception only, once the clock has gone all the way.
    /// </remarks>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        lock (_gate)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(by, DateTimeOffset.MaxValue - _wallClockAtStart - _target);
            // A shared goal, not one per call: calls that overlap, or that callbacks make, then add up.
            _target += by;
        }

        ExceptionDispatchInfo? failure = null;
        while (TakeNextDue() is { } timer)
        {
            try
            {
                timer.Fire();
            }
            catch (Exception exception)
            {
                failure ??= ExceptionDispatchInfo.Capture(exception);
            }
        }
        failure?.Throw();
    }

    /// <summary>Sets the wall clock, forward or back. Timestamps and timers do not notice.</summary>
    /// <param name="value">What <see cref="GetUtcNow"/> shows from now on.</param>
    public void SetUtcNow(DateTimeOffset value)
    {
        lock (_gate)
        {
            _wallClockAtStart = value.ToUniversalTime() - _elapsed;
        }
    }

    /// <summary>Moves the wall clock alone, forward or back. Timestamps and timers do not notice.</summary>
    /// <param name="by">How far; negative for back.</param>
    public void StepWallClock(TimeSpan by)
    {
        lock (_gate)
        {
            _wallClockAtStart += by;
        }
    }

    /// <summary>Creates a timer that <see cref="Advance"/> fires.</summary>
    /// <param name="callback">What to run when the timer is due.</param>
    /// <param name="state">Handed to the callback.</param>
    /// <param name="dueTime">
    /// How far from now the timer first fires; <see cref="Timeout.InfiniteTimeSpan"/> for not before
    /// <see cref="ITimer.Change"/>. Zero is due at once, and so fires at the next <see cref="Advance"/>.
    /// </param>
    /// <param name="period">How often it fires thereafter; zero or <see cref="Timeout.InfiniteTimeSpan"/> for never again.</param>
    /// <returns>The timer. As with <see cref="System.Threading.Timer"/>, a disposed one refuses to change.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A time is negative and not infinite, or above 4,294,967,294 ms.</exception>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private ManualTimer? TakeNextDue()
    {
        lock (_gate)
        {
            if (_scheduled.Min is not { } timer || timer.Due > _target)
            {
                _elapsed = _target;
                return null;
            }

            _elapsed = timer.Due;
            _scheduled.Remove(timer);
            if (timer.Period > TimeSpan.Zero)
            {
                Schedule(timer, timer.Period);
            }
            timer.Running++;
            return timer;
        }
    }

    private void Schedule(ManualTimer timer, TimeSpan dueTime)
    {
        timer.Due = _elapsed + dueTime;
        timer.Order = ++_lastOrder;
        _scheduled.Add(timer);
    }

    /// <summary>A timer of the clock; the clock's lock guards its fields.</summary>
    private sealed class ManualTimer(ManualTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        private const long LongestMilliseconds = uint.MaxValue - 1; // what System.Threading.Timer takes

        private readonly ExecutionContext? _context = ExecutionContext.Capture();
        private TaskCompletionSource? _idle;
        private bool _disposed;

        public TimeSpan Due { get; set; }

        public long Order { get; set; }

        public TimeSpan Period { get; private set; }

        public int Running { get; set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Check(dueTime, nameof(dueTime));
            Check(period, nameof(period));
            lock (clock._gate)
            {
                if (_disposed)
                {
                    return false;
                }
                clock._scheduled.Remove(this); // before the fields it is sorted by change
                Period = period;
                if (dueTime >= TimeSpan.Zero)
                {
                    clock.Schedule(this, dueTime);
                }
                return true;
            }
        }

        public void Fire()
        {
            try
            {
                if (_context is null)
                {
                    callback(state);
                }
                else
                {
                    ExecutionContext.Run(_context, static timer => ((ManualTimer)timer!).Call(), this); // timer is this
                }
            }
            finally
            {
                lock (clock._gate)
                {
                    if (--Running == 0)
                    {
                        _idle?.TrySetResult();
                    }
                }
            }
        }

        public void Dispose()
        {
            lock (clock._gate)
            {
                _disposed = true;
                clock._scheduled.Remove(this);
            }
        }

        /// <summary>As with <see cref="System.Threading.Timer"/>, completes when no callback runs any more.</summary>
        public ValueTask DisposeAsync()
        {
            lock (clock._gate)
            {
                Dispose();
                if (Running == 0)
                {
                    return default;
                }
                _idle ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                return new(_idle.Task);
            }
        }

        private void Call() => callback(state);

        private static void Check(TimeSpan time, string name)
        {
            if (time != Timeout.InfiniteTimeSpan)
            {
                ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero, name);
                ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromMilliseconds(LongestMilliseconds), name);
            }
        }
    }
}
