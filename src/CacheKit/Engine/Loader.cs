using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Looks in the stores for flights, and runs factories for them; <see cref="Landing"/> ends them.</summary>
internal sealed class Loader(
    Flights flights, Landing landing, MemoryTier memory, CacheReporter reporter, CacheEntryOptions defaults, TimeProvider time, StoreLoader? stores)
{
    /// <summary>Boards the flight of a refresh in the background.</summary>
    /// <returns><see langword="null"/> if one is under way, or has failed since the caller found the value due: that is not tried again at once.</returns>
    internal Flight<T>? BoardRefresh<T>(string key, MemoryEntry? entry, string[] tags, CacheTiers tiers, FlightCancellation? shared = null)
    {
        var purpose = new FlightPurpose(IsRead: false, tiers, IsRefresh: stores is { HasMemory: false });
        if (flights.Board<T>(key, entry, tags, purpose, shared, onlyStart: true).Flight is not { } flight)
        {
            return null;
        }

        if (landing.MayRefresh(key, entry))
        {
            return flight;
        }

        Abort(flight);
        return null;
    }

    /// <summary>
    /// Runs the factory of one flight, after the stores were asked, if they have not been. Returns once it is running; the flight has the outcome.
    /// </summary>
    internal void Start<TState, T>(
        Flight<T> flight, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, bool hasStale, bool isBackground, bool areStoresAsked = false)
    {
        var run = new FactoryRun(landing, reporter, defaults, time, [flight], options, isBackground) { AreStoresAsked = areStoresAsked };
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
            reporter.Counters.FactoryStarted(isBackgroundRefresh: false);
            var started = time.GetTimestamp();
            var activity = CacheActivity.StartFactory(reporter.CacheName, isBackground: false);
            var making = Make(flight, state, factory);
            if (activity is null && making.IsCompletedSuccessfully)
            {
                EndFactory(flight, started, null);
                landing.Land(flight, making.Result, flight.Context!, options); // set by whoever started the flight
            }
            else
            {
                _ = FinishAsync(flight, making, activity, started, options);
            }
        }
        catch (Exception exception)
        {
            landing.Fail(flight, exception, options);
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
            landing.Land(flight, value, flight.Context!, options); // as above
        }
        catch (Exception exception)
        {
            if (!hasEnded)
            {
                EndFactory(flight, started, exception);
            }

            landing.Fail(flight, exception, options);
        }
    }

    /// <summary>Notes the end of a factory that ran for one flight.</summary>
    private void EndFactory(Flight flight, long started, Exception? exception)
    {
        flight.Cancellation.HasEnded = true;
        var elapsed = time.GetElapsedTime(started);
        reporter.FactoryEnded(elapsed, exception);
        if (reporter.HasObservers)
        {
            reporter.TellFactoryEnded(flight.Key, elapsed, exception);
        }
    }

    /// <summary>Runs one factory for many flights, which share their cancellation.</summary>
    internal void StartBatch<TState, T>(
        IReadOnlyList<Flight<T>> batch, TState state, Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options, bool hasStale, bool isBackground)
    {
        var run = new FactoryRun(landing, reporter, defaults, time, batch, options, isBackground);
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
    private bool MustOffload(FactoryRun run, CacheEntryOptions? options, bool hasStale) =>
        run.IsBackground || run.HardTimeout is not null || ((hasStale || stores is not null) && Patience.Of(options?.SoftTimeout ?? defaults.SoftTimeout) is not null);

    // A method of its own: a lambda that captures costs its caller an allocation even where it is not used.
    private static void Offload<TWork>(TWork work, Func<TWork, Task> run) => _ = Task.Run(() => run(work));

    /// <summary>Looks for the value of a flight in the stores, for callers who create nothing.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, happens to the flight.")]
    internal async Task ReadAsync<T>(Flight<T> flight, CacheEntryOptions? options)
    {
        try
        {
            if (!await stores!.TryLandAsync(flight, options, isRefresh: false).ConfigureAwait(false)) // reads are of caches with stores
            {
                landing.LandWithKept(flight, options);
            }
        }
        catch (Exception exception)
        {
            landing.LandEmpty(flight);
            flight.Fail(exception);
        }
    }

    /// <summary>The same for many flights.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, happens to the flights.")]
    internal async Task ReadManyAsync<T>(IReadOnlyList<Flight<T>> batch, CacheEntryOptions? options)
    {
        try
        {
            foreach (var flight in await stores!.LandManyAsync(batch, options, isRefresh: false).ConfigureAwait(false)) // as above
            {
                landing.LandWithKept(flight, options);
            }
        }
        catch (Exception exception)
        {
            foreach (var flight in batch)
            {
                landing.LandEmpty(flight);
                flight.Fail(exception);
            }
        }
    }

    /// <summary>Ends a flight whose factory will not run after all. Who has joined starts over: what went wrong was not theirs.</summary>
    internal void Abort<T>(Flight<T> flight)
    {
        landing.LandEmpty(flight);
        flight.Complete(new(default!, HasValue: false, IsStale: false, Isolated: null, IsAborted: true)); // no value is read
    }

    /// <summary>The context of a key's factory, which sees the value that the new one replaces.</summary>
    internal CacheEntryContext CreateContext(string key, CacheEntryOptions? options, string[] tags, Flight? flight = null) =>
        new(key, options, defaults, tags, memory.Find(key) is var entry && (entry is not null || stores is not null) ? new ReplacedValue(landing, entry, flight) : null);

    // Never throws: whatever happens, happens to the flight.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A factory may throw anything; all of it belongs to those who wait.")]
    private async Task RunAsync<TState, T>(
        FactoryRun run, Flight<T> flight, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory, CacheEntryOptions? options)
    {
        // Set inside an async method, so that it is undone for the caller.
        NestedFlights.Current = flight.Cancellation;
        DistributedLock turn = default;
        try
        {
            if (stores is not null)
            {
                if (!run.AreStoresAsked && await TryServeAsync(flight, options, run.IsBackground).ConfigureAwait(false))
                {
                    return;
                }

                run.StartLimit(); // the wait for another node is part of its time
                turn = await stores.TakeTurnAsync(flight, options, run.IsBackground).ConfigureAwait(false);
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
            using (var activity = CacheActivity.StartFactory(reporter.CacheName, run.IsBackground))
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
                reporter.Counters.DiscardedResult();
            }
            else if (stores is null)
            {
                landing.Land(flight, value, context, options);
            }
            else
            {
                await landing.LandWithStoresAsync(flight, value, context, options).ConfigureAwait(false);
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
            if (!await stores!.TryLandAsync(flight, options, isRefresh).ConfigureAwait(false)) // asked for only with stores
            {
                return false;
            }
        }
        catch (Exception exception)
        {
            landing.LandEmpty(flight);
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
        FactoryRun run, IReadOnlyList<Flight<T>> batch, TState state,
        Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory, CacheEntryOptions? options)
    {
        NestedFlights.Current = batch[0].Cancellation;
        try
        {
            if (stores is not null)
            {
                batch = await stores.LandManyAsync(batch, options, run.IsBackground).ConfigureAwait(false);
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
            using (var activity = CacheActivity.StartFactory(reporter.CacheName, run.IsBackground))
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
                    ? landing.TryLandAsync(flight, value, contexts[flight.Key], options)
                    : landing.Leave(flight))).ConfigureAwait(false);
            }
            else
            {
                reporter.Counters.DiscardedResult();
            }
        }
        catch (Exception exception)
        {
            run.Fail(exception);
        }
    }
}
