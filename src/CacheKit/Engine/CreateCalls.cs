using System.Diagnostics.CodeAnalysis;
using CacheKit.Diagnostics;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>The get-or-creates that a first look in memory has not settled: the story of one call.</summary>
internal sealed class CreateCalls(
    EntryReader reader, EntryLife life, Flights flights, FlightWaiter waiter, Landing landing, Loader loader, MemoryTier memory, CacheReporter reporter,
    CacheEntryOptions defaults, bool hasStores)
{
    private static readonly FlightPurpose _createInMemory = new(IsRead: false, CacheTiers.All);

    /// <summary>Gives the value under a key, and has it made if there is none.</summary>
    internal ValueTask<T> GetOrCreateAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        var tags = TagSet.Create(options?.Tags ?? defaults.Tags);
        return !hasStores && options?.Tiers is null && (options?.HardTimeout ?? defaults.HardTimeout) is null && memory.Find(key) is null
            ? CreateInMemory(key, state, factory, options, tags, cancellationToken)
            : CreateAsync(key, state, factory, options, tags, isFirst: true, cancellationToken);
    }

    /// <summary>The commonest miss: the key is not there, and there is nothing to ask but the factory, which may be done at once.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It reaches the caller.")]
    private ValueTask<T> CreateInMemory<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, string[] tags, CancellationToken cancellationToken)
    {
        life.ObserveTime();
        Boarding<T> boarding;
        try
        {
            boarding = flights.Board<T>(key, judged: null, tags, _createInMemory, mayLeave: cancellationToken.CanBeCanceled);
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<T>(exception);
        }

        if (boarding.Flight is not { } flight)
        {
            return CreateAsync(key, state, factory, options, tags, isFirst: true, cancellationToken); // somebody has stored a value since
        }

        reporter.Counted(boarding.IsLeader ? LookupResult.Miss : LookupResult.Join, isFirst: true);
        if (boarding.IsLeader)
        {
            flight.Context = new(key, options, defaults, tags, stale: null);
            loader.StartAtOnce(flight, state, factory, options);
            if (flight.TryGetOutcome(out var outcome) && !outcome.IsStale && waiter.TryUse(outcome, boarding, out var value))
            {
                return new(value);
            }
        }

        return CreateAboardAsync(boarding, key, state, factory, options, tags, cancellationToken);
    }

    /// <summary>The rest of it, for a caller who is on a flight that has not landed.</summary>
    private async ValueTask<T> CreateAboardAsync<TState, T>(
        Boarding<T> boarding, string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, string[] tags, CancellationToken cancellationToken)
    {
        var outcome = await waiter.WaitAsync(boarding.Flight!, hasStale: false, options, cancellationToken).ConfigureAwait(false); // it is on one
        if (!waiter.TryUse(outcome, boarding, out var value))
        {
            return await CreateAsync(key, state, factory, options, tags, isFirst: false, cancellationToken).ConfigureAwait(false);
        }

        if (outcome.IsStale)
        {
            reporter.StaleServed(key);
        }

        return value;
    }

    private async ValueTask<T> CreateAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, string[] tags, bool isFirst, CancellationToken cancellationToken)
    {
        var purpose = !hasStores && options?.Tiers is null ? _createInMemory : new(IsRead: false, CallOptions.TiersOf(options, defaults));
        while (true)
        {
            // 1. A closer look at what is there.
            var sighting = reader.Look<T>(key, purpose.Tiers);
            if (sighting.IsFresh)
            {
                if (sighting.State == EntryState.Due)
                {
                    Refresh(key, sighting.Entry, state, factory, options, tags);
                }

                reporter.Counted(LookupResult.Hit, isFirst);
                return sighting.Value;
            }

            var hasStale = sighting.State == EntryState.Stale;
            if (hasStale && options?.StaleFor != TimeSpan.Zero && life.IsRetryDelayed(sighting.Entry!)) // a stale value has an entry
            {
                reporter.Counted(LookupResult.Miss, isFirst);
                reporter.StaleServed(key);
                return sighting.Value;
            }

            // 2. Join the flight of the key, or start it: its stamp is taken here, before anything is read.
            var boarding = flights.Board<T>(key, sighting.Entry, tags, purpose, mayLeave: cancellationToken.CanBeCanceled);
            if (boarding.Flight is not { } flight)
            {
                continue; // somebody has stored a value since
            }

            if (!hasStores)
            {
                reporter.Counted(boarding.IsLeader ? LookupResult.Miss : LookupResult.Join, isFirst);
                isFirst = false;
            }

            if (boarding.IsLeader)
            {
                // 3. The stores, if there are any, then the factory. What it makes is stored before the flight ends, unless something has overtaken it.
                flight.Context = loader.CreateContext(key, options, tags, flight);
                var asksFirst = hasStores && CallOptions.StaysAboard(options, defaults, cancellationToken);
                if (!asksFirst || !await loader.TryServeAsync(flight, options).ConfigureAwait(false))
                {
                    loader.Start(flight, state, factory, options, hasStale, isBackground: false, areStoresAsked: asksFirst);
                }
            }

            // 4. Wait, each caller on its own terms; start over if the value is older than a removal seen before.
            FlightOutcome<T> outcome;
            try
            {
                outcome = await waiter.WaitAsync(flight, hasStale, options, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                if (hasStores)
                {
                    // Whether it was a hit is known only now.
                    reporter.Counted(flight.IsFromStore ? LookupResult.Hit : boarding.IsLeader ? LookupResult.Miss : LookupResult.Join, isFirst);
                    isFirst = false;
                }
            }

            if (waiter.TryUse(outcome, boarding, out var value))
            {
                if (outcome.IsStale)
                {
                    reporter.StaleServed(key);
                }
                else if (boarding.IsLeader && landing.IsToBeRefreshed(flight))
                {
                    Refresh(key, memory.Find(key), state, factory, options, tags);
                }

                return value;
            }
        }
    }

    private void Refresh<TState, T>(
        string key, MemoryEntry? entry, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, string[] tags)
    {
        // The background is the one caller of this flight: it ends when the factory does.
        if (loader.BoardRefresh<T>(key, entry, tags, CallOptions.TiersOf(options, defaults)) is { } flight)
        {
            flight.Context = loader.CreateContext(key, options, tags, flight);
            loader.Start(flight, state, factory, options, hasStale: true, isBackground: true);
        }
    }
}
