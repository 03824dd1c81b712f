namespace CacheKit.Redis.Gathering;

/// <summary>Sends together what comes while something is under way.</summary>
/// <remarks>
/// <para>A call that comes when nothing is under way is sent at once, by the caller. Those that come after it gather until a thread of the pool is free to
/// send them as one command. Nobody waits for an answer, nor for a time: where threads are free a call is sent without delay, and where they are not the calls gather,
/// which spares the very time that is short. As many commands may be under way as there are reasons for.</para>
/// <para>While those who shared a command go on one after the other, what they ask for next gathers until the last of them has gone on: for some microseconds, and not once one of them keeps his thread for longer.</para>
/// <para>A command is limited in calls and in bytes. Who fills it sends it.</para>
/// </remarks>
/// <typeparam name="TCall">The kind of calls.</typeparam>
/// <param name="mostBytes">About how many bytes a command has at most.</param>
internal abstract class CallGatherer<TCall>(int mostBytes) : IThreadPoolWorkItem
    where TCall : class
{
    private static readonly TimeSpan _goOnWithin = TimeSpan.FromMicroseconds(50);

    private readonly Lock _gate = new();
    private TCall?[] _calls = new TCall?[16];
    private int _count;
    private int _bytes;
    private int _underWay;
    private int _goingOn;
    private long _goingOnSince;
    private bool _isSendingSoon;
    private bool _hasCompany;

    /// <summary>Asks whether a call may be sent alone because nothing is under way. If so, <see cref="Leave"/> when it has ended.</summary>
    internal bool TryEnterAlone() =>
        !Volatile.Read(ref _hasCompany) && Volatile.Read(ref _underWay) == 0 && Volatile.Read(ref _goingOn) == 0 && Interlocked.CompareExchange(ref _underWay, 1, 0) == 0;

    /// <summary>A command has ended.</summary>
    internal void Leave() => Interlocked.Decrement(ref _underWay);

    /// <summary>Those who shared a command begin to go on.</summary>
    internal void BeginGoingOn()
    {
        lock (_gate)
        {
            if (_goingOn++ == 0)
            {
                _goingOnSince = TimeProvider.System.GetTimestamp();
            }
        }
    }

    /// <summary>They have gone on, or one of the threads that see to it has nothing left to do: what has gathered is sent.</summary>
    internal void EndGoingOn()
    {
        TCall?[] calls;
        int count;
        lock (_gate)
        {
            _goingOn--;
            if (_count == 0 || _isSendingSoon)
            {
                return;
            }

            calls = Take(out count);
        }

        Send(calls, count);
    }

    /// <summary>Sends a call soon, with others.</summary>
    /// <param name="call">The call.</param>
    /// <param name="bytes">About how many bytes go over the line for it.</param>
    internal void Add(TCall call, int bytes)
    {
        TCall?[]? full = null;
        var (count, isFirst) = (0, false);
        lock (_gate)
        {
            if (_count == _calls.Length)
            {
                Array.Resize(ref _calls, _count * 2);
            }

            _calls[_count++] = call;
            _bytes += bytes;
            if (_count == CallGatherer.MostCalls || _bytes >= mostBytes)
            {
                full = Take(out count);
            }
            else if (!_isSendingSoon && (_goingOn == 0 || TimeProvider.System.GetElapsedTime(_goingOnSince) > _goOnWithin))
            {
                _isSendingSoon = isFirst = true;
            }
        }

        if (full is not null)
        {
            Send(full, count);
        }
        else if (isFirst)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        TCall?[] calls;
        int count;
        lock (_gate)
        {
            _isSendingSoon = false;
            if (_count == 0)
            {
                return;
            }

            calls = Take(out count);
        }

        Send(calls, count);
    }

    /// <summary>Sends calls as one command. Never throws; <see cref="Leave"/> is to be called when the command has ended.</summary>
    private protected abstract void Send(TCall?[] calls, int count);

    private TCall?[] Take(out int count)
    {
        var calls = _calls;
        count = _count;
        Volatile.Write(ref _hasCompany, count > 1);

        // About as many will come again.
        _calls = new TCall?[Math.Max(4, count)];
        (_count, _bytes) = (0, 0);
        Interlocked.Increment(ref _underWay);
        return calls;
    }
}

/// <summary>What is the same for all kinds of calls.</summary>
internal static class CallGatherer
{
    /// <summary>How many calls share a command at most.</summary>
    internal const int MostCalls = 64;
}
