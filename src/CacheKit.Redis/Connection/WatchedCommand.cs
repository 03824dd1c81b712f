using System.Threading.Tasks.Sources;

namespace CacheKit.Redis.Connection;

/// <summary>The wait for one command: it ends with the command, with its limit, or with the caller's patience, whichever is first.</summary>
/// <typeparam name="T">What the command returns.</typeparam>
internal class WatchedCommand<T> : IValueTaskSource<T>, IWatched
{
    private readonly RedisConnection _connection;
    private readonly CommandWatch _watch;
    private readonly RedisLink _link;
    private readonly string? _key;

    private volatile Task<T> _command;

    private ManualResetValueTaskSourceCore<T> _core;
    private CancellationTokenRegistration _cancellation;
    private int _slot;
    private int _isOver;

    protected WatchedCommand(RedisConnection connection, CommandWatch watch, RedisLink link, Task<T> command, string? key)
    {
        _connection = connection;
        _watch = watch;
        _link = link;
        _command = command;
        _key = key;
        BeganAt = watch.Now;
    }

    public long BeganAt { get; }

    /// <summary>Waits for a command.</summary>
    /// <returns>The wait; <see langword="null"/> if the watch has no place for it.</returns>
    internal static ValueTask<T>? TryBegin(
        RedisConnection connection, CommandWatch watch, RedisLink link, Task<T> command, string? key, CancellationToken cancellationToken) =>
        new WatchedCommand<T>(connection, watch, link, command, key).TryBegin(cancellationToken);

    private protected ValueTask<T>? TryBegin(CancellationToken cancellationToken)
    {
        _slot = _watch.TryEnter(this);
        if (_slot < 0)
        {
            return null;
        }

        if (cancellationToken.CanBeCanceled)
        {
            _cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((WatchedCommand<T>)state!).Cancel(token), this); // the state is the wait
        }

        _command.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(OnCompleted);
        return new(this, _core.Version);
    }

    /// <summary>What to send in place of a command that has failed; <see langword="null"/>: nothing, that was the answer.</summary>
    private protected virtual Task<T>? Again(Task<T> failed) => null;

    public void GiveUp()
    {
        if (TryEnd())
        {
            Abandoned.Observe(_command);
            _core.RunContinuationsAsynchronously = true;
            _core.SetException(_connection.OnFailure(_link, new TimeoutException("The command was given up."), _key));
        }
    }

    public T GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void Cancel(CancellationToken token)
    {
        if (TryEnd())
        {
            Abandoned.Observe(_command);
            _core.RunContinuationsAsynchronously = true;
            _core.SetException(new OperationCanceledException(token));
        }
    }

    private void OnCompleted()
    {
        var command = _command;
        if (!command.IsCompletedSuccessfully && Volatile.Read(ref _isOver) == 0 && Again(command) is { } again)
        {
            _command = again;
            again.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(OnCompleted);
            return;
        }

        if (!TryEnd())
        {
            // Given up. Its failure is nobody's.
            _ = command.Exception;
            return;
        }

        // Not waited for: if the cancellation is running just now, it finds that this is over.
        _cancellation.Unregister();
        if (command.IsCompletedSuccessfully)
        {
            _connection.OnSuccess();
            _core.SetResult(command.Result);
        }
        else
        {
            var exception = command.Exception?.InnerException ?? new TaskCanceledException(command);
            _core.SetException(_connection.OnFailure(_link, exception, _key));
        }
    }

    private bool TryEnd()
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0)
        {
            return false;
        }

        _watch.Leave(_slot);
        return true;
    }
}
