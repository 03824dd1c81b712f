using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Engine.Feed;
using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>What a flight does with the stores: looks for its value there before a factory runs, and stores what that makes.</summary>
internal sealed class StoreLoader(
    StoreTier[] tiers, StoreReader reader, StoreWriter writer, StoreInvalidator invalidator, Flights flights, TagClock tags, MemoryTier memory, EntryLife life, EntryWriter entries,
    NodeLink link, CacheEntryOptions defaults, TypeMismatch typeMismatch, TimeProvider time, bool hasMemory,
    Faults faults)
{
    /// <summary>Whether the cache keeps values in memory at all.</summary>
    internal bool HasMemory => hasMemory;

    private bool KeepsInMemory(CacheTiers wanted) => hasMemory && (wanted & CacheTiers.WriteMemory) != 0;

    /// <summary>Whether an entry that the authority has not confirmed may be served all the same.</summary>
    internal bool MayTrust(MemoryEntry entry) => link.MayTrust(entry.ValidThrough);

    /// <summary>Ends a flight with what the stores have, if that may be served.</summary>
    /// <returns>False if it must be created.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<bool> TryLandAsync<T>(Flight<T> flight, CacheEntryOptions? options, bool isRefresh)
    {
        var known = FindKnown(flight, out var state);
        var finding = await reader.FindAsync(flight, known, options).ConfigureAwait(false);
        return TryLand(flight, known, state, finding, options, isRefresh);
    }

    /// <summary>The same for many flights at once.</summary>
    /// <returns>Those whose values must be created.</returns>
    internal async ValueTask<IReadOnlyList<Flight<T>>> LandManyAsync<T>(IReadOnlyList<Flight<T>> batch, CacheEntryOptions? options, bool isRefresh)
    {
        var findings = await reader.FindManyAsync(batch, options).ConfigureAwait(false);
        var rest = new List<Flight<T>>();
        for (var i = 0; i < batch.Count; i++)
        {
            var known = FindKnown(batch[i], out var state);
            if (findings[i].Exception is { } exception)
            {
                LandEmpty(batch[i]);
                batch[i].Fail(exception);
            }
            else if (!TryLandOrFail(batch[i], known, state, findings[i].Finding, options, isRefresh))
            {
                rest.Add(batch[i]);
                continue;
            }

            if (!batch[i].Purpose.IsRead)
            {
                batch[i].Release(); // the factory is for the others
            }
        }

        return rest;
    }

    // What is wrong with one must not fail the others of its batch.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It belongs to those who wait for this key.")]
    private bool TryLandOrFail<T>(
        Flight<T> flight, MemoryEntry? known, EntryState state, in StoreFinding finding, CacheEntryOptions? options, bool isRefresh)
    {
        try
        {
            return TryLand(flight, known, state, finding, options, isRefresh);
        }
        catch (Exception exception)
        {
            LandEmpty(flight);
            flight.Fail(exception);
            return true;
        }
    }

    /// <summary>Where nodes take turns, waits for this node's turn to create a value, or for the value.</summary>
    /// <returns>What to hold on to while the factory runs; or that the flight has landed.</returns>
    internal async ValueTask<DistributedLock> TakeTurnAsync<T>(Flight<T> flight, CacheEntryOptions? options, bool isRefresh)
    {
        var far = tiers[^1];
        if (!far.Options.UseDistributedLock || far.Store is not ILockStore || !far.Reads(flight.Purpose.Tiers) || !far.Writes(flight.Purpose.Tiers))
        {
            return default;
        }

        using var filled = link.WaitForFill(flight.Key);
        var began = time.GetTimestamp();

        // Longer than the lease: when a holder dies, those who wait since then would else all go on at the very moment in which the first of them is given its lock.
        var patience = far.Options.LockLease * 1.5;
        for (var attempt = 0; ; attempt++)
        {
            var answer = await far.Guard.RunAsync(
                StoreOperation.Lock,
                flight.Key,
                (flight.Key, far.Options.LockLease),
                static (store, wanted, token) => ((ILockStore)store).TryLockAsync(wanted.Key, wanted.LockLease, token), // it is one, as seen above
                flight.Cancellation.Token).ConfigureAwait(false);
            if (!answer.IsAnswered)
            {
                return default; // without a word from the store everybody goes on alone
            }

            var turn = answer.Result is { } held ? new DistributedLock(held, far, time) : default;
            if (attempt > 0 || turn.IsHeld)
            {
                // Whoever had the lock before may have stored the value by now.
                var isLanded = true;
                try
                {
                    isLanded = await TryLandAsync(flight, options, isRefresh).ConfigureAwait(false);
                }
                finally
                {
                    if (isLanded)
                    {
                        await turn.DisposeAsync().ConfigureAwait(false); // also if it has failed
                    }
                }

                if (isLanded)
                {
                    return DistributedLock.Landed;
                }
            }

            if (turn.IsHeld || time.GetElapsedTime(began) >= patience)
            {
                return turn;
            }

            // Who has a value that will do does not queue behind another node.
            if (TryLandStale(flight, options, isRefresh))
            {
                return DistributedLock.Landed;
            }

            await filled.WaitAsync(DistributedLock.Pause(attempt), time, flight.Cancellation.Token).ConfigureAwait(false);
        }
    }

    /// <summary>Stores what a factory has made, the authority first.</summary>
    /// <returns>Whether it was overtaken, so that no tier may keep it.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<bool> StoreAsync<T>(Flight<T> flight, T value, MemoryEntry entry, EntrySettings settings, CacheEntryContext context)
    {
        if (context.IsStoringSkipped)
        {
            return false;
        }

        // What was overtaken here would be refused there: that is spared.
        var stripe = flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            if (flight.IsDetached || tags.Check(context.CoveringTags, flight.Stamp) is not (TagVerdict.Live or TagVerdict.Suspect))
            {
                return (faults & (Faults.StampTakenLate | Faults.JoinAfterRemoval)) == 0;
            }
        }

        if (!settings.IsStored || !settings.FitsStores)
        {
            // Its time is over at once, or it can only be kept here: either way what the stores have is out of date.
            var removed = await invalidator.InvalidateAsync(flight.Key, InvalidationKind.Remove).ConfigureAwait(false);
            await link.TellKeyAsync(KeyChange.Removed, flight.Key, removed.Stamp).ConfigureAwait(false);
            return false;
        }

        if (faults.HasFlag(Faults.StampTakenLate))
        {
            await reader.FindAsync(flight, known: null, options: null).ConfigureAwait(false);
        }

        var isOvertaken = await writer.PopulateAsync(flight, value, entry, settings.Compress).ConfigureAwait(false);
        await link.TellKeyAsync(KeyChange.Removed, flight.Key, flight.RemovedAt).ConfigureAwait(false); // if anything was
        return isOvertaken;
    }

    /// <summary>Wakes other nodes that wait for a value.</summary>
    internal void AnnounceFilled(string key, MemoryEntry entry)
    {
        if (tiers[^1].Options.UseDistributedLock && entry.Details is { StoreStamp: > 0 })
        {
            link.TellFilled(key);
        }
    }

    private bool TryLand<T>(Flight<T> flight, MemoryEntry? known, EntryState state, in StoreFinding finding, CacheEntryOptions? options, bool isRefresh)
    {
        switch (finding.Kind)
        {
            case StoreFindingKind.Confirmed when isRefresh && state != EntryState.Suspect:
                return false; // it stands, but it is time for a newer one
            case StoreFindingKind.Confirmed:
                return TryConfirm(flight, known!, finding, options?.MemoryExpiration ?? defaults.MemoryExpiration); // it is confirmed by its stamp
            case StoreFindingKind.Found when isRefresh && IsDue(finding.Entry!): // one was found
                return false; // no newer than what is to be refreshed
            case StoreFindingKind.Found:
                return TryLandFound(flight, finding, options);
            case StoreFindingKind.Unknown when state == EntryState.Suspect && flight.ReadsMemory && known is { Details: { } details } && (details.IsUnconfirmed || MayTrust(known)):
                return TryServe(flight, known);
            case StoreFindingKind.Missing when known is { Details: { } details } && (state == EntryState.Suspect || (details.StoreStamp > 0 && (details.IsLimitedInMemory || (!flight.IsKnownKept && life.CheckRemovals(known) == TagVerdict.Suspect)))):
                // The authority does not have it any more, not even past its time. What never was there may have been removed all the same.
                Drop(known);
                break;
        }

        flight.StandIn = finding.Entry;
        if (finding.Entry is { } stale)
        {
            stale.ValidThrough = flight.Stamp;
        }

        return false;
    }

    private MemoryEntry? FindKnown(Flight flight, out EntryState state)
    {
        state = EntryState.Gone;
        if (memory.Find(flight.Key) is not { Details: { } details } entry || (!hasMemory && !details.IsUnconfirmed))
        {
            return null;
        }

        state = Judge(entry);
        return state == EntryState.Gone ? null : entry;
    }

    private EntryState Judge(MemoryEntry entry)
    {
        var ended = new EndedEntries();
        var state = life.Judge(entry, isRead: false, ref ended);
        entries.Announce(in ended);
        return state;
    }

    private bool IsDue(MemoryEntry entry) => entry.Details is { } details && details.RefreshAt <= life.After(TimeSpan.Zero);

    /// <summary>Serves an entry of memory that the authority has confirmed, with the time it has there.</summary>
    private bool TryConfirm<T>(Flight<T> flight, MemoryEntry entry, in StoreFinding finding, TimeSpan? memoryLimit)
    {
        if (!ValueReader.TryRead<T>(entry, out var value))
        {
            return false;
        }

        var details = entry.Details!; // it was found by them
        bool isConfirmed;
        var stripe = flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            var last = tags.LastInvalidation;
            var verdict = tags.Check(details.Tags, flight.Stamp);
            isConfirmed = Flights.Land(stripe, flight) && verdict is (TagVerdict.Live or TagVerdict.Suspect) && !entry.HasLeft;
            if (isConfirmed)
            {
                life.Confirm(entry, finding.ExpiresAt, finding.StaleForTicks, memoryLimit);
                Volatile.Write(ref entry.ValidThrough, verdict == TagVerdict.Live ? last : flight.Stamp);
            }
        }

        if (isConfirmed)
        {
            life.Renew(entry);
        }

        flight.FoundTags = details.Tags;
        flight.IsFromStore = true;
        memory.OnHit(entry);
        flight.Complete(new(value, HasValue: true, IsStale: false, entry as IsolatedEntry));
        return true;
    }

    /// <summary>Serves an entry of memory as it is.</summary>
    private bool TryServe<T>(Flight<T> flight, MemoryEntry entry)
    {
        if (!ValueReader.TryRead<T>(entry, out var value))
        {
            return false;
        }

        LandEmpty(flight);
        flight.FoundTags = entry.Details?.Tags ?? [];
        flight.IsFromStore = true;
        flight.Complete(new(value, HasValue: true, IsStale: false, entry as IsolatedEntry));
        return true;
    }

    private bool TryLandStale<T>(Flight<T> flight, CacheEntryOptions? options, bool isRefresh)
    {
        if (isRefresh || (options?.StaleFor ?? defaults.StaleFor) is not { Ticks: > 0 } || FindStale(flight) is null)
        {
            return false;
        }

        // Nobody joins from here on. Looked for again: who has joined may have come after a removal by tag that the first look did not see.
        LandEmpty(flight);
        if (FindStale(flight) is not { } stale || !ValueReader.TryRead<T>(stale, out var value))
        {
            return false;
        }

        flight.Complete(new(value, HasValue: true, IsStale: true, stale as IsolatedEntry));
        return true;
    }

    /// <summary>What may stand in for the value of a flight: an entry of memory past its time, or what a store has kept.</summary>
    private MemoryEntry? FindStale(Flight flight)
    {
        if (flight.ReadsMemory && FindKnown(flight, out var state) is { } known && state == EntryState.Stale)
        {
            return known;
        }

        return flight.StandIn is { } kept && Judge(kept) == EntryState.Stale ? kept : null;
    }

    /// <summary>Ends a flight with an entry that a store has given, and keeps that in memory unless something has overtaken it.</summary>
    /// <returns>False if it is of another type, and that is to be a miss.</returns>
    private bool TryLandFound<T>(Flight<T> flight, in StoreFinding finding, CacheEntryOptions? options)
    {
        var entry = finding.Entry!; // one was found
        var details = entry.Details!; // whatever comes from a store has them
        if (!ValueReader.TryRead<T>(entry, out var value))
        {
            return typeMismatch == TypeMismatch.Throw ? throw new CacheTypeMismatchException(typeof(T), entry.ValueType) : false;
        }

        life.Renew(entry);
        entries.LimitInMemory(entry, options?.MemoryExpiration ?? defaults.MemoryExpiration);
        var isKept = finding.FitsMemory && KeepsInMemory(flight.Purpose.Tiers) && !Observers.IsTellingOfEnd;
        var isTakenIn = false;
        var ended = new EndedEntries();
        var stripe = flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            var last = tags.LastInvalidation;
            var verdict = tags.Check(details.Tags, flight.Stamp);
            if (Flights.Land(stripe, flight) && verdict is (TagVerdict.Live or TagVerdict.Suspect))
            {
                if (isKept)
                {
                    isTakenIn = entries.Put(entry, verdict == TagVerdict.Live ? last : flight.Stamp, ref ended);
                }
                else if (memory.Find(flight.Key) is { } replaced)
                {
                    memory.Remove(replaced, CacheEntryEndReason.Removed, ref ended);
                }
            }
            else
            {
                isKept = false;
            }
        }

        flight.FoundTags = details.Tags;
        flight.IsFromStore = true;
        flight.IsDue = IsDue(entry);
        flight.Complete(new(value, HasValue: true, IsStale: false, entry as IsolatedEntry));
        entries.Announce(isKept ? entry : null, isTakenIn, in ended);
        return true;
    }

    private void Drop(MemoryEntry entry)
    {
        var ended = new EndedEntries();
        memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
        entries.Announce(in ended);
    }

    private void LandEmpty(Flight flight)
    {
        var stripe = flights.StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            Flights.Land(stripe, flight);
        }
    }
}
