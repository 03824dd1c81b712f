namespace CacheKit.Tests.Consistency;

/// <summary>A factory that says when it has begun, and goes on when it is told how.</summary>
internal sealed class HeldFactory<T>(params string[] lateTags)
{
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<T> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _runs;

    /// <summary>Completes when the factory runs.</summary>
    internal Task Begun => _begun.Task;

    internal int Runs => Volatile.Read(ref _runs);

    internal CancellationToken Token { get; private set; }

    internal CacheEntryContext? Context { get; private set; }

    internal void Return(T value) => _end.SetResult(value);

    internal void Throw(Exception exception) => _end.SetException(exception);

    /// <summary>The factory of one value.</summary>
    internal async ValueTask<T> RunAsync(CacheEntryContext context, CancellationToken cancellationToken)
    {
        Context = context;
        var value = await HoldAsync(cancellationToken).ConfigureAwait(false);
        context.AddTags(lateTags);
        return value;
    }

    /// <summary>The factory of many values: the same for every key.</summary>
    internal async ValueTask<IReadOnlyDictionary<string, T>> RunManyAsync(CacheBatchContext context, CancellationToken cancellationToken)
    {
        var value = await HoldAsync(cancellationToken).ConfigureAwait(false);
        foreach (var key in context.Keys)
        {
            context.For(key).AddTags(lateTags);
        }

        return context.Keys.ToDictionary(static key => key, _ => value);
    }

    private Task<T> HoldAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _runs);
        Token = cancellationToken;
        _begun.TrySetResult();
        return _end.Task;
    }
}
