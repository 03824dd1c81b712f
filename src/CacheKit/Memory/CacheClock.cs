using System.Diagnostics;

namespace CacheKit.Memory;

/// <summary>
/// The time of a cache, in ticks of 100 ns: never goes back, and follows whichever of the provider's two clocks moved
/// more, the monotonic one or the wall clock.
/// </summary>
/// <remarks>
/// <para>So a wall clock set back keeps nothing alive, and one set forward, or a machine that slept (during which the
/// monotonic clock of some systems stands still), expires what is due.</para>
/// <para>A hit cannot afford a precise clock: it costs as much as the whole look-up. With the system's time provider a
/// thread of its own writes a field every <see cref="CoarseTicks"/>; a timer would stop with a starved thread pool.
/// Any other provider is asked itself every time, so that tests own time.</para>
/// </remarks>
internal sealed class CacheClock
{
    /// <summary>
    /// How far the coarse clock lags behind at most, unless its thread is kept from running: by a blocking collection, say, after which readers may go on first.
    /// </summary>
    internal const long CoarseTicks = 50 * TimeSpan.TicksPerMillisecond;

    /// <summary>How far the two clocks may drift apart before it counts as a step of the wall clock.</summary>
    private const long SystemStepTicks = TimeSpan.TicksPerSecond;

    private readonly TimeProvider _time;
    private readonly bool _isSystem;

    /// <summary>A provider that was given a wall clock of its own but not a monotonic one: the former is the time that it means.</summary>
    private readonly bool _hasWallClockOnly;
    private readonly long _origin;
    private readonly Lock _lock = new();
    private long _coarse;
    private long _leap;
    private long _wallMinusMonotonic;
    private int _users;
    private ManualResetEvent? _stop;

    /// <param name="time">The provider.</param>
    /// <param name="isSystem">Whether it is too dear to be asked at every hit, so that a thread asks it. Tests say so of one that they move by hand.</param>
    internal CacheClock(TimeProvider time, bool isSystem)
    {
        _time = time;
        _isSystem = isSystem;
        _hasWallClockOnly = !_isSystem && IsOverridden(time.GetUtcNow) && !IsOverridden(time.GetTimestamp);
        _origin = time.GetTimestamp();
        _wallMinusMonotonic = time.GetUtcNow().UtcTicks;
        _coarse = isSystem ? Now : long.MaxValue;
    }

    /// <summary>The one clock of all caches on the system's time provider.</summary>
    internal static CacheClock System { get; } = new(TimeProvider.System, isSystem: true);

    internal static CacheClock For(TimeProvider time) => ReferenceEquals(time, TimeProvider.System) ? System : new(time, isSystem: false);

    /// <summary>The time as of at most <see cref="CoarseTicks"/> ago.</summary>
    internal long Coarse => _isSystem ? Volatile.Read(ref _coarse) : Now;

    /// <summary>The same without asking a provider, for hits: of one that would have to be asked, the end of time, which no entry outlives.</summary>
    internal long CoarseIfSystem => Volatile.Read(ref _coarse);

    /// <summary>Notices a step of the wall clock, where nothing else may read the time for long.</summary>
    internal void Observe()
    {
        if (!_isSystem)
        {
            FollowWallClock(0);
        }
    }

    /// <summary>How far <see cref="Coarse"/> lags behind <see cref="Now"/> as a rule: nothing for a provider that is asked itself.</summary>
    internal long CoarseLag => _isSystem ? CoarseTicks : 0;

    /// <summary>The time.</summary>
    internal long Now
    {
        get
        {
            if (!_isSystem)
            {
                FollowWallClock(0);
            }

            return Monotonic() + Volatile.Read(ref _leap);
        }
    }

    /// <summary>The sum, or <see cref="long.MaxValue"/> instead of an overflow.</summary>
    internal static long Add(long instant, long ticks) => ticks > long.MaxValue - Math.Max(instant, 0) ? long.MaxValue : instant + ticks;

    /// <summary>Keeps the coarse clock going for as long as the result is neither disposed nor collected.</summary>
    internal IDisposable Use()
    {
        if (_isSystem)
        {
            lock (_lock)
            {
                if (_users == 0)
                {
                    _coarse = Now;
                    var stop = new ManualResetEvent(false);
                    var ticker = new Thread(() => Tick(stop)) { IsBackground = true, Name = "CacheKit clock" };
                    ticker.UnsafeStart();
                    (Ticker, _stop) = (ticker, stop);
                }

                _users++; // only now: if the thread could not be started, the next user tries again
            }
        }

        return new Lease(this);
    }

    /// <summary>The thread that keeps the coarse clock going, or did last. For tests.</summary>
    internal Thread? Ticker { get; private set; }

    /// <summary>Brings the coarse clock up to date.</summary>
    internal void Tick()
    {
        Debug.Assert(_isSystem); // else hits are to ask it themselves
        FollowWallClock(SystemStepTicks);
        Volatile.Write(ref _coarse, Now);
    }

    private static bool IsOverridden(Delegate method) => method.Method.DeclaringType != typeof(TimeProvider);

    private long Monotonic() => _hasWallClockOnly ? 0 : _time.GetElapsedTime(_origin, _time.GetTimestamp()).Ticks;

    private void Tick(ManualResetEvent stop)
    {
        var interval = TimeSpan.FromTicks(CoarseTicks);
        while (!stop.WaitOne(interval))
        {
            Tick();
        }

        stop.Dispose();
    }

    private void FollowWallClock(long stepTicks)
    {
        lock (_lock)
        {
            if (_hasWallClockOnly)
            {
                var wall = _time.GetUtcNow().UtcTicks;
                Volatile.Write(ref _leap, _leap + Math.Max(0, wall - _wallMinusMonotonic));
                _wallMinusMonotonic = wall; // set back, it stands still; the next step forward counts from here
                return;
            }

            // A mark that only rises: what is read of two clocks one after the other jitters, and a sum of that would run ahead.
            var difference = _time.GetUtcNow().UtcTicks - Monotonic();
            var ahead = difference - _wallMinusMonotonic;
            if (ahead > _leap + stepTicks)
            {
                Volatile.Write(ref _leap, ahead);
            }
            else if (_leap - ahead > SystemStepTicks)
            {
                _wallMinusMonotonic = difference - _leap; // set back: the next step forward counts from here
            }
        }
    }

    private void Release()
    {
        if (_isSystem)
        {
            lock (_lock)
            {
                if (--_users == 0)
                {
                    _stop?.Set();
                }
            }
        }
    }

    /// <summary>Released by a finalizer too: a cache that nobody disposes must not keep a thread for ever.</summary>
    private sealed class Lease(CacheClock clock) : IDisposable
    {
        private int _released;

        ~Lease() => Dispose();

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _released, 1) == 0)
            {
                clock.Release();
                GC.SuppressFinalize(this);
            }
        }
    }
}
