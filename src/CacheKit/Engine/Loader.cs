using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Runs factories, and stores what they make if nothing has overtaken it.</summary>
internal sealed class Loader
{
    /// <summary>How long a value stands in for one that could not be made, before the next attempt.</summary>
    internal static readonly TimeSpan DefaultRetryAfterFailure = TimeSpan.FromSeconds(5);

    private readonly Flights _flights;
    private readonly TagClock _tags;
    private readonly MemoryTier _memory;
    private readonly EntryLife _life;
    private readonly EntryWriter _writer;
    private readonly CacheReporter _reporter;
    private readonly CacheEntryOptions _defaults;
    private readonly TimeProvider _time;
    private readonly Faults _faults;
    private readonly StoreLoader? _stores;
    private readonly RefreshPauses _pauses;

    internal Loader(
        Flights flights, TagClock tags, MemoryTier memory, EntryLife life, EntryWriter writer, CacheReporter reporter,
        CacheEntryOptions defaults, TimeProvider time, Faults faults, StoreLoader? stores)
    {
        _flights = flights;
        _tags = tags;
        _memory = memory;
        _life = life;
        _writer = writer;
        _reporter = reporter;
        _defaults = defaults;
        _time = time;
        _faults = faults;
        _stores = stores;
        _pauses = new(life);
    }

    /// <summary>Whether values are kept in stores alone.</summary>
    internal bool KeepsNothing => _stores is { HasMemory: false };

    /// <summary>Whether a value that a store has given is to be refreshed: unless that has just failed.</summary>
    internal bool IsToBeRefreshed(Flight flight) => flight.IsDue && !_pauses.Covers(flight.Key);

    /// <summary>
    /// Runs the factory of one flight, after the stores were asked, if they have not been. Returns once it is running; the flight has the outcome.
    /// </summary>
    internal void Start<TState, T>(
        Flight<T> flight, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, bool hasStale, bool isBackground, bool areStoresAsked = false)
    {
        var run = new Run(this, [flight], options, isBackground) { AreStoresAsked = areStoresAsked };
        if (MustOffload(run, options, hasStale))
        {
            Offload((Loader: this, run, flight, state, factory, options), static work => work.Loader.RunAsync(work.run, work.flight, work.state, work.factory, work.options));
        }
        else
        {
            // Up to its first await the factory has this thread: one that called from inside another keeps that waiting.
            var outer = NestedFlights.Waiter;
            NestedFlights.Enter(outer, flight);
            _ = RunAsync(run, flight, state, factory, options);
            NestedFlights.Exit(outer, flight);
        }
    }

    /// <summary>
    /// Runs the factory of one flight on this thread, for a cache that has only memory and a call without a hard timeout. When it returns, a factory that was done
    /// at once has its value stored and its flight ended, and nothing was made to wait with.
    /// </summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, in a clock or a listener of activities too, happens to the flight.")]
    internal void StartAtOnce<TState, T>(
        Flight<T> flight, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory, CacheEntryOptions? options)
    {
        if (ExecutionContext.Capture() is not { } caller)
        {
            Start(flight, state, factory, options, hasStale: false, isBackground: false); // its flow is suppressed: there is nothing that could be put back
            return;
        }

        var synchronization = SynchronizationContext.Current;
        var outer = NestedFlights.Waiter; // as above
        NestedFlights.Enter(outer, flight);
        try
        {
            NestedFlights.Current = flight.Cancellation;
            _reporter.Counters.FactoryStarted(isBackgroundRefresh: false);
            var started = _time.GetTimestamp();
            var activity = CacheActivity.StartFactory(_reporter.CacheName, isBackground: false);
            var making = Make(flight, state, factory);
            if (activity is null && making.IsCompletedSuccessfully)
            {
                EndFactory(flight, started, null);
                Land(flight, making.Result, flight.Context!, options); // set by whoever started the flight
            }
            else
            {
                _ = FinishAsync(flight, making, activity, started, options);
            }
        }
        catch (Exception exception)
        {
            FailRun(flight, exception, options);
        }
        finally
        {
            NestedFlights.Exit(outer, flight);
            if (!ReferenceEquals(SynchronizationContext.Current, synchronization))
            {
                SynchronizationContext.SetSynchronizationContext(synchronization);
            }

            ExecutionContext.Restore(caller);
        }
    }

    /// <summary>Calls the factory; what it throws at once is as if it had come later.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A factory may throw anything; all of it belongs to those who wait.")]
    private static ValueTask<T> Make<TState, T>(Flight<T> flight, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory)
    {
        try
        {
            return factory(state, flight.Context!, flight.Cancellation.Token); // set by whoever started the flight
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<T>(exception);
        }
    }

    // Never throws, as RunAsync.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A factory may throw anything; all of it belongs to those who wait.")]
    private async Task FinishAsync<T>(Flight<T> flight, ValueTask<T> making, Activity? activity, long started, CacheEntryOptions? options)
    {
        var hasEnded = false;
        try
        {
            T value;
            using (activity)
            {
                try
                {
                    value = await making.ConfigureAwait(false);
                }
                catch (Exception exception) when (CacheActivity.NoteFailure(activity, exception))
                {
                    throw; // not reached: the filter only takes note
                }
            }

            hasEnded = true;
            EndFactory(flight, started, null);
            Land(flight, value, flight.Context!, options); // as above
        }
        catch (Exception exception)
        {
            if (!hasEnded)
            {
                EndFactory(flight, started, exception);
            }

            FailRun(flight, exception, options);
        }
    }

    /// <summary>Notes the end of a factory that ran for one flight.</summary>
    private void EndFactory(Flight flight, long started, Exception? exception)
    {
        flight.Cancellation.HasEnded = true;
        var elapsed = _time.GetElapsedTime(started);
        _reporter.FactoryEnded(elapsed, exception);
        if (_reporter.HasObservers)
        {
            _reporter.TellFactoryEnded(flight.Key, elapsed, exception);
        }
    }

    /// <summary>Ends a flight whose factory, or whose landing, has failed.</summary>
    private void FailRun(Flight flight, Exception exception, CacheEntryOptions? options, bool isBackground = false)
    {
        if (flight.IsCompleted)
        {
            _reporter.LateFactoryFailed(flight.Key, exception);
        }
        else
        {
            FailFlight(flight, exception, options, isBackground);
        }
    }

    /// <summary>Runs one factory for many flights, which share their cancellation.</summary>
    internal void StartBatch<TState, T>(
        IReadOnlyList<Flight<T>> batch, TState state, Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options, bool hasStale, bool isBackground)
    {
        var run = new Run(this, batch, options, isBackground);
        if (MustOffload(run, options, hasStale))
        {
            Offload((Loader: this, run, batch, state, factory, options), static work => work.Loader.RunBatchAsync(work.run, work.batch, work.state, work.factory, work.options));
        }
        else
        {
            var outer = NestedFlights.Waiter; // as above
            NestedFlights.Enter(outer, batch[0]);
            _ = RunBatchAsync(run, batch, state, factory, options);
            NestedFlights.Exit(outer, batch[0]);
        }
    }

    /// <summary>Whether the factory gets a thread of its own: a limit must hold for one that blocks, too.</summary>
    private bool MustOffload(Run run, CacheEntryOptions? options, bool hasStale) =>
        run.IsBackground || run.HardTimeout is not null || ((hasStale || _stores is not null) && Patience.Of(options?.SoftTimeout ?? _defaults.SoftTimeout) is not null);

    // A method of its own: a lambda that captures costs its caller an allocation even where it is not used.
    private static void Offload<TWork>(TWork work, Func<TWork, Task> run) => _ = Task.Run(() => run(work));

    /// <summary>Looks for the value of a flight in the stores, for callers who create nothing.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, happens to the flight.")]
    internal async Task ReadAsync<T>(Flight<T> flight, CacheEntryOptions? options)
    {
        try
        {
            if (!await _stores!.TryLandAsync(flight, options, isRefresh: false).ConfigureAwait(false)) // reads are of caches with stores
            {
                LandWithKept(flight, options);
            }
        }
        catch (Exception exception)
        {
            LandEmpty(flight);
            flight.Fail(exception);
        }
    }

    /// <summary>Ends a look in the stores that has found nothing fresh: with what they have kept past its time, if they have.</summary>
    private void LandWithKept<T>(Flight<T> flight, CacheEntryOptions? options)
    {
        // In this order: who has joined until then may have come after a removal by tag, which is seen only now.
        LandEmpty(flight);
        if (flight.StandIn is null || FindStandIn(flight, options) is not { } stale || !flight.TryCompleteWithStale(stale))
        {
            flight.Complete(default);
        }
    }

    /// <summary>The same for many flights.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, happens to the flights.")]
    internal async Task ReadManyAsync<T>(IReadOnlyList<Flight<T>> batch, CacheEntryOptions? options)
    {
        try
        {
            foreach (var flight in await _stores!.LandManyAsync(batch, options, isRefresh: false).ConfigureAwait(false)) // as above
            {
                LandWithKept(flight, options);
            }
        }
        catch (Exception exception)
        {
            foreach (var flight in batch)
            {
                LandEmpty(flight);
                flight.Fail(exception);
            }
        }
    }

    /// <summary>Ends a flight whose factory will not run after all. Who has joined starts over: what went wrong was not theirs.</summary>
    internal void Abort<T>(Flight<T> flight)
    {
        LandEmpty(flight);
        flight.Complete(new(default!, HasValue: false, IsStale: false, Isolated: null, IsAborted: true)); // no value is read
    }

    /// <summary>The context of a key's factory, which sees the value that the new one replaces.</summary>
    internal CacheEntryContext CreateContext(string key, CacheEntryOptions? options, string[] tags, Flight? flight = null) =>
        new(key, options, _defaults, tags, _memory.Find(key) is var entry && (entry is not null || _stores is not null) ? new StaleEntry(this, entry, flight) : null);

    // Never throws: whatever happens, happens to the flight.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A factory may throw anything; all of it belongs to those who wait.")]
    private async Task RunAsync<TState, T>(
        Run run, Flight<T> flight, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory, CacheEntryOptions? options)
    {
        // Set inside an async method, so that it is undone for the caller.
        NestedFlights.Current = flight.Cancellation;
        DistributedLock turn = default;
        try
        {
            if (_stores is not null)
            {
                if (!run.AreStoresAsked && await TryServeAsync(flight, options, run.IsBackground).ConfigureAwait(false))
                {
                    return;
                }

                run.StartLimit(); // the wait for another node is part of its time
                turn = await _stores.TakeTurnAsync(flight, options, run.IsBackground).ConfigureAwait(false);
                if (turn.IsLanded)
                {
                    run.EndUnused();
                    return;
                }

                ThrowIfAbandoned(flight);
            }

            run.Begin();
            T value;
            var context = flight.Context!; // set by whoever started the flight
            using (var activity = CacheActivity.StartFactory(_reporter.CacheName, run.IsBackground))
            {
                try
                {
                    value = await factory(state, context, flight.Cancellation.Token).ConfigureAwait(false);
                }
                catch (Exception exception) when (CacheActivity.NoteFailure(activity, exception))
                {
                    throw; // not reached: the filter only takes note
                }
            }

            if (!run.TryEnd(null))
            {
                _reporter.Counters.DiscardedResult();
            }
            else if (_stores is null)
            {
                Land(flight, value, context, options);
            }
            else
            {
                await LandWithStoresAsync(flight, value, context, options).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            run.Fail(exception);
        }
        finally
        {
            await turn.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends a flight with what the stores have, if they have it. What is wrong with that is no failure of the factory.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, happens to the flight.")]
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<bool> TryServeAsync<T>(Flight<T> flight, CacheEntryOptions? options, bool isRefresh = false)
    {
        try
        {
            if (!await _stores!.TryLandAsync(flight, options, isRefresh).ConfigureAwait(false)) // asked for only with stores
            {
                return false;
            }
        }
        catch (Exception exception)
        {
            LandEmpty(flight);
            flight.Fail(exception);
        }

        flight.Cancellation.HasEnded = true;
        return true;
    }

    /// <summary>Ends what nobody waits for any more before its factory runs.</summary>
    private static void ThrowIfAbandoned(Flight flight)
    {
        if (flight.Cancellation.IsCancelled)
        {
            flight.Cancellation.Token.ThrowIfCancellationRequested();
        }
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A factory may throw anything; all of it belongs to those who wait.")]
    private async Task RunBatchAsync<TState, T>(
        Run run, IReadOnlyList<Flight<T>> batch, TState state,
        Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory, CacheEntryOptions? options)
    {
        NestedFlights.Current = batch[0].Cancellation;
        try
        {
            if (_stores is not null)
            {
                batch = await _stores.LandManyAsync(batch, options, run.IsBackground).ConfigureAwait(false);
                run.Flights = batch;
                if (batch.Count == 0)
                {
                    run.EndUnused();
                    return;
                }

                ThrowIfAbandoned(batch[0]);
            }

            run.Begin();
            IReadOnlyDictionary<string, T> values;
            var contexts = batch.ToDictionary(static flight => flight.Key, static flight => flight.Context!, StringComparer.Ordinal); // set when started
            var context = new CacheBatchContext([.. contexts.Keys], key => contexts.TryGetValue(key, out var own) ? own : CreateContext(key, options, []));
            using (var activity = CacheActivity.StartFactory(_reporter.CacheName, run.IsBackground))
            {
                try
                {
                    values = await factory(state, context, batch[0].Cancellation.Token).ConfigureAwait(false)
                        ?? throw new InvalidOperationException("The factory of a get-or-create of many keys returned null instead of a dictionary; return an empty one if it found nothing.");
                }
                catch (Exception exception) when (CacheActivity.NoteFailure(activity, exception))
                {
                    throw; // not reached: the filter only takes note
                }
            }

            if (run.TryEnd(null))
            {
                await Task.WhenAll(batch.Select(flight => values.TryGetValue(flight.Key, out var value)
                    ? TryLandAsync(flight, value, contexts[flight.Key], options)
                    : Leave(flight))).ConfigureAwait(false);
            }
            else
            {
                _reporter.Counters.DiscardedResult();
            }
        }
        catch (Exception exception)
        {
            run.Fail(exception);
        }
    }

    // One value that cannot be stored (no copy can be made of it, say) must not fail the others of its batch.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It belongs to those who wait for this key.")]
    private async Task TryLandAsync<T>(Flight<T> flight, T value, CacheEntryContext context, CacheEntryOptions? options)
    {
        try
        {
            if (_stores is null)
            {
                Land(flight, value, context, options);
            }
            else
            {
                await LandWithStoresAsync(flight, value, context, options).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            LandEmpty(flight);
            flight.Fail(exception);
        }
    }

    /// <summary>A batch has left the key of a flight out.</summary>
    private Task Leave<T>(Flight<T> flight)
    {
        LandEmpty(flight);
        flight.Complete(default);
        return Task.CompletedTask;
    }

    /// <summary>Ends a flight with its value, and stores that unless a removal or a newer value has overtaken it.</summary>
    private void Land<T>(Flight<T> flight, T value, CacheEntryContext context, CacheEntryOptions? options)
    {
        var settings = EntrySettings.For(context, options, _defaults);
        var entry = _writer.Compose(flight.Key, value, settings);
        Land(flight, value, entry, context, settings.IsStored, isOvertaken: false);
    }

    /// <summary>The same when stores are written first.</summary>
    private async ValueTask LandWithStoresAsync<T>(Flight<T> flight, T value, CacheEntryContext context, CacheEntryOptions? options)
    {
        var settings = EntrySettings.For(context, options, _defaults);
        var entry = _writer.Compose(flight.Key, value, settings);
        var isOvertaken = await _stores!.StoreAsync(flight, value, entry, settings, context).ConfigureAwait(false); // only with stores
        _writer.LimitInMemory(entry, settings.MemoryExpiration);
        Land(flight, value, entry, context, settings.IsStored, isOvertaken);
        _stores.AnnounceFilled(flight.Key, entry);
    }

    private void Land<T>(Flight<T> flight, T value, MemoryEntry entry, CacheEntryContext context, bool isStored, bool isOvertaken)
    {
        isStored &= !context.IsStoringSkipped;
        var isKept = isStored && (flight.Purpose.Tiers & CacheTiers.WriteMemory) != 0 && _stores is not { HasMemory: false };
        var isTakenIn = false;
        var ended = new EndedEntries();
        var stripe = _flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            var last = _tags.LastInvalidation;
            var stamp = _faults.HasFlag(Faults.StampTakenLate) ? last : flight.Stamp;
            var verdict = _tags.Check(context.CoveringTags, stamp);
            isOvertaken |= !Flights.Land(stripe, flight) | verdict is not (TagVerdict.Live or TagVerdict.Suspect);
            if (isKept && !isOvertaken)
            {
                // One that became suspect meanwhile is asked for again before it is served.
                isTakenIn = _writer.Put(entry, verdict == TagVerdict.Live ? last : stamp, ref ended);
            }
            else if (!isOvertaken && !context.IsStoringSkipped && (!isStored || _stores is not null) && _memory.Find(flight.Key) is { } replaced)
            {
                // Its time is over at once, or it is kept elsewhere: what it replaces is out of date. One that is kept nowhere replaces nothing.
                _memory.Remove(replaced, CacheEntryEndReason.Removed, ref ended);
            }
        }

        if (isOvertaken)
        {
            _reporter.Counters.DiscardedResult();
        }

        flight.Complete(new(value, HasValue: true, IsStale: false, entry as IsolatedEntry));
        _writer.Announce(isKept && !isOvertaken ? entry : null, isTakenIn, in ended);
    }

    /// <summary>Ends what a flight stands for without storing anything.</summary>
    private void LandEmpty(Flight flight)
    {
        var stripe = _flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            Flights.Land(stripe, flight);
        }
    }

    /// <summary>Ends a flight whose factory failed: with the value that may stand in, if there is one, else with the failure.</summary>
    private void FailFlight(Flight flight, Exception exception, CacheEntryOptions? options, bool isBackground)
    {
        var kept = FindStandIn(flight, options, isBackground);
        var retryAt = _life.After(options?.RetryAfterFailure ?? _defaults.RetryAfterFailure ?? DefaultRetryAfterFailure);
        if (isBackground && kept is null)
        {
            _pauses.Begin(flight.Key, retryAt); // before the flight is gone: who comes then would start the next
        }

        var stripe = _flights.StripeOf(flight.Key);
        var ended = new EndedEntries();
        bool isAwaited;
        lock (stripe.Lock)
        {
            isAwaited = flight.Callers > 0;

            // Who comes after this must not try again at once; but if the value was invalidated meanwhile, or all callers
            // have gone, this failure says nothing about the next attempt.
            if (Flights.Land(stripe, flight) && kept?.Details is { } details && _tags.Check(details.Tags, flight.Stamp) == TagVerdict.Live)
            {
                details.RetryAt = retryAt;
                if (ReferenceEquals(kept, flight.StandIn) && _memory.Find(flight.Key) is null)
                {
                    // A store has kept it: memory does until the next attempt, whatever else it keeps.
                    _writer.Put(kept, flight.Stamp, ref ended);
                }
            }
        }

        _writer.Announce(in ended);

        // Looked for again: who has joined since the first look may have come after a removal by tag that it did not see.
        var standIn = FindStandIn(flight, options, isBackground);
        if (isBackground)
        {
            _reporter.BackgroundRefreshFailed(exception);
        }
        else if (standIn is not null && isAwaited)
        {
            _reporter.StaleStoodIn(exception);
        }

        if (standIn is null || !flight.TryCompleteWithStale(standIn))
        {
            flight.Fail(exception);
        }
    }

    /// <summary>The entry that may stand in for a value that could not be made; one that was removed never does.</summary>
    /// <param name="flight">The flight.</param>
    /// <param name="options">The options of the call.</param>
    /// <param name="alsoUnexpired">Whether an entry that has not expired will do: for a refresh that came early, or a soft timeout.</param>
    /// <remarks>
    /// An unexpired entry that the authority should confirm, and cannot, is as good as a stale one: it stands in if it may be stale, or for as long as
    /// unconfirmed entries are served.
    /// </remarks>
    internal MemoryEntry? FindStandIn(Flight flight, CacheEntryOptions? options, bool alsoUnexpired = false)
    {
        if (((flight.ReadsMemory ? _memory.Find(flight.Key) : null) ?? flight.StandIn) is not { } entry)
        {
            return null;
        }

        var state = Judge(entry);
        var standsIn = state switch
        {
            EntryState.Stale => options?.StaleFor != TimeSpan.Zero,
            EntryState.Suspect => (flight.IsAuthoritySilent && options?.StaleFor != TimeSpan.Zero && entry.Details is { StaleForTicks: > 0 })
                || (alsoUnexpired && _stores!.MayTrust(entry)), // nothing is suspect without stores
            EntryState.Gone => false,
            _ => alsoUnexpired,
        };
        return standsIn && !entry.HasLeft ? entry : null;
    }

    private EntryState Judge(MemoryEntry entry)
    {
        var ended = new EndedEntries();
        var state = _life.Judge(entry, isRead: false, ref ended);
        _writer.Announce(in ended);
        return state;
    }

    /// <summary>One running of a factory, for one flight or many: its time, its limit, and that it ends once.</summary>
    private sealed class Run(Loader loader, IReadOnlyList<Flight> flights, CacheEntryOptions? options, bool isBackground)
    {
        private readonly FlightCancellation _cancellation = flights[0].Cancellation; // all of them have the same
        private bool _hasBegun;
        private long _started;
        private ITimer? _limit;
        private int _hasEnded;

        internal bool IsBackground => isBackground;

        internal bool AreStoresAsked { get; init; }

        /// <summary>The flights that the factory is for: fewer than at first, if the stores had the values of some.</summary>
        internal IReadOnlyList<Flight> Flights { get; set; } = flights;

        internal TimeSpan? HardTimeout { get; } = Patience.Of(options?.HardTimeout ?? loader._defaults.HardTimeout);

        /// <summary>Notes that no factory is needed after all.</summary>
        internal void EndUnused()
        {
            _hasEnded = 1;
            _cancellation.HasEnded = true;
        }

        internal void Begin()
        {
            _hasBegun = true;
            loader._reporter.Counters.FactoryStarted(isBackground);
            _started = loader._time.GetTimestamp();
            StartLimit();
        }

        /// <summary>Starts the time limit, if there is one and it has not begun.</summary>
        internal void StartLimit()
        {
            if (_limit is null && HardTimeout is { } limit)
            {
                _limit = loader._time.CreateTimer(static run => ((Run)run!).OnLimit(), this, limit, Timeout.InfiniteTimeSpan); // its state is this
            }
        }

        /// <summary>Notes the end; false if it has ended already, by running into its limit.</summary>
        internal bool TryEnd(Exception? exception)
        {
            if (Interlocked.Exchange(ref _hasEnded, 1) != 0)
            {
                return false;
            }

            _limit?.Dispose();
            _cancellation.HasEnded = true;
            if (!_hasBegun)
            {
                return true;
            }

            var elapsed = loader._time.GetElapsedTime(_started);
            loader._reporter.FactoryEnded(elapsed, exception);
            if (loader._reporter.HasObservers)
            {
                foreach (var flight in Flights)
                {
                    loader._reporter.TellFactoryEnded(flight.Key, elapsed, exception);
                }
            }

            return true;
        }

        internal void Fail(Exception exception)
        {
            TryEnd(exception);
            foreach (var flight in Flights)
            {
                loader.FailRun(flight, exception, options, isBackground);
            }
        }

        private void OnLimit()
        {
            var exception = new TimeoutException($"The cache factory did not finish within its hard timeout of {HardTimeout}.");
            if (TryEnd(exception))
            {
                loader._reporter.HardTimeoutPassed(HardTimeout.GetValueOrDefault());
                try
                {
                    Fail(exception);
                }
                finally
                {
                    _cancellation.Cancel();
                }
            }
        }
    }

    /// <summary>What a factory sees of the value that its own replaces.</summary>
    private sealed class StaleEntry(Loader loader, MemoryEntry? found, Flight? flight) : CacheEntryContext.StaleValue
    {
        internal override string[] Tags => Entry?.Details?.Tags ?? [];

        private MemoryEntry? Entry => found ?? flight?.StandIn;

        internal override CacheLookup<T> Read<T>()
        {
            if (Entry is not { } entry)
            {
                return default;
            }

            var state = loader.Judge(entry);
            return state != EntryState.Gone && !entry.HasLeft && ValueReader.TryRead<T>(entry, out var value)
                ? new(value, isStale: state == EntryState.Stale)
                : default;
        }
    }
}
