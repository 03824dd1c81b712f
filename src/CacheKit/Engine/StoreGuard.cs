using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Engine;

/// <summary>What stands between a cache and one of its stores: turns misfortune into "no answer".</summary>
/// <remarks>
/// <para>Every call is made within a time limit and under a <see cref="CircuitBreaker"/>. Whatever the store throws, and whenever, is
/// counted, logged and answered by <see cref="StoreAnswer{T}"/>; only a caller's own cancellation and misuse come out as exceptions.</para>
/// <para>A call that takes too long, or whose caller goes, is told so by its token and then left alone: its caller goes on at once. What it
/// brings in the end is disposed; if it was to change something, the listener learns that it may have.</para>
/// <para>A call that the store completes synchronously costs no allocation, no timer and no registration: there was no time to be limited.</para>
/// </remarks>
internal sealed class StoreGuard : IAsyncDisposable
{
    /// <summary>How long a store may take to close. Beyond that the application goes on ending without it.</summary>
    internal static readonly TimeSpan DisposalPatience = TimeSpan.FromSeconds(10);

    /// <summary>How long the next key of a listing may take, if not longer: a store may have to go through much that is not meant.</summary>
    internal static readonly TimeSpan ListingPatience = TimeSpan.FromSeconds(30);

    /// <summary>Any key will do: a probe asks whether there is an answer, not what it is.</summary>
    private const string ProbeKey = "cachekit:probe";

    // A token has to be handed over before it is known whether the call will wait. One that was not cancelled is used again.
    [ThreadStatic]
    private static CancellationTokenSource? _spareSource;

    [ThreadStatic]
    private static StoreReadProgress? _spareProgress;

    private readonly ICacheStore _store;
    private readonly TimeProvider _time;
    private readonly TimeSpan _readTimeout;
    private readonly TimeSpan _writeTimeout;
    private readonly TimeSpan _openFor;
    private readonly TimeSpan _maximumOpenFor;
    private readonly StoreWaits _reads;
    private readonly StoreWaits _changes;
    private readonly StoreWaits _listings;
    private readonly CircuitBreaker _circuit;
    private readonly StoreReporter _reporter;
    private readonly WeakTimer<StoreGuard> _probeTimer;
    private bool _isProbeWanted;
    private int _isDisposed;

    internal StoreGuard(
        string cacheName, ICacheStore store, CacheStoreOptions options, TimeProvider time, ILogger logger, CacheInstruments? instruments = null)
    {
        _store = store;
        _time = time;
        _readTimeout = Patience.Of(options.ReadTimeout) ?? Timeout.InfiniteTimeSpan;
        _writeTimeout = Patience.Of(options.WriteTimeout) ?? Timeout.InfiniteTimeSpan;
        _reads = new(_readTimeout, time);
        _changes = new(_writeTimeout, time);
        _listings = new(_readTimeout >= TimeSpan.Zero && _readTimeout < ListingPatience ? ListingPatience : _readTimeout, time);
        _openFor = options.OpenFor;
        _maximumOpenFor = options.MaximumOpenFor;
        _circuit = new CircuitBreaker(options, time);
        _reporter = new StoreReporter(cacheName, store.Name, instruments, logger, time, store as IStoreHealth);
        _probeTimer = new WeakTimer<StoreGuard>(this, static guard => _ = guard.ProbeAsync(), time);
        Name = store.Name;
    }

    internal string Name { get; }

    /// <summary>What the store can do beyond the six members. For asking, not for calling.</summary>
    internal ICacheStore Store => _store;

    internal StoreReporter Reporter => _reporter;

    internal IStoreGuardListener? Listener { get; set; }

    internal CircuitState Circuit => _circuit.State;

    internal CacheTierStatistics Snapshot(long pendingRecoveries = 0) =>
        _reporter.Snapshot(_circuit.State, pendingRecoveries, _store is IBoundedStore bounded ? bounded.MissingBytes : 0, (_store as IStoreHealth)?.Trouble);

    internal ValueTask<StoreAnswer<StoreLookup>> ReadAsync(
        string key, in StoreReadOptions options, CancellationToken cancellationToken, StoreOperation countedAs = StoreOperation.Read)
    {
        var progress = _spareProgress ?? new();
        _spareProgress = null;
        return RunAsync(countedAs, key, (key, options: options with { Progress = progress }),
            static (store, call, token) => store.ReadAsync(call.key, call.options, token), cancellationToken, progress);
    }

    /// <remarks>The bytes of a write that was given up must be left as they are for good: the store may still read them.</remarks>
    internal ValueTask<StoreAnswer<StoreWriteResult>> WriteAsync(
        string key, in StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        RunAsync(StoreOperation.Write, key, (key, entry, condition),
            static (store, call, token) => store.WriteAsync(call.key, call.entry, call.condition, token), cancellationToken);

    internal ValueTask<StoreAnswer<StoreInvalidation>> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) =>
        RunAsync(StoreOperation.Invalidate, key, (key, kind),
            static (store, call, token) => store.InvalidateAsync(call.key, call.kind, token), cancellationToken);

    internal ValueTask<StoreAnswer<long>> InvalidateTagsAsync(
        IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        RunAsync(StoreOperation.InvalidateTags, tags, (tags, match, kind),
            static (store, call, token) => store.InvalidateTagsAsync(call.tags, call.match, call.kind, token), cancellationToken);

    internal ValueTask<StoreAnswer<long>> ClearAsync(CancellationToken cancellationToken) =>
        RunAsync(StoreOperation.Clear, null, 0, static (store, _, token) => store.ClearAsync(token), cancellationToken);

    internal ValueTask<StoreAnswer<bool>> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        RunAsync(StoreOperation.SetExpiration, key, (key, stamp, expiresAt, retainUntil),
            static (store, call, token) => store.SetExpirationAsync(call.key, call.stamp, call.expiresAt, call.retainUntil, token), cancellationToken);

    /// <summary>Makes a call of the store: of a capability, say. The typed members above are short for this.</summary>
    /// <param name="operation">What it is.</param>
    /// <param name="subject">The key, or the keys or tags as a list: for the statistics and, if a key, the log at Debug.</param>
    /// <param name="state">What the call needs, so that the delegate need not be created for it.</param>
    /// <param name="call">Makes the call. The token is cancelled when nobody waits for it any more.</param>
    /// <param name="cancellationToken">The caller's own: ends its wait with an <see cref="OperationCanceledException"/>.</param>
    /// <param name="progress">Where the store says that another part has come, for which there is as much time again.</param>
    /// <returns>The answer, which the caller disposes if there is something to dispose, or none.</returns>
    internal ValueTask<StoreAnswer<TResult>> RunAsync<TState, TResult>(
        StoreOperation operation, object? subject, TState state, Func<ICacheStore, TState, CancellationToken, ValueTask<TResult>> call,
        CancellationToken cancellationToken, StoreReadProgress? progress = null)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<StoreAnswer<TResult>>(cancellationToken);
        }

        if (IsDisposed || !_circuit.TryEnter(out var pass))
        {
            _reporter.Counters.Refusal();
            return new(StoreAnswer<TResult>.None(StoreAnswerStatus.Refused));
        }

        var source = TakeSource();
        var started = _time.GetTimestamp();
        ValueTask<TResult> pending;
        try
        {
            pending = call(_store, state, source.Token);
        }
        catch (Exception exception)
        {
            GiveBack(source, progress: null);
            return new(Conclude<TResult>(operation, subject, exception, started, pass));
        }

        if (!pending.IsCompletedSuccessfully)
        {
            return WaitAsync(operation, subject, pending, source, started, pass, progress, cancellationToken);
        }

        GiveBack(source, progress);
        return new(Conclude(operation, subject, pending.Result, started, pass));
    }

    /// <summary>Asks for a look at the store, without which nobody might ever find out that it answers again.</summary>
    /// <param name="attempt">How many times it has been of no use lately: each doubles the wait before the next.</param>
    /// <remarks>
    /// Goes on until <see cref="IStoreGuardListener.OnReachable"/> has been called, once. While the circuit is open, it looks as soon as that allows a try.
    /// </remarks>
    internal void RequestProbe(int attempt = 0)
    {
        Volatile.Write(ref _isProbeWanted, true);
        var delay = _openFor;
        for (; attempt > 0 && delay < _maximumOpenFor; attempt--)
        {
            delay *= 2;
        }

        var untilTry = _circuit.UntilNextTry;
        _probeTimer.Start(_circuit.State != CircuitState.Closed ? untilTry : delay < _maximumOpenFor ? delay : _maximumOpenFor);
    }

    /// <summary>Looks at a store that is used at once, since there is word that it cannot be reached any more: so that it need not be found out at a caller's expense, or not at all while nobody calls.</summary>
    internal void LookWhetherLost()
    {
        if (_circuit.State == CircuitState.Closed)
        {
            LookNow();
        }
    }

    /// <summary>Looks at a store that has failed, or has been left alone, at once, since there is word that it can be reached again.</summary>
    internal void TryAgain()
    {
        if (_circuit.State != CircuitState.Closed || _reporter.Counters.HasFailedLast)
        {
            _circuit.AllowTry();
            LookNow();
        }
    }

    /// <summary>Makes no more calls, and disposes the store. Calls that are under way count as nothing any more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        _probeTimer.Dispose();
        _reads.Dispose();
        _changes.Dispose();
        _listings.Dispose();
        try
        {
            var disposal = _store.DisposeAsync().AsTask();
            Observe(disposal);
            await disposal.WaitAsync(DisposalPatience, _time).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _reporter.DisposalFailed(exception);
        }

        _circuit.Dispose();
        _reporter.Dispose();
    }

    private bool IsDisposed => Volatile.Read(ref _isDisposed) != 0;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreAnswer<TResult>> WaitAsync<TResult>(
        StoreOperation operation, object? subject, ValueTask<TResult> pending, CancellationTokenSource source, long started, CircuitPass pass,
        StoreReadProgress? progress, CancellationToken cancellationToken)
    {
        var waits = operation == StoreOperation.Enumerate ? _listings : operation.IsRead() ? _reads : _changes;
        if (await waits.WaitAsync(pending, started, cancellationToken, out var wait, progress).ConfigureAwait(false) == StoreWaitEnd.Ended)
        {
            TResult result;
            try
            {
                result = pending.GetAwaiter().GetResult(); // it has ended
            }
            catch (Exception exception)
            {
                GiveBack(source, progress: null);
                return Conclude<TResult>(operation, subject, exception, started, pass);
            }

            GiveBack(source, progress);
            return Conclude(operation, subject, result, started, pass);
        }

        Observe(source.CancelAsync());
        EndLate(wait!, pending); // there is one if there was something to wait for
        if (cancellationToken.IsCancellationRequested)
        {
            _circuit.Withdrawn(pass);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return ConcludeTimeout<TResult>(operation, subject, started, pass);
    }

    private StoreAnswer<TResult> Conclude<TResult>(StoreOperation operation, object? subject, TResult result, long started, CircuitPass pass)
    {
        _reporter.Waited(operation.MetricName(), _time.GetElapsedTime(started), operation.IsRead(), "answered");
        _reporter.Counters.Success();
        Count(operation, subject, result);
        NoteAnswer(pass);
        return StoreAnswer<TResult>.Of(result);
    }

    private StoreAnswer<TResult> Conclude<TResult>(StoreOperation operation, object? subject, Exception exception, long started, CircuitPass pass)
    {
        if (IsDisposed)
        {
            return StoreAnswer<TResult>.None(StoreAnswerStatus.Refused);
        }

        var failure = exception is CacheStoreException { Failure: StoreFailure.Transient or StoreFailure.Permanent or StoreFailure.WritesRefused } known ? known.Failure : StoreFailure.Unavailable;
        _reporter.Waited(operation.MetricName(), _time.GetElapsedTime(started), operation.IsRead(), "failed");
        _reporter.Failed(operation.MetricName(), subject as string, failure, exception);
        if (failure == StoreFailure.Permanent)
        {
            NoteAnswer(pass); // a no is an answer: the store is there
            return StoreAnswer<TResult>.None(StoreAnswerStatus.Denied);
        }

        if (failure == StoreFailure.WritesRefused)
        {
            NoteAnswer(pass); // as well, though it is worth another try
        }
        else
        {
            NoteFailure(pass);
        }

        return StoreAnswer<TResult>.None(StoreAnswerStatus.Failed);
    }

    private StoreAnswer<TResult> ConcludeTimeout<TResult>(StoreOperation operation, object? subject, long started, CircuitPass pass)
    {
        if (IsDisposed)
        {
            return StoreAnswer<TResult>.None(StoreAnswerStatus.Refused);
        }

        _reporter.Waited(operation.MetricName(), _time.GetElapsedTime(started), operation.IsRead(), "timed_out");
        _reporter.TimedOut(operation.MetricName(), subject as string, operation.IsRead() ? _readTimeout : _writeTimeout);
        NoteFailure(pass);
        return StoreAnswer<TResult>.None(StoreAnswerStatus.TimedOut);
    }

    private void NoteAnswer(CircuitPass pass)
    {
        if (_circuit.Succeeded(pass))
        {
            _reporter.CircuitClosed();
            TellReachable();
        }
    }

    private void NoteFailure(CircuitPass pass)
    {
        if (!_circuit.Failed(pass))
        {
            return;
        }

        _reporter.CircuitOpened(_openFor);
        if (Volatile.Read(ref _isProbeWanted))
        {
            StartProbeTimer();
        }

        Tell(static (guard, listener) => listener.OnOpened(guard));
    }

    private void Count<TResult>(StoreOperation operation, object? subject, TResult result)
    {
        switch (operation)
        {
            case StoreOperation.Read when typeof(TResult) == typeof(StoreLookup):
                Count(Unsafe.As<TResult, StoreLookup>(ref result), subject as string); // a cast would box
                break;
            case StoreOperation.Read when result is IReadOnlyList<StoreLookup> lookups:
                foreach (var lookup in lookups)
                {
                    Count(lookup, key: null);
                }

                break;
            case StoreOperation.Read when typeof(TResult) == typeof(IStoreReadStream):
                _reporter.Counters.Read(result is not null);
                break;
            case StoreOperation.Write or StoreOperation.Increment or StoreOperation.SetExpiration:
                _reporter.Counters.Write(CountOf(subject));
                break;
            case StoreOperation.Invalidate:
                _reporter.Counters.Removal(CountOf(subject));
                break;
            case StoreOperation.InvalidateTags or StoreOperation.Clear:
                _reporter.Counters.Removal(1);
                break;
        }
    }

    private void Count(in StoreLookup lookup, string? key)
    {
        _reporter.Counters.Read(lookup.IsFound);
        if (lookup.IsUnreadable)
        {
            _reporter.Unreadable(key);
        }
    }

    private static int CountOf(object? subject) => subject is IReadOnlyCollection<string> keys ? keys.Count : 1;

    /// <summary>Sees, for nobody, to the end of a call that was given up.</summary>
    private static void EndLate<TResult>(StoreWaits.Wait wait, ValueTask<TResult> call) => wait.TakeLate(() =>
    {
        TResult result;
        try
        {
            result = call.GetAwaiter().GetResult(); // it has ended
        }
        catch (Exception)
        {
            return;
        }

        _ = DiscardAsync(result).AsTask();
    });

    /// <summary>Gives back what a result holds: rented bytes, or a lock that nobody will use.</summary>
    private static async ValueTask DiscardAsync(object? result)
    {
        try
        {
            switch (result)
            {
                case IAsyncDisposable disposable:
                    await disposable.DisposeAsync().ConfigureAwait(false);
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
                case IEnumerable<StoreLookup> lookups:
                    foreach (var lookup in lookups)
                    {
                        lookup.Dispose();
                    }

                    break;
            }
        }
        catch (Exception)
        {
            // The store's own affair: nobody waits for this any more.
        }
    }

    private async Task ProbeAsync()
    {
        if (IsDisposed || !Volatile.Read(ref _isProbeWanted))
        {
            return;
        }

        // If the circuit is open, the probe is the call that closes it, and that is told where it is found out.
        var isOpen = _circuit.State != CircuitState.Closed;
        var answer = await RunAsync(StoreOperation.Probe, null, 0,
            static (store, _, token) => store.ReadAsync(ProbeKey, new() { WithoutPayload = true }, token), CancellationToken.None).ConfigureAwait(false);
        if (!answer.IsAnswered && answer.Status != StoreAnswerStatus.Denied)
        {
            StartProbeTimer();
            return;
        }

        if (!isOpen)
        {
            TellReachable();
        }

        await DiscardAsync(answer.Result).ConfigureAwait(false);
    }

    private void LookNow()
    {
        Volatile.Write(ref _isProbeWanted, true);
        _probeTimer.Start(TimeSpan.Zero);
    }

    /// <summary>For the next try that an open circuit allows. If it is closed all the same, for as long as it would be open.</summary>
    private void StartProbeTimer() => _probeTimer.Start(_circuit.State == CircuitState.Closed ? _openFor : _circuit.UntilNextTry);

    private void TellReachable()
    {
        Volatile.Write(ref _isProbeWanted, false);
        Tell(static (guard, listener) => listener.OnReachable(guard));
    }

    private void Tell(Action<StoreGuard, IStoreGuardListener> message)
    {
        try
        {
            if (Listener is { } listener && !IsDisposed)
            {
                message(this, listener);
            }
        }
        catch (Exception exception)
        {
            _reporter.ListenerFailed(exception);
        }
    }

    private static CancellationTokenSource TakeSource()
    {
        var source = _spareSource ?? new();
        _spareSource = null; // a store may call a cache that calls a store
        return source;
    }

    private static void GiveBack(CancellationTokenSource source, StoreReadProgress? progress)
    {
        // None after a failure: parts that are on their way may still be told of.
        _spareProgress = progress ?? _spareProgress;
        if (source.TryReset())
        {
            _spareSource = source;
        }
    }

    /// <summary>Takes note of how a task ends that nobody waits for, so that its failure is not reported as overlooked.</summary>
    internal static void Observe(Task task) =>
        task.ContinueWith(static task => _ = task.Exception, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
