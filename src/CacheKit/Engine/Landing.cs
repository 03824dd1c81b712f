using System.Diagnostics.CodeAnalysis;
using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>
/// Ends flights: with the value that was made, which is stored unless something has overtaken it, with a stale one that stands in, or with the failure.
/// </summary>
internal sealed class Landing(
    Flights flights, TagClock tags, MemoryTier memory, EntryLife life, EntryWriter writer, CacheReporter reporter, CacheEntryOptions defaults, Faults faults,
    StoreLoader? stores)
{
    /// <summary>How long a value stands in for one that could not be made, before the next attempt.</summary>
    internal static readonly TimeSpan DefaultRetryAfterFailure = TimeSpan.FromSeconds(5);

    private readonly RefreshPauses _pauses = new(life);

    /// <summary>Whether a value that a store has given is to be refreshed: unless that has just failed.</summary>
    internal bool IsToBeRefreshed(Flight flight) => flight.IsDue && !_pauses.Covers(flight.Key);

    /// <summary>
    /// Whether a refresh that has been boarded is to run. One that was under way until a moment ago may have failed since its caller found the value due, and
    /// leaves a pause before its flight is gone.
    /// </summary>
    internal bool MayRefresh(string key, MemoryEntry? entry) => entry is null ? !_pauses.Covers(key) : !life.IsRetryDelayed(entry);

    /// <summary>Until when no factory is called for a key, because one has failed; the past if it may be.</summary>
    internal long PausesUntil(string key, MemoryEntry? entry) => Math.Max(_pauses.Until(key), entry?.Details?.RetryAt ?? long.MinValue);

    // One value that cannot be stored (no copy can be made of it, say) must not fail the others of its batch.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It belongs to those who wait for this key.")]
    internal async Task TryLandAsync<T>(Flight<T> flight, T value, CacheEntryContext context, CacheEntryOptions? options)
    {
        try
        {
            if (stores is null)
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
    internal Task Leave<T>(Flight<T> flight)
    {
        LandEmpty(flight);
        flight.Complete(default);
        return Task.CompletedTask;
    }

    /// <summary>Ends a flight with its value, and stores that unless a removal or a newer value has overtaken it.</summary>
    internal void Land<T>(Flight<T> flight, T value, CacheEntryContext context, CacheEntryOptions? options)
    {
        var settings = EntrySettings.For(context, options, defaults);
        var entry = writer.Compose(flight.Key, value, settings);
        Land(flight, value, entry, context, settings.IsStored, isOvertaken: false);
    }

    /// <summary>The same when stores are written first.</summary>
    internal async ValueTask LandWithStoresAsync<T>(Flight<T> flight, T value, CacheEntryContext context, CacheEntryOptions? options)
    {
        var settings = EntrySettings.For(context, options, defaults);
        var entry = writer.Compose(flight.Key, value, settings);
        var isOvertaken = await stores!.StoreAsync(flight, value, entry, settings, context).ConfigureAwait(false); // only with stores
        writer.LimitInMemory(entry, settings.MemoryExpiration);
        Land(flight, value, entry, context, settings.IsStored, isOvertaken);
        stores.AnnounceFilled(flight.Key, entry);
    }

    private void Land<T>(Flight<T> flight, T value, MemoryEntry entry, CacheEntryContext context, bool isStored, bool isOvertaken)
    {
        isStored &= !context.IsStoringSkipped;
        var isKept = isStored && (flight.Purpose.Tiers & CacheTiers.WriteMemory) != 0 && stores is not { HasMemory: false };
        var isTakenIn = false;
        var ended = new EndedEntries();
        memory.Expect(flight.Hash);
        entry.Hash = flight.Hash;
        var stripe = flights.StripeOf(flight.Hash);
        lock (stripe.Lock)
        {
            var last = tags.LastInvalidation;
            var stamp = faults.HasFlag(Faults.StampTakenLate) ? last : flight.Stamp;
            var verdict = tags.Check(context.CoveringTags, stamp);
            isOvertaken |= !Flights.Land(stripe, flight) | verdict is not (TagVerdict.Live or TagVerdict.Suspect);
            if (isKept && !isOvertaken)
            {
                // One that became suspect meanwhile is asked for again before it is served.
                isTakenIn = writer.Put(entry, verdict == TagVerdict.Live ? last : stamp, ref ended);
            }
            else if (!isOvertaken && !context.IsStoringSkipped && (!isStored || stores is not null) && memory.Find(flight.Key) is { } replaced)
            {
                // Its time is over at once, or it is kept elsewhere: what it replaces is out of date. One that is kept nowhere replaces nothing.
                memory.Remove(replaced, CacheEntryEndReason.Removed, ref ended);
            }
        }

        if (isOvertaken)
        {
            reporter.Counters.DiscardedResult();
        }

        flight.Complete(new(value, HasValue: true, IsStale: false, entry as IsolatedEntry));
        writer.Announce(isKept && !isOvertaken ? entry : null, isTakenIn, in ended);
    }

    /// <summary>Ends what a flight stands for without storing anything.</summary>
    internal void LandEmpty(Flight flight)
    {
        var stripe = flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            Flights.Land(stripe, flight);
        }
    }

    /// <summary>Ends a flight whose factory failed: with the value that may stand in, if there is one, else with the failure.</summary>
    private void FailFlight(Flight flight, Exception exception, CacheEntryOptions? options, bool isBackground)
    {
        var kept = FindStandIn(flight, options, isBackground);
        var retryAt = life.After(options?.RetryAfterFailure ?? defaults.RetryAfterFailure ?? DefaultRetryAfterFailure);
        if (isBackground && kept is null)
        {
            _pauses.Begin(flight.Key, retryAt); // before the flight is gone: who comes then would start the next
        }

        var stripe = flights.StripeOf(flight.Key);
        var ended = new EndedEntries();
        bool isAwaited;
        lock (stripe.Lock)
        {
            isAwaited = flight.Callers > 0;

            // Who comes after this must not try again at once; but if the value was invalidated meanwhile, or all callers
            // have gone, this failure says nothing about the next attempt.
            if (Flights.Land(stripe, flight) && kept?.Details is { } details && tags.Check(details.Tags, flight.Stamp) == TagVerdict.Live)
            {
                details.RetryAt = retryAt;
                if (ReferenceEquals(kept, flight.StandIn) && memory.Find(flight.Key) is null)
                {
                    // A store has kept it: memory does until the next attempt, whatever else it keeps.
                    writer.Put(kept, flight.Stamp, ref ended);
                }
            }
        }

        writer.Announce(in ended);

        // Looked for again: who has joined since the first look may have come after a removal by tag that it did not see.
        var standIn = FindStandIn(flight, options, isBackground);
        if (isBackground)
        {
            reporter.BackgroundRefreshFailed(exception);
        }
        else if (standIn is not null && isAwaited)
        {
            reporter.StaleStoodIn(exception);
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
        if (((flight.ReadsMemory ? memory.Find(flight.Key) : null) ?? flight.StandIn) is not { } entry)
        {
            return null;
        }

        var state = Judge(entry);
        var standsIn = state switch
        {
            EntryState.Stale => options?.StaleFor != TimeSpan.Zero,
            EntryState.Suspect => (flight.IsAuthoritySilent && options?.StaleFor != TimeSpan.Zero && entry.Details is { StaleForTicks: > 0 })
                || (alsoUnexpired && stores!.MayTrust(entry)), // nothing is suspect without stores
            EntryState.Gone => false,
            _ => alsoUnexpired,
        };
        return standsIn && !entry.HasLeft ? entry : null;
    }

    internal EntryState Judge(MemoryEntry entry)
    {
        var ended = new EndedEntries();
        var state = life.Judge(entry, isRead: false, ref ended);
        writer.Announce(in ended);
        return state;
    }

    /// <summary>Ends a flight whose factory, or whose landing, has failed.</summary>
    internal void Fail(Flight flight, Exception exception, CacheEntryOptions? options, bool isBackground = false)
    {
        if (flight.IsCompleted)
        {
            reporter.LateFactoryFailed(flight.Key, exception);
        }
        else
        {
            FailFlight(flight, exception, options, isBackground);
        }
    }

    /// <summary>Ends a look in the stores that has found nothing fresh: with what they have kept past its time, if they have.</summary>
    internal void LandWithKept<T>(Flight<T> flight, CacheEntryOptions? options)
    {
        // In this order: who has joined until then may have come after a removal by tag, which is seen only now.
        LandEmpty(flight);
        if (flight.StandIn is null || FindStandIn(flight, options) is not { } stale || !flight.TryCompleteWithStale(stale))
        {
            flight.Complete(default);
        }
    }
}
