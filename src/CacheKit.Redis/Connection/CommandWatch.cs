namespace CacheKit.Redis.Connection;

/// <summary>Ends the wait for commands that take too long, for little: no timer of their own, but one that looks at all of them now and then.</summary>
/// <remarks>
/// <para>Commands under way lie in slots. The timer counts its ticks; a command notes the count when it begins, and is given up
/// when a number of ticks has passed. So it costs two writes to memory, and the limit is kept to within a tenth. The timer runs only while there is something to watch.</para>
/// <para>A command that finds no free slot nearby is not watched here; <see cref="TryEnter"/> says so.</para>
/// </remarks>
internal sealed class CommandWatch : IDisposable
{
    private const int Slots = 4096;
    private const int Probes = 16;
    private const int TicksPerLimit = 10;

    [ThreadStatic]
    private static int _hint;

    private readonly IWatched?[] _slots = new IWatched?[Slots];
    private readonly ITimer _timer;
    private readonly TimeSpan _tick;
    private long _now;
    private int _isTicking;
    private volatile bool _isDisposed;

    internal CommandWatch(TimeSpan limit, TimeProvider time)
    {
        _tick = limit / TicksPerLimit;
        _timer = time.CreateTimer(static state => ((CommandWatch)state!).OnTick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan); // the state is this
    }

    /// <summary>What a command notes when it begins.</summary>
    internal long Now => Volatile.Read(ref _now);

    /// <summary>Begins to watch a command.</summary>
    /// <returns>Its slot; -1 if it is not watched.</returns>
    internal int TryEnter(IWatched command)
    {
        if (_isDisposed)
        {
            return -1;
        }

        var hint = _hint += 7;
        for (var probe = 0; probe < Probes; probe++)
        {
            var slot = (hint + (Environment.CurrentManagedThreadId << 6) + probe) & (Slots - 1);
            if (Volatile.Read(ref _slots[slot]) is null && Interlocked.CompareExchange(ref _slots[slot], command, null) is null)
            {
                if (_isDisposed)
                {
                    // Since it was asked above: it may have been given up there, or not.
                    Leave(slot);
                    return -1;
                }

                if (Volatile.Read(ref _isTicking) == 0)
                {
                    Begin();
                }

                return slot;
            }
        }

        return -1;
    }

    /// <summary>Ends to watch a command.</summary>
    internal void Leave(int slot)
    {
        if (slot >= 0)
        {
            Volatile.Write(ref _slots[slot], null);
        }
    }

    /// <summary>Gives up what is under way: nobody would, from now on.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _timer.Dispose();
        Interlocked.MemoryBarrier();
        for (var slot = 0; slot < Slots; slot++)
        {
            Volatile.Read(ref _slots[slot])?.GiveUp();
        }
    }

    private void Begin()
    {
        if (Interlocked.Exchange(ref _isTicking, 1) == 0)
        {
            _timer.Change(_tick, _tick); // says no, once it is disposed
        }
    }

    private void OnTick()
    {
        var now = Interlocked.Increment(ref _now);
        if (Look(now))
        {
            return;
        }

        // Nothing to do any more; but something may have come just before it was noted that the timer stands.
        _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Volatile.Write(ref _isTicking, 0);
        Interlocked.MemoryBarrier();
        if (Look(now))
        {
            Begin();
        }
    }

    private bool Look(long now)
    {
        var isBusy = false;
        for (var slot = 0; slot < Slots; slot++)
        {
            if (Volatile.Read(ref _slots[slot]) is { } command)
            {
                isBusy = true;
                if (now - command.BeganAt > TicksPerLimit)
                {
                    command.GiveUp();
                }
            }
        }

        return isBusy;
    }
}

/// <summary>A command under way.</summary>
internal interface IWatched
{
    /// <summary>The watch's count when it began.</summary>
    long BeganAt { get; }

    /// <summary>Ends the wait for it.</summary>
    void GiveUp();
}
