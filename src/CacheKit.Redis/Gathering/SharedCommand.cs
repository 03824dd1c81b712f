using CacheKit.Redis.Connection;

namespace CacheKit.Redis.Gathering;

/// <summary>One command for several calls, under one limit.</summary>
/// <remarks>
/// <para>The callers go on one after the other on the thread that has the answer. If one of them keeps it, a second thread sees to the rest, and so on: one that blocks holds up
/// nobody but himself.</para>
/// <para>What one call has brought about is not the others' affair: where the server has refused the command, each call tries alone.</para>
/// </remarks>
/// <typeparam name="TCall">The kind of calls.</typeparam>
/// <typeparam name="TAnswer">What the command returns.</typeparam>
/// <typeparam name="TResult">What each caller gets.</typeparam>
internal abstract class SharedCommand<TCall, TAnswer, TResult>(RedisConnection connection, RedisLink? link, CallGatherer<TCall> gatherer, TCall?[] calls, int count)
    : Watched<TAnswer>(connection.Watch), IThreadPoolWorkItem
    where TCall : GatheredCall<TResult>
{
    private TAnswer? _answer;
    private Exception? _failure;
    private bool _isEachAlone;
    private int _next;
    private int _hasGoneOn;

    /// <summary>The connection it was sent on.</summary>
    private protected RedisLink Link => link!; // else nothing is sent, and nothing answered

    /// <summary>The calls, in order; one that was given up before the command was sent is still among them.</summary>
    private protected ReadOnlySpan<TCall?> Calls => calls.AsSpan(0, count);

    /// <summary>Sends the command, and sees to all that comes of it.</summary>
    internal void Run()
    {
        Task<TAnswer> command;
        try
        {
            if (link is null)
            {
                // Disposed meanwhile; alone, each is told.
                gatherer.Leave();
                _isEachAlone = true;
                HandOutAll();
                return;
            }

            command = SendAsync(link);
        }
        catch (Exception exception)
        {
            // Nobody is there to catch it.
            command = Task.FromException<TAnswer>(exception);
        }

        Await(TryWatch(command) ? command : Limit(command));
    }

    /// <summary>Takes note that the server does not do what it was asked for; each call tries alone.</summary>
    private protected virtual void OnRefused(Exception failure)
    {
    }

    private protected override Task<TAnswer> Limit(Task<TAnswer> command) => connection.WithLimit(command);

    /// <summary>Sends the command.</summary>
    private protected abstract Task<TAnswer> SendAsync(RedisLink link);

    /// <summary>Finds a call's part of the answer.</summary>
    /// <returns>Whether there is one; if not, the call tries alone.</returns>
    private protected abstract bool TryGetResult(TCall call, TAnswer answer, out TResult result);

    /// <summary>Does for one call what the command could not.</summary>
    private protected abstract ValueTask<TResult> RunAloneAsync(TCall call, TAnswer? answer);

    /// <summary>Looks at the answer once, before the calls do.</summary>
    private protected virtual void OnAnswer(TAnswer answer)
    {
    }

    private protected override void OnEnded(Task<TAnswer> command)
    {
        gatherer.Leave();
        if (command.IsCompletedSuccessfully)
        {
            connection.OnSuccess();
            _answer = command.Result;
            try
            {
                OnAnswer(_answer);
            }
            catch (Exception)
            {
                // Not what was asked for; alone, each will see.
                _isEachAlone = true;
            }
        }
        else
        {
            _failure = Failure(command);
            if (RedisErrors.IsRefusal(_failure))
            {
                _isEachAlone = true;
                OnRefused(_failure);
            }
        }

        HandOutAll();
    }

    private protected override void OnGivenUp()
    {
        // Not on this thread, which gives up others.
        gatherer.Leave();
        Abandon();
        _failure = new TimeoutException("The command was given up.");

        // Also where no caller is left to be told: they have shorter limits, and what they suffer from would not be seen.
        _ = connection.OnFailure(link, _failure, key: null);
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (Volatile.Read(ref _next) < count)
        {
            // Should this thread be kept, too.
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        HandOut();
        EndGoingOn();
    }

    private void HandOutAll()
    {
        if (count == 1)
        {
            HandOut();
            return;
        }

        gatherer.BeginGoingOn();
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        HandOut();
        EndGoingOn();
    }

    // By the first thread that has nothing left to do: another may be kept.
    private void EndGoingOn()
    {
        if (Interlocked.Exchange(ref _hasGoneOn, 1) == 0)
        {
            gatherer.EndGoingOn();
        }
    }

    private void HandOut()
    {
        while (true)
        {
            var index = Interlocked.Increment(ref _next) - 1;
            if (index >= count)
            {
                return;
            }

            // Not known here any more once its caller goes on: it may be used again then.
            var call = calls[index];
            calls[index] = null;
            if (call is { IsOver: false })
            {
                HandOut(call);
            }
        }
    }

    private void HandOut(TCall call)
    {
        if (_failure is { } failure && !_isEachAlone)
        {
            call.SetException(connection.OnFailure(link, failure, call.Key));
            return;
        }

        TResult result;
        try
        {
            if (_isEachAlone)
            {
                call.Await(RunAloneAsync(call, default));
                return;
            }

            if (!TryGetResult(call, _answer!, out result)) // there is one if it has not failed
            {
                call.Await(RunAloneAsync(call, _answer));
                return;
            }
        }
        catch (Exception exception)
        {
            call.SetException(exception);
            return;
        }

        call.SetResult(result);
    }
}
