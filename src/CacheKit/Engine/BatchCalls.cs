using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;

namespace CacheKit.Engine;

/// <summary>The calls that concern many keys. Get-or-create has one factory call for those that are missing and that nobody else is making.</summary>
/// <remarks>
/// Each missing key has a flight of its own, which callers of that key alone can join; those that this call leads share one
/// factory and its cancellation. What others are making is waited for only after the own factory was started: so two
/// batches that overlap do not wait for each other.
/// </remarks>
internal sealed class BatchCalls(
    EntryReader reader, EntryEdits edits, EntryLife life, Flights flights, FlightWaiter waiter, Landing landing, Loader loader, CacheReporter reporter,
    CacheEntryOptions defaults, StoreStack? stores)
{
    internal async ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateAsync<TState, T>(
        string[] keys, TState state, Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options, string[] tags, CancellationToken cancellationToken)
    {
        var values = new Dictionary<string, T>(keys.Length, StringComparer.Ordinal);
        var counted = new HashSet<string>(StringComparer.Ordinal);
        IReadOnlyList<string> pending = keys;
        while (pending.Count > 0)
        {
            var again = new List<string>();
            var attempt = new Attempt<T>(cancellationToken.CanBeCanceled);
            try
            {
                foreach (var key in pending)
                {
                    if (!TryServe(key, options, tags, values, attempt, counted))
                    {
                        again.Add(key);
                    }
                }
            }
            catch
            {
                Abort(attempt.Boardings.Select(static boarded => boarded.Boarding));
                throw;
            }

            Start(attempt.Led, state, factory, options, tags, attempt.Boardings.Exists(static boarded => boarded.HasStale), isBackground: false);
            Refresh(attempt.Due, state, factory, options, tags);

            // All at once, so that each is left whatever becomes of the others.
            var boardings = attempt.Boardings;
            FlightOutcome<T>[] outcomes;
            try
            {
                outcomes = await Task.WhenAll(boardings.ConvertAll(
                    boarding => waiter.WaitAsync(boarding.Flight!, boarding.HasStale, options, cancellationToken).AsTask())).ConfigureAwait(false); // each has a flight
            }
            finally
            {
                if (stores is not null)
                {
                    // Which of them were hits is known only now.
                    foreach (var boarded in boardings)
                    {
                        reporter.Counted(
                            boarded.Flight!.IsFromStore ? LookupResult.Hit : boarded.Boarding.IsLeader ? LookupResult.Miss : LookupResult.Join,
                            counted.Add(boarded.Flight.Key));
                    }
                }
            }

            var due = new List<(string Key, Sighting<T> Sighting)>();
            for (var i = 0; i < outcomes.Length; i++)
            {
                var key = boardings[i].Flight!.Key; // as above
                if (waiter.TryUse(outcomes[i], boardings[i].Boarding, out var value))
                {
                    values[key] = value;
                    if (boardings[i].Boarding.IsLeader && landing.IsToBeRefreshed(boardings[i].Flight!)) // as above
                    {
                        due.Add((key, new(EntryState.Due, reader.Find(key), value)));
                    }

                    if (outcomes[i].IsStale)
                    {
                        reporter.StaleServed(key);
                    }
                }
                else if (!boardings[i].Boarding.IsLeader)
                {
                    again.Add(key);
                }
            }

            Refresh(due, state, factory, options, tags);
            pending = again;
        }

        return values;
    }

    /// <summary>Looks many keys up in memory and in the stores, without creating anything.</summary>
    internal ValueTask<IReadOnlyDictionary<string, CacheLookup<T>>> GetAsync<T>(
        string[] keys, CacheEntryOptions? options, CacheTiers tiers, bool allowsStale, CancellationToken cancellationToken) =>
        stores is null
            ? new(keys.ToDictionary(static key => key, key => reader.Get<T>(key, allowsStale), StringComparer.Ordinal))
            : GetThroughStoresAsync<T>(keys, options, tiers, allowsStale, cancellationToken);

    /// <summary>Sets many values; gives how many were stored.</summary>
    internal ValueTask<int> SetAsync<T>(Dictionary<string, T> values, CacheEntryOptions? options)
    {
        if (stores is not null)
        {
            return SetInStoresAsync(stores, values, options);
        }

        var stored = 0;
        foreach (var (key, value) in values)
        {
            if (edits.Set(key, value, EntrySettings.For(options, defaults)))
            {
                reporter.Counters.Set();
                stored++;
            }
        }

        return new(stored);
    }

    /// <summary>Removes many keys; gives how many of them had a value.</summary>
    internal ValueTask<int> RemoveAsync(string[] keys)
    {
        foreach (var _ in keys)
        {
            reporter.Counters.Removal();
        }

        return stores?.Edits.RemoveManyAsync(keys) ?? new(keys.Count(edits.Remove));
    }

    private async ValueTask<int> SetInStoresAsync<T>(StoreStack stores, Dictionary<string, T> values, CacheEntryOptions? options)
    {
        var stored = await stores.Edits.SetManyAsync(values, options).ConfigureAwait(false);
        for (var i = 0; i < stored; i++)
        {
            reporter.Counters.Set();
        }

        return stored;
    }

    private async ValueTask<IReadOnlyDictionary<string, CacheLookup<T>>> GetThroughStoresAsync<T>(
        string[] keys, CacheEntryOptions? options, CacheTiers tiers, bool allowsStale, CancellationToken cancellationToken)
    {
        var lookups = new Dictionary<string, CacheLookup<T>>(keys.Length, StringComparer.Ordinal);
        IReadOnlyList<string> pending = keys;
        while (pending.Count > 0)
        {
            var again = new List<string>();
            var cancellation = new FlightCancellation(cancellationToken.CanBeCanceled);
            var boarded = new List<(Boarding<T> Boarding, Sighting<T> Sighting)>();
            try
            {
                BoardAll(pending, tiers, cancellation, lookups, boarded, again);
            }
            catch
            {
                Abort(boarded.Select(static one => one.Boarding));
                throw;
            }

            var led = boarded.Where(static one => one.Boarding.IsLeader).Select(static one => one.Boarding.Flight!).ToList(); // each has one
            if (led.Count > 0)
            {
                _ = loader.ReadManyAsync(led, options);
            }

            var outcomes = await Task.WhenAll(boarded.ConvertAll(
                one => waiter.WaitAsync(one.Boarding.Flight!, hasStale: false, options, cancellationToken).AsTask())).ConfigureAwait(false); // as above
            for (var i = 0; i < outcomes.Length; i++)
            {
                var (boarding, sighting) = boarded[i];
                var key = boarding.Flight!.Key; // as above
                var isUsable = waiter.TryUse(outcomes[i], boarding, out var value);
                if (isUsable && !outcomes[i].IsStale)
                {
                    reporter.Counters.Hit();
                    lookups.Add(key, new(value));
                }
                else if ((outcomes[i].HasValue && !isUsable) || outcomes[i].IsAborted)
                {
                    again.Add(key);
                }
                else
                {
                    reporter.Counters.Miss();
                    var isStale = allowsStale && (isUsable || reader.LookAgain(sighting).State == EntryState.Stale);
                    lookups.Add(key, isStale ? new(isUsable ? value : sighting.Value, isStale: true) : default);
                    if (isStale)
                    {
                        reporter.StaleServed(key);
                    }
                }
            }

            pending = again;
        }

        return lookups;
    }

    /// <summary>Serves keys from memory, or boards their flights.</summary>
    private void BoardAll<T>(
        IReadOnlyList<string> keys, CacheTiers tiers, FlightCancellation cancellation, Dictionary<string, CacheLookup<T>> lookups,
        List<(Boarding<T> Boarding, Sighting<T> Sighting)> boarded, List<string> again)
    {
        foreach (var key in keys)
        {
            var sighting = reader.Look<T>(key, tiers);
            if (sighting.IsFresh)
            {
                reporter.Counters.Hit();
                lookups.Add(key, new(sighting.Value));
                continue;
            }

            var boarding = flights.Board<T>(key, sighting.Entry, [], new(IsRead: true, tiers), cancellation);
            if (boarding.Flight is null)
            {
                again.Add(key);
            }
            else
            {
                boarded.Add((boarding, sighting));
            }
        }
    }

    private FlightPurpose PurposeOf(CacheEntryOptions? options) => new(IsRead: false, CallOptions.TiersOf(options, defaults));

    /// <summary>Serves a key from memory, or boards its flight; false if somebody has stored a value meanwhile, and it must be looked at again.</summary>
    private bool TryServe<T>(
        string key, CacheEntryOptions? options, string[] tags, Dictionary<string, T> values, Attempt<T> attempt, HashSet<string> counted)
    {
        var purpose = PurposeOf(options);
        var sighting = reader.Look<T>(key, purpose.Tiers);
        if (sighting.IsFresh)
        {
            values[key] = sighting.Value;
            reporter.Counted(LookupResult.Hit, counted.Add(key));
            if (sighting.State == EntryState.Due)
            {
                attempt.Due.Add((key, sighting));
            }

            return true;
        }

        var hasStale = sighting.State == EntryState.Stale;
        if (hasStale && options?.StaleFor != TimeSpan.Zero && life.IsRetryDelayed(sighting.Entry!)) // a stale value has an entry
        {
            values[key] = sighting.Value;
            reporter.Counted(LookupResult.Miss, counted.Add(key));
            reporter.StaleServed(key);
            return true;
        }

        var boarding = flights.Board<T>(key, sighting.Entry, tags, purpose, attempt.Cancellation);
        if (boarding.Flight is not { } flight)
        {
            return false;
        }

        if (stores is null)
        {
            reporter.Counted(boarding.IsLeader ? LookupResult.Miss : LookupResult.Join, counted.Add(key));
        }

        attempt.Boardings.Add(new(boarding, hasStale));
        if (boarding.IsLeader)
        {
            attempt.Led.Add(flight);
        }

        return true;
    }

    private void Refresh<TState, T>(
        List<(string Key, Sighting<T> Sighting)> due, TState state,
        Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory, CacheEntryOptions? options, string[] tags)
    {
        if (due.Count == 0)
        {
            return;
        }

        var cancellation = new FlightCancellation(mayBeAbandoned: false);
        var started = new List<Flight<T>>();
        foreach (var (key, sighting) in due)
        {
            if (loader.BoardRefresh<T>(key, sighting.Entry, tags, CallOptions.TiersOf(options, defaults), cancellation) is { } flight)
            {
                started.Add(flight);
            }
        }

        Start(started, state, factory, options, tags, hasStale: true, isBackground: true);
    }

    private void Start<TState, T>(
        List<Flight<T>> led, TState state, Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options, string[] tags, bool hasStale, bool isBackground)
    {
        if (led.Count == 0)
        {
            return;
        }

        foreach (var flight in led)
        {
            flight.Context = loader.CreateContext(flight.Key, options, tags, flight);
        }

        loader.StartBatch(led, state, factory, options, hasStale, isBackground);
    }

    /// <summary>Gives up flights that were boarded: those led are not started, and nobody must wait for them.</summary>
    private void Abort<T>(IEnumerable<Boarding<T>> boardings)
    {
        foreach (var boarding in boardings)
        {
            if (boarding.IsLeader)
            {
                loader.Abort(boarding.Flight!); // each has one
            }
            else
            {
                flights.Leave(boarding.Flight!); // as above
            }
        }
    }

    /// <summary>One round over the keys still without a value.</summary>
    private sealed class Attempt<T>(bool mayBeAbandoned)
    {
        internal readonly FlightCancellation Cancellation = new(mayBeAbandoned);
        internal readonly List<Boarded<T>> Boardings = [];
        internal readonly List<Flight<T>> Led = [];
        internal readonly List<(string Key, Sighting<T> Sighting)> Due = [];
    }

    private readonly record struct Boarded<T>(Boarding<T> Boarding, bool HasStale)
    {
        internal Flight<T>? Flight => Boarding.Flight;
    }
}
