using System.Threading.Tasks.Sources;

namespace CacheKit.Redis.Connection;

/// <summary>The wait for one command: it ends with the command, with its limit, or with the caller's patience, whichever is first.</summary>
/// <typeparam name="T">What the command returns.</typeparam>
internal class WatchedCommand<T> : Watched<T>, IValueTaskSource<T>
{
    private readonly RedisConnection _connection;
    private readonly RedisLink _link;
    private readonly string? _key;

    private ManualResetValueTaskSourceCore<T> _core;
    private CancellationTokenRegistration _cancellation;

    protected WatchedCommand(RedisConnection connection, CommandWatch watch, RedisLink link, string? key)
        : base(watch)
    {
        _connection = connection;
        _link = link;
        _key = key;
    }

    /// <summary>Waits for a command.</summary>
    /// <returns>The wait; <see langword="null"/> if the watch has no place for it.</returns>
    internal static ValueTask<T>? TryBegin(
        RedisConnection connection, CommandWatch watch, RedisLink link, Task<T> command, string? key, CancellationToken cancellationToken) =>
        new WatchedCommand<T>(connection, watch, link, key).TryBegin(command, cancellationToken);

    private protected ValueTask<T>? TryBegin(Task<T> command, CancellationToken cancellationToken)
    {
        if (!TryWatch(command))
        {
            return null;
        }

        if (cancellationToken.CanBeCanceled)
        {
            _cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((WatchedCommand<T>)state!).Cancel(token), this); // the state is the wait
        }

        Await(command);
        return new(this, _core.Version);
    }

    public T GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private protected override void OnEnded(Task<T> command)
    {
        // Not waited for: if the cancellation is running just now, it finds that this is over.
        _cancellation.Unregister();
        if (command.IsCompletedSuccessfully)
        {
            _connection.OnSuccess();
            _core.SetResult(command.Result);
        }
        else
        {
            _core.SetException(_connection.OnFailure(_link, Failure(command), _key));
        }
    }

    private protected override void OnGivenUp()
    {
        Abandon();
        _core.RunContinuationsAsynchronously = true;
        _core.SetException(_connection.OnFailure(_link, new TimeoutException("The command was given up."), _key));
    }

    private void Cancel(CancellationToken token)
    {
        if (TryEnd())
        {
            Abandon();
            _core.RunContinuationsAsynchronously = true;
            _core.SetException(new OperationCanceledException(token));
        }
    }
}
