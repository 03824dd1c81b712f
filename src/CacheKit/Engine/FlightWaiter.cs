using System.Runtime.CompilerServices;
namespace CacheKit.Engine;

/// <summary>Waits for a flight on one caller's terms: its own cancellation, its own patience if there is a stale value.</summary>
internal sealed class FlightWaiter(
    Flights flights, TagClock tags, Landing landing, CacheEntryOptions defaults, TimeProvider time, bool hasStores)
{
    /// <summary>Waits for what a flight brings. The caller is counted among those on it, and leaves it here.</summary>
    /// <param name="flight">The flight.</param>
    /// <param name="hasStale">Whether there was a stale value when the caller came.</param>
    /// <param name="options">The options of the call.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    internal ValueTask<FlightOutcome<T>> WaitAsync<T>(
        Flight<T> flight, bool hasStale, CacheEntryOptions? options, CancellationToken cancellationToken) =>
        flight.TryGetOutcome(out var outcome) ? new(outcome) : WaitForEndAsync(flight, hasStale, options, cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlightOutcome<T>> WaitForEndAsync<T>(
        Flight<T> flight, bool hasStale, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        var outcome = flight.Outcome;
        var outer = outcome.IsCompleted ? null : NestedFlights.Waiter;
        var leaves = true;
        try
        {
            NestedFlights.Enter(outer, flight);
            if ((hasStale || hasStores) && !outcome.IsCompleted && Patience.Of(options?.SoftTimeout ?? defaults.SoftTimeout) is { } patience)
            {
                Task limited = outcome.WaitAsync(patience, time, cancellationToken);
                await limited.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
                if (!outcome.IsCompleted
                    && landing.FindStandIn(flight, options, alsoUnexpired: true) is { } standIn
                    && ValueReader.TryRead<T>(standIn, out var value))
                {
                    // It stays counted, so that the factory goes on in the background.
                    leaves = false;
                    return new(value, HasValue: true, IsStale: true, Isolated: null);
                }
            }

            return await outcome.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (leaves)
            {
                flights.Leave(flight);
            }

            NestedFlights.Exit(outer, flight);
        }
    }

    /// <summary>Decides whether a caller may have what a flight brought; if not, it must start over.</summary>
    /// <returns>
    /// <see langword="false"/> if the flight was of a batch that left the key out, or is older than a removal that this
    /// caller came after and that proves to cover the value.
    /// </returns>
    internal bool TryUse<T>(in FlightOutcome<T> outcome, in Boarding<T> boarding, out T value)
    {
        value = outcome.Value;
        if (!outcome.HasValue && !boarding.IsLeader)
        {
            return false;
        }

        var flight = boarding.Flight!; // there is one, or nothing was awaited
        if (boarding.IsProvisional && !outcome.IsStale && tags.Check(flight.KnownTags, flight.Stamp) is not (TagVerdict.Live or TagVerdict.Suspect))
        {
            return false;
        }

        if (outcome.Isolated is { } isolated && (!boarding.IsLeader || outcome.IsStale))
        {
            return ValueReader.TryRead(isolated, out value!); // it was read as this type before
        }

        return outcome.HasValue;
    }
}
