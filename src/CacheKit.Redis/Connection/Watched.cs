namespace CacheKit.Redis.Connection;

/// <summary>A command under way that ends with its answer or with its limit, whichever is first; the other comes to nothing.</summary>
/// <typeparam name="T">What the command returns.</typeparam>
internal abstract class Watched<T>(CommandWatch watch) : IWatched
{
    private volatile Task<T>? _command;
    private int _slot = -1;
    private int _isOver;

    public long BeganAt { get; private set; }

    /// <summary>Whether it has ended.</summary>
    private protected bool IsOver => Volatile.Read(ref _isOver) != 0;

    public void GiveUp()
    {
        if (TryEnd())
        {
            OnGivenUp();
        }
    }

    /// <summary>Begins to watch a command that has been sent.</summary>
    /// <returns>Whether the watch has a place for it. If not, nothing has begun.</returns>
    private protected bool TryWatch(Task<T> command)
    {
        _command = command;
        BeganAt = watch.Now;
        _slot = watch.TryEnter(this);
        return _slot >= 0;
    }

    /// <summary>Begins to wait for it.</summary>
    private protected void Await(Task<T> command)
    {
        _command = command;
        command.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(OnCompleted);
    }

    /// <summary>Takes the end, which only one can.</summary>
    private protected bool TryEnd()
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0)
        {
            return false;
        }

        watch.Leave(_slot);
        return true;
    }

    /// <summary>Nobody waits for the command any more: its failure is not to be reported as overlooked.</summary>
    private protected void Abandon()
    {
        if (_command is { } command)
        {
            Abandoned.Observe(command);
        }
    }

    /// <summary>Why a command has failed.</summary>
    private protected static Exception Failure(Task<T> failed) => failed.Exception?.InnerException ?? new TaskCanceledException(failed);

    /// <summary>What to send in place of a command that has failed; <see langword="null"/>: nothing, that was the answer.</summary>
    private protected virtual Task<T>? Again(Task<T> failed) => null;

    /// <summary>The command has ended. Called once, unless it was given up.</summary>
    private protected abstract void OnEnded(Task<T> command);

    /// <summary>The limit has come.</summary>
    private protected abstract void OnGivenUp();

    private void OnCompleted()
    {
        var command = _command!; // set before it is waited for
        if (!command.IsCompletedSuccessfully && !IsOver && Again(command) is { } again)
        {
            Await(again);
            return;
        }

        if (TryEnd())
        {
            OnEnded(command);
        }
        else
        {
            // Given up. Its failure is nobody's.
            _ = command.Exception;
        }
    }
}
