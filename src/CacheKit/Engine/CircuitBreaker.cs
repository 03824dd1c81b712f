using CacheKit.Diagnostics;

namespace CacheKit.Engine;

/// <summary>Decides from how calls have ended whether the next one is made at all.</summary>
/// <remarks>
/// <para>Closed, every call passes. After so many failures in a row, or so large a share of failures among the last calls, the circuit
/// opens, and calls are refused for a while. Then one is let through to try, the others still refused: if it succeeds the circuit
/// closes, else it stays open for twice as long as before, up to a bound.</para>
/// <para>A call that began before the circuit last changed says nothing about now and is not counted. In particular, of a thousand
/// calls that fail together the first few open it and the rest do not count towards what comes after.</para>
/// <para>While it is closed and calls succeed, a call costs one read of a shared field, one of another, and an addition on its own
/// thread. There is no timer: what time brings is found out by the next call.</para>
/// </remarks>
internal sealed class CircuitBreaker : IDisposable
{
    /// <summary>Of fewer calls no share is computed.</summary>
    private const int FewestCalls = 20;

    /// <summary>How many failures are remembered to compute the share from.</summary>
    private const int FailuresRemembered = 64;

    private static readonly TimeSpan _window = TimeSpan.FromSeconds(10);

    private readonly int _failuresToOpen;
    private readonly double _shareToOpen;
    private readonly TimeSpan _firstOpenFor;
    private readonly TimeSpan _maximumOpenFor;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly HitCounter _successes = new();
    private readonly (long Time, long Call)[] _failures = new (long, long)[FailuresRemembered]; // the last ones, in a ring

    private int _version; // moves with every change; odd while open
    private int _failuresInARow;
    private long _failureCount;
    private int _remembered;
    private long _openedAt;
    private TimeSpan _openFor;
    private bool _isTried;
    private bool _isDue;

    internal CircuitBreaker(CacheStoreOptions options, TimeProvider time)
    {
        _failuresToOpen = options.FailuresToOpen;
        _shareToOpen = options.FailureShareToOpen;
        _firstOpenFor = options.OpenFor;
        _maximumOpenFor = options.MaximumOpenFor;
        _time = time;
    }

    internal CircuitState State
    {
        get
        {
            lock (_lock)
            {
                return !IsOpen(_version) ? CircuitState.Closed : _isTried ? CircuitState.HalfOpen : CircuitState.Open;
            }
        }
    }

    /// <summary>How long it is until a call is let through: zero if one would be now; the first time of being open if one is under way.</summary>
    internal TimeSpan UntilNextTry
    {
        get
        {
            lock (_lock)
            {
                return !IsOpen(_version) ? TimeSpan.Zero
                    : _isTried ? _firstOpenFor
                    : _isDue ? TimeSpan.Zero
                    : _openFor - _time.GetElapsedTime(_openedAt) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>Asks for leave to make a call. Who gets it says how the call ended, exactly once, by one of the members below.</summary>
    internal bool TryEnter(out CircuitPass pass)
    {
        var version = Volatile.Read(ref _version);
        pass = new(version, IsTry: false);
        return !IsOpen(version) || TryEnterOpen(out pass);
    }

    /// <summary>Lets the next call try an open circuit whatever time is left: there is word that the store can be reached again.</summary>
    internal void AllowTry()
    {
        lock (_lock)
        {
            _isDue = IsOpen(_version);
        }
    }

    /// <summary>The call got an answer, be it a no.</summary>
    /// <returns>Whether the circuit has closed by it.</returns>
    internal bool Succeeded(CircuitPass pass)
    {
        if (pass.IsTry)
        {
            return TryClose(pass);
        }

        _successes.Increment();
        if (Volatile.Read(ref _failuresInARow) != 0)
        {
            EndRow(pass);
        }

        return false;
    }

    /// <summary>The call failed.</summary>
    /// <returns>Whether the circuit has opened by it: not if it was open already, and only stays so.</returns>
    internal bool Failed(CircuitPass pass)
    {
        lock (_lock)
        {
            if (pass.Version != _version)
            {
                return false;
            }

            if (pass.IsTry)
            {
                _openFor = _openFor < _maximumOpenFor / 2 ? _openFor * 2 : _maximumOpenFor;
                _openedAt = _time.GetTimestamp();
                _isTried = false;
                return false;
            }

            _failureCount++;
            _failuresInARow++;
            Remember();
            if (_failuresInARow < _failuresToOpen && !HasLargeShare())
            {
                return false;
            }

            _version++;
            _openFor = _firstOpenFor;
            _openedAt = _time.GetTimestamp();
            return true;
        }
    }

    /// <summary>The caller did not wait for the end of the call: it says nothing.</summary>
    internal void Withdrawn(CircuitPass pass)
    {
        if (pass.IsTry)
        {
            lock (_lock)
            {
                if (pass.Version == _version)
                {
                    // Somebody else may try at once: the time of being open has passed already.
                    _isTried = false;
                }
            }
        }
    }

    public void Dispose() => _successes.Dispose();

    private static bool IsOpen(int version) => (version & 1) != 0;

    private bool TryEnterOpen(out CircuitPass pass)
    {
        lock (_lock)
        {
            pass = new(_version, IsOpen(_version));
            if (!pass.IsTry)
            {
                return true;
            }

            if (_isTried || (!_isDue && _time.GetElapsedTime(_openedAt) < _openFor))
            {
                return false;
            }

            _isDue = false;
            return _isTried = true;
        }
    }

    private bool TryClose(CircuitPass pass)
    {
        lock (_lock)
        {
            if (pass.Version != _version)
            {
                return false;
            }

            _version++;
            _isTried = _isDue = false;
            _failuresInARow = 0;
            _remembered = 0;
            return true;
        }
    }

    private void EndRow(CircuitPass pass)
    {
        lock (_lock)
        {
            if (pass.Version == _version)
            {
                _failuresInARow = 0;
            }
        }
    }

    private void Remember()
    {
        _failures[_remembered % FailuresRemembered] = (_time.GetTimestamp(), _failureCount + _successes.Value);
        _remembered++;
        if (_remembered == 2 * FailuresRemembered)
        {
            _remembered = FailuresRemembered; // the same place in the ring, without end
        }
    }

    /// <summary>Whether, counted from any of the remembered failures on, there were enough calls and too many failures among them.</summary>
    private bool HasLargeShare()
    {
        var (now, calls) = _failures[(_remembered - 1) % FailuresRemembered];
        var most = Math.Min(_remembered, FailuresRemembered);
        for (var failures = 1; failures <= most; failures++)
        {
            var (time, call) = _failures[(_remembered - failures) % FailuresRemembered];
            if (_time.GetElapsedTime(time, now) > _window)
            {
                return false;
            }

            var span = calls - call + 1;
            if (span >= FewestCalls && failures >= _shareToOpen * span)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Leave to make one call.</summary>
/// <param name="Version">Which period of the circuit the call began in.</param>
/// <param name="IsTry">Whether it is the one that tries an open circuit.</param>
internal readonly record struct CircuitPass(int Version, bool IsTry);
