using System.Diagnostics.CodeAnalysis;

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
        var slot = watch.TryEnter(this);
        Volatile.Write(ref _slot, slot);
        Interlocked.MemoryBarrier();
        if (IsOver)
        {
            // Given up so soon that the slot was not known yet.
            watch.Leave(slot);
        }

        return slot >= 0;
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

        watch.Leave(Volatile.Read(ref _slot));
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

    /// <summary>Gives a command a limit of its own, where the watch has no place for it.</summary>
    private protected virtual Task<T> Limit(Task<T> command) => command;

    /// <summary>What to send in place of a command that has failed; <see langword="null"/>: nothing, that was the answer.</summary>
    private protected virtual Task<T>? Again(Task<T> failed) => null;

    /// <summary>The command has ended. Called once, unless it was given up.</summary>
    private protected abstract void OnEnded(Task<T> command);

    /// <summary>The limit has come.</summary>
    private protected abstract void OnGivenUp();

    /// <summary>Sends something in place of a command that has failed, unless that is the end, or cannot be done either: a client that was closed throws, and nobody is here to catch it.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It is what the command has ended with.")]
    private Task<T>? TryAgain(ref Task<T> failed)
    {
        try
        {
            return Again(failed);
        }
        catch (Exception exception)
        {
            failed = Task.FromException<T>(exception);
            _ = failed.Exception;
            return null;
        }
    }

    private void OnCompleted()
    {
        var command = _command!; // set before it is waited for
        if (!command.IsCompletedSuccessfully && !IsOver && TryAgain(ref command) is { } again)
        {
            Await(_slot >= 0 ? again : Limit(again));
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
