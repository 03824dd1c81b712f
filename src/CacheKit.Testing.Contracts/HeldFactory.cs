namespace CacheKit.Testing.Contracts;

/// <summary>A factory that waits until the test lets it go: so a test decides what happens while it runs.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
/// <remarks>
/// <para>It heeds its token only if told to, since many factories do not.</para>
/// <para>What follows the factory runs on the thread that lets it go, as far as it needs no other: when <see cref="Return"/>
/// returns, a cache in memory has stored the value or dropped it. So a test can look at what became of a late value that
/// nobody waits for.</para>
/// </remarks>
public sealed class HeldFactory<T>
{
    private readonly TaskCompletionSource<T> _outcome = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _runs;
    private int _cancellations;

    /// <summary>Whether the factory ends, cancelled, when its token is.</summary>
    public bool HeedsCancellation { get; init; }

    /// <summary>Runs inside the factory when it has been let go, before it returns.</summary>
    public Action<CacheEntryContext>? BeforeReturning { get; init; }

    /// <summary>Completes when the factory runs.</summary>
    public Task Started => _started.Task;

    /// <summary>Completes when the factory's token is cancelled.</summary>
    public Task Cancelled => _cancelled.Task;

    /// <summary>How often the factory was started.</summary>
    public int Runs => Volatile.Read(ref _runs);

    /// <summary>How often its token's cancellation was heard of.</summary>
    public int Cancellations => Volatile.Read(ref _cancellations);

    /// <summary>The context of the last run.</summary>
    public CacheEntryContext? Context { get; private set; }

    /// <summary>The factory.</summary>
    public async ValueTask<T> RunAsync(CacheEntryContext context, CancellationToken cancellationToken)
    {
        Context = context;
        Interlocked.Increment(ref _runs);
        using var registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                Interlocked.Increment(ref _cancellations);
                _cancelled.TrySetResult();
                if (HeedsCancellation)
                {
                    LetGo(outcome => outcome.TrySetCanceled(cancellationToken));
                }
            },
            null);
        _started.TrySetResult();
        var value = await _outcome.Task.ConfigureAwait(false);
        BeforeReturning?.Invoke(context);
        return value;
    }

    /// <summary>Lets the factory return a value.</summary>
    public void Return(T value) => LetGo(outcome => outcome.TrySetResult(value));

    /// <summary>Lets the factory fail.</summary>
    public void Fail(Exception exception) => LetGo(outcome => outcome.TrySetException(exception));

    private void LetGo(Action<TaskCompletionSource<T>> complete)
    {
        // The context of a test framework would have the rest queued.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            complete(_outcome);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }
}
