using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;

namespace CacheKit.Engine;

/// <summary>The gets that a first look in memory has not settled: in memory alone, from one store without a flight, or through all of them.</summary>
internal sealed class GetCalls(
    EntryReader reader, Flights flights, FlightWaiter waiter, Loader loader, CacheReporter reporter, CacheEntryOptions defaults, bool hasStores, DirectReader? direct)
{
    /// <summary>Gives the value under a key, if it has one.</summary>
    internal ValueTask<CacheLookup<T>> GetAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        var tiers = CallOptions.TiersOf(options, defaults);
        return direct is not null && direct.TryBegin(key, tiers, out var reading) ? GetDirectlyAsync<T>(key, reading, options, cancellationToken)
            : hasStores ? GetThroughStoresAsync<T>(key, options, cancellationToken)
            : (tiers & CacheTiers.ReadMemory) != 0 ? new(reader.Get<T>(key, CallOptions.AllowsStale(options, defaults)))
            : new(MissOrStale(key, reader.Look<T>(key, CacheTiers.None), options));
    }

    /// <summary>Reads from the one store, without a flight.</summary>
    private async ValueTask<CacheLookup<T>> GetDirectlyAsync<T>(string key, KeyReading reading, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        DirectReadEnd end;
        T value;
        try
        {
            var answer = await direct!.ReadAsync(key, out var deliveries, cancellationToken).ConfigureAwait(false); // who comes here has begun it
            end = direct.Use(key, answer, deliveries, CallOptions.AllowsStale(options, defaults), options, out value);
        }
        finally
        {
            direct!.End(reading);
        }

        switch (end)
        {
            case DirectReadEnd.Found:
                reporter.Counters.Hit();
                return new(value);
            case DirectReadEnd.Missing:
                flights.ThrowIfClosed();
                reporter.Counters.Miss();
                return default;
            default:
                return await GetThroughStoresAsync<T>(key, options, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<CacheLookup<T>> GetThroughStoresAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        var tiers = CallOptions.TiersOf(options, defaults);
        while (true)
        {
            var sighting = reader.Look<T>(key, tiers);
            if (sighting.IsFresh)
            {
                reporter.Counters.Hit();
                return new(sighting.Value);
            }

            var boarding = flights.Board<T>(key, sighting.Entry, [], new(IsRead: true, tiers), mayLeave: cancellationToken.CanBeCanceled);
            if (boarding.Flight is not { } flight)
            {
                continue; // somebody has stored a value since
            }

            if (boarding.IsLeader)
            {
                var read = loader.ReadAsync(flight, options);
                if (CallOptions.StaysAboard(options, defaults, cancellationToken))
                {
                    await read.ConfigureAwait(false);
                }
            }

            var outcome = await waiter.WaitAsync(flight, hasStale: false, options, cancellationToken).ConfigureAwait(false);
            if (outcome.IsAborted)
            {
                continue; // whoever was to look has not
            }

            if (!outcome.HasValue)
            {
                return MissOrStale(key, reader.LookAgain(sighting), options);
            }

            if (waiter.TryUse(outcome, boarding, out var value))
            {
                if (outcome.IsStale)
                {
                    return MissOrStale(key, new Sighting<T>(EntryState.Stale, null, value), options);
                }

                reporter.Counters.Hit();
                return new(value);
            }
        }
    }

    private CacheLookup<T> MissOrStale<T>(string key, in Sighting<T> sighting, CacheEntryOptions? options)
    {
        reporter.Counters.Miss();
        if (sighting.State != EntryState.Stale || !CallOptions.AllowsStale(options, defaults))
        {
            return default;
        }

        reporter.StaleServed(key);
        return new(sighting.Value, isStale: true);
    }
}
