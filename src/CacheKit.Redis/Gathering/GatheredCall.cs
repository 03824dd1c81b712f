using System.Threading.Tasks.Sources;

namespace CacheKit.Redis.Gathering;

/// <summary>One caller's wait for his part of a command that several share. It ends with that part or with his patience, and the others do not notice.</summary>
/// <remarks>They are used again. One that was given up is not, for the command still knows it.</remarks>
/// <typeparam name="T">What he gets.</typeparam>
internal abstract class GatheredCall<T> : IValueTaskSource<T>
{
    private ManualResetValueTaskSourceCore<T> _core;
    private CancellationTokenRegistration _cancellation;
    private int _isOver;
    private bool _isReusable;

    /// <summary>The key it is about.</summary>
    internal string Key { get; private set; } = "";

    internal CancellationToken CancellationToken { get; private set; }

    /// <summary>Whether nobody waits for it any more.</summary>
    internal bool IsOver => Volatile.Read(ref _isOver) != 0;

    public T GetResult(short token)
    {
        var isReusable = _isReusable && token == _core.Version;
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            if (isReusable)
            {
                _core.Reset();
                _isOver = 0;
                _isReusable = false;
                _cancellation = default;
                CancellationToken = default;
                Key = "";
                Recycle();
            }
        }
    }

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    /// <summary>Begins the wait.</summary>
    private protected ValueTask<T> Begin(string key, CancellationToken cancellationToken)
    {
        Key = key;
        CancellationToken = cancellationToken;
        if (cancellationToken.CanBeCanceled)
        {
            _cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((GatheredCall<T>)state!).Cancel(token), this); // the state is the wait
        }

        return new(this, _core.Version);
    }

    /// <summary>Ends the wait. The caller goes on on this thread.</summary>
    internal void SetResult(T result)
    {
        if (TryEnd())
        {
            _core.SetResult(result);
        }
    }

    /// <summary>Ends the wait with a failure.</summary>
    internal void SetException(Exception exception)
    {
        if (TryEnd())
        {
            _core.SetException(exception);
        }
    }

    /// <summary>Waits for something else in place of the shared command.</summary>
    internal void Await(ValueTask<T> alone)
    {
        var awaiter = alone.ConfigureAwait(false).GetAwaiter();
        if (awaiter.IsCompleted)
        {
            End();
        }
        else
        {
            awaiter.UnsafeOnCompleted(End);
        }

        void End()
        {
            T result;
            try
            {
                result = awaiter.GetResult();
            }
            catch (Exception exception)
            {
                SetException(exception);
                return;
            }

            SetResult(result);
        }
    }

    /// <summary>Makes it ready for the next caller: nobody knows it any more.</summary>
    private protected abstract void Recycle();

    private bool TryEnd()
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0)
        {
            return false;
        }

        // If the cancellation is running just now, it finds that this is over; but it may find that late.
        _isReusable = !CancellationToken.CanBeCanceled || _cancellation.Unregister();
        return true;
    }

    private void Cancel(CancellationToken token)
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 0)
        {
            _core.RunContinuationsAsynchronously = true;
            _core.SetException(new OperationCanceledException(token));
        }
    }
}
