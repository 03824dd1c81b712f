using System.Runtime.CompilerServices;
using CacheKit.Engine.Feed;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Everything that changes one key of a cache with stores: the authority first, then the nearer stores, memory, and the other nodes.</summary>
/// <remarks>
/// While a key is being written, whatever else changes it, here or by a message of another node, keeps the value out of memory: which of
/// the two came last to the authority is known to the authority alone, and the next read asks it.
/// </remarks>
internal sealed class TieredEdits(
    Flights flights, TagClock tags, MemoryTier memory, EntryLife life, EntryReader entryReader, EntryWriter entries, EntryEdits local, StoreReader reader,
    StoreWriter writer, StoreInvalidator invalidator, StoreRenewal renewal, EntryCodec codec, StoreTime time, NodeLink link, CacheEntryOptions defaults, bool hasMemory)
{
    private const int MaximumAttempts = 1000;

    private readonly KeyTurns _turns = new();

    /// <summary>Stores a value in place of what is there.</summary>
    /// <returns>Whether any tier has it, or will have it once it can be reached.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<bool> SetAsync<T>(string key, T value, EntrySettings settings)
    {
        if (!settings.IsStored)
        {
            await RemoveAsync(key).ConfigureAwait(false);
            return false;
        }

        var entry = entries.Compose(key, value, settings);
        var write = Begin(key);
        var isWritten = false;
        (long Stamp, bool IsNear) done = default;
        try
        {
            done = await writer.SetAsync(value, entry, settings).ConfigureAwait(false);
            isWritten = true;
        }
        finally
        {
            if (!isWritten)
            {
                Abandon(write); // it cannot be encoded: nothing has been touched
            }
        }

        var isKept = Keep(write, entry, settings);
        await link.TellKeyAsync(KeyChange.Set, key, done.Stamp).ConfigureAwait(false);
        return isKept || done.IsNear || entry.Details is { StoreStamp: > 0 } || writer.IsPending(key);
    }

    /// <summary>Has somebody else write a key to a store: memory forgets what it has, and if that is the authority, so do the nearer stores and the other nodes.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isFar">Whether it is the authority.</param>
    /// <param name="write">Writes it, and returns its stamp; zero if it did not.</param>
    internal async ValueTask WriteElsewhereAsync(string key, bool isFar, Func<ValueTask<long>> write)
    {
        var begun = Begin(key);
        long stamp = 0;
        try
        {
            stamp = await write().ConfigureAwait(false);
            if (stamp != 0 && isFar)
            {
                await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
            }
        }
        finally
        {
            End(begun, isChanged: stamp != 0);
        }

        if (stamp != 0 && isFar)
        {
            await link.TellKeyAsync(KeyChange.Set, key, stamp).ConfigureAwait(false);
        }
    }

    /// <summary>Stores many values in place of what is there. Each key is atomic; the whole is not.</summary>
    /// <returns>How many any tier has, or will have.</returns>
    internal async ValueTask<int> SetManyAsync<T>(IReadOnlyDictionary<string, T> values, CacheEntryOptions? options)
    {
        var settings = EntrySettings.For(options, defaults);
        if (!settings.IsStored || !settings.FitsStores || (settings.Tiers & CacheTiers.WriteFar) == 0)
        {
            var stored = await Task.WhenAll(values.Select(pair => SetAsync(pair.Key, pair.Value, settings).AsTask())).ConfigureAwait(false);
            return stored.Count(static isStored => isStored);
        }

        var batch = values.Select(pair => (pair.Value, Entry: entries.Compose(pair.Key, pair.Value, settings))).ToList();
        var writes = batch.ConvertAll(one => Begin(one.Entry.Key));
        var isWritten = false;
        var changed = new Dictionary<string, (long Stamp, bool IsNear)>();
        try
        {
            changed = await writer.SetManyAsync(batch, settings).ConfigureAwait(false);
            isWritten = true;
        }
        finally
        {
            if (!isWritten)
            {
                writes.ForEach(Abandon);
            }
        }

        var count = 0;
        for (var i = 0; i < batch.Count; i++)
        {
            var entry = batch[i].Entry;
            var isKept = Keep(writes[i], entry, settings);
            count += isKept || changed[entry.Key].IsNear || entry.Details is { StoreStamp: > 0 } || writer.IsPending(entry.Key) ? 1 : 0;
        }

        await link.TellKeysAsync(KeyChange.Set, [.. changed.Select(static one => (one.Key, one.Value.Stamp))]).ConfigureAwait(false);
        return count;
    }

    /// <summary>Removes many entries, as <see cref="RemoveAsync"/> does one.</summary>
    /// <returns>How many were there, unexpired.</returns>
    internal async ValueTask<int> RemoveManyAsync(string[] keys)
    {
        var wereFresh = Array.ConvertAll(keys, key => entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due);
        var writes = Array.ConvertAll(keys, key => Begin(key));
        var done = await invalidator.RemoveManyAsync([.. keys]).ConfigureAwait(false);
        var count = 0;
        for (var i = 0; i < keys.Length; i++)
        {
            End(writes[i], InvalidationKind.Remove);
            count += done[i].WasFresh || (wereFresh[i] && done[i].Stamp == 0) ? 1 : 0;
        }

        await link.TellKeysAsync(KeyChange.Removed, [.. keys.Select((key, i) => (key, done[i].Stamp))]).ConfigureAwait(false);
        return count;
    }

    /// <summary>Stores a value if no unexpired one is there.</summary>
    /// <returns>Whether it was stored.</returns>
    internal async ValueTask<bool> TryAddAsync<T>(string key, T value, EntrySettings settings)
    {
        if (!settings.IsStored || (entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due))
        {
            return false;
        }

        if (!settings.FitsStores || (settings.Tiers & CacheTiers.WriteFar) == 0)
        {
            return !await ExistsAsync(key, default).ConfigureAwait(false) && local.TryAdd(key, value, settings);
        }

        if (writer.IsPending(key))
        {
            // What is there was changed by this node, and the authority still has to be told: it is told of the new value in one.
            return await SetAsync(key, value, settings).ConfigureAwait(false);
        }

        var entry = entries.Compose(key, value, settings);
        var write = Begin(key);
        StoreWriteOutcome? outcome = StoreWriteOutcome.Overtaken;
        try
        {
            outcome = await writer.TryAddAsync(value, entry, settings.Compress).ConfigureAwait(false);
        }
        finally
        {
            if (outcome == StoreWriteOutcome.Overtaken)
            {
                Abandon(write);
            }
        }

        switch (outcome)
        {
            case StoreWriteOutcome.Stored:
                Keep(write, entry, settings);
                await TellAsync(key, KeyChange.Set, entry).ConfigureAwait(false);
                return true;
            case StoreWriteOutcome.Overtaken:
                return false;
            case StoreWriteOutcome.Declined:
                // No store is to hold it; whether it is there already they have to be asked for themselves.
                var isThere = await PeekAsync(key, default).ConfigureAwait(false) is { } found && found.ExpiresAt > time.UtcNow;
                if (isThere)
                {
                    Abandon(write);
                }

                return !isThere && Keep(write, entry, settings);
            default:
                // Nobody can tell now whether something is at the authority; if a nearer store has something, that counts. Else the value counts here,
                // until the authority can be asked.
                if (await PeekAsync(key, default).ConfigureAwait(false) is { } near && near.ExpiresAt > time.UtcNow)
                {
                    Abandon(write);
                    return false;
                }

                EntryWriter.LeaveUnconfirmed(entry);
                return Keep(write, entry, settings);
        }
    }

    /// <summary>Removes the entry, and keeps what is under way from storing another.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    internal ValueTask<bool> RemoveAsync(string key) => EndAsync(key, InvalidationKind.Remove);

    /// <summary>Makes the entry stale, and keeps what is under way from storing another.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    internal ValueTask<bool> ExpireAsync(string key) => EndAsync(key, InvalidationKind.Expire);

    private async ValueTask<bool> EndAsync(string key, InvalidationKind kind)
    {
        var wasFresh = entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due;
        var write = Begin(key, kind);
        var done = await invalidator.InvalidateAsync(key, kind).ConfigureAwait(false);
        End(write, kind);
        await link.TellKeyAsync(kind == InvalidationKind.Remove ? KeyChange.Removed : KeyChange.Expired, key, done.Stamp).ConfigureAwait(false);
        return done.WasFresh || (wasFresh && done.Stamp == 0);
    }

    /// <summary>Tells whether there is an unexpired entry.</summary>
    internal async ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken)
    {
        if (entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due)
        {
            return true;
        }

        return await PeekAsync(key, cancellationToken).ConfigureAwait(false) is { } found && found.ExpiresAt > time.UtcNow;
    }

    /// <summary>Renews a sliding entry; tells whether there is an unexpired one.</summary>
    internal async ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken)
    {
        if (entryReader.Inspect(key, isRead: true) is EntryState.Fresh or EntryState.Due)
        {
            return true;
        }

        if (await reader.PeekAsync(key, withPayload: true, cancellationToken).ConfigureAwait(false) is not { } peeked)
        {
            return false;
        }

        using var lookup = peeked.Lookup;
        if (!lookup.IsFound || lookup.ExpiresAt <= time.UtcNow)
        {
            return false;
        }

        if (EntryCodec.TryParse(lookup.Payload, key, out var envelope) && envelope.Sliding > TimeSpan.Zero)
        {
            var details = reader.DetailsOf(lookup, peeked.Tier, envelope, options: null);
            details.ExpiresAt = Math.Max(details.ExpiresAt, Math.Min(CacheClock.Add(time.Now, details.SlidingTicks), details.SlidingLimit));
            await renewal.RenewAsync(key, details).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>What is left of the entry's life; null if there is no unexpired one.</summary>
    internal async ValueTask<TimeSpan?> GetTimeToLiveAsync(string key, CancellationToken cancellationToken)
    {
        if (entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due
            && memory.Find(key) is { Details: { IsLimitedInMemory: false, StoreStamp: > 0 } } entry)
        {
            return life.GetTimeToLive(entry);
        }

        if (await PeekAsync(key, cancellationToken).ConfigureAwait(false) is { } found)
        {
            return found.ExpiresAt == DateTimeOffset.MaxValue ? TimeSpan.MaxValue
                : found.ExpiresAt - time.UtcNow is { Ticks: > 0 } left ? left
                : null;
        }

        return local.GetTimeToLive(key); // of memory alone, or the stores are out of reach
    }

    /// <summary>Gives an unexpired entry a new time to live; none removes it.</summary>
    internal async ValueTask<bool> SetTimeToLiveAsync(string key, TimeSpan timeToLive, CancellationToken cancellationToken)
    {
        if (timeToLive <= TimeSpan.Zero)
        {
            return await RemoveAsync(key).ConfigureAwait(false);
        }

        if (await reader.PeekAsync(key, withPayload: true, cancellationToken).ConfigureAwait(false) is not { Tier.IsFar: true } peeked)
        {
            return SetTimeToLiveHere(key, timeToLive); // the authority cannot be told, and so not what it holds be changed
        }

        using var lookup = peeked.Lookup;
        if (!lookup.IsFound || lookup.ExpiresAt <= time.UtcNow)
        {
            return SetTimeToLiveHere(key, timeToLive);
        }

        var write = Begin(key);
        var isDone = false;
        try
        {
            isDone = await SetTimeToLiveAsync(key, peeked.Tier, lookup, timeToLive).ConfigureAwait(false);
        }
        finally
        {
            var ended = new EndedEntries();
            lock (write.Stripe.Lock)
            {
                var isAlone = write.Stripe.EndWrite(key, write.Mark);
                if (memory.Find(key) is { } entry && !(isDone && isAlone && entry.Details?.StoreStamp == lookup.Stamp && life.SetTimeToLive(entry, timeToLive)))
                {
                    memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
                }
            }

            entries.Announce(in ended);
        }

        if (isDone)
        {
            await link.TellKeyAsync(KeyChange.Set, key, long.MaxValue).ConfigureAwait(false);
        }

        return isDone;
    }

    /// <summary>Gives a new time to live to what the authority does not have: what it is still to be given, or what memory alone holds.</summary>
    private bool SetTimeToLiveHere(string key, TimeSpan timeToLive) => writer.TrySetPendingExpiration(key, timeToLive) is { } isSet
        ? isSet && (memory.Find(key) is null || local.SetTimeToLive(key, timeToLive))
        : IsOfMemoryAlone(key) && local.SetTimeToLive(key, timeToLive);

    private bool IsOfMemoryAlone(string key) => memory.Find(key) is { Details: null or { StoreStamp: 0 } };

    private async ValueTask<bool> SetTimeToLiveAsync(string key, StoreTier tier, StoreLookup lookup, TimeSpan timeToLive)
    {
        var expiresAt = StoreTime.Add(time.UtcNow, timeToLive.Ticks);
        var hasEnvelope = EntryCodec.TryParse(lookup.Payload, key, out var envelope); // a counter has none
        if (hasEnvelope && envelope.Sliding > TimeSpan.Zero)
        {
            // Its bytes say that reads renew it: they are written anew.
            return await writer.TryRewriteAsync(key, envelope, lookup, expiresAt).ConfigureAwait(false) == true;
        }

        var retainUntil = StoreTime.Add(expiresAt, lookup.RetainUntil.UtcTicks - lookup.ExpiresAt.UtcTicks);
        var answer = await tier.Guard.SetExpirationAsync(key, lookup.Stamp, expiresAt, retainUntil, default).ConfigureAwait(false);
        var isSet = answer is { IsAnswered: true, Result: true };
        if (!isSet || !hasEnvelope || !envelope.IsElsewhere)
        {
            await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
        }
        else
        {
            await writer.SetNearExpirationAsync(key, expiresAt, retainUntil).ConfigureAwait(false);
        }

        return isSet;
    }

    /// <summary>Adds to a counter, or creates it: at the authority, which alone knows the number.</summary>
    /// <returns>The new number, and whether it was stored.</returns>
    internal async ValueTask<(long Value, bool IsStored)> IncrementAsync(string key, long delta, CacheCounterOptions? options, CancellationToken cancellationToken)
    {
        EntryEdits.CheckBounds(options);
        if (entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due && memory.Find(key) is { Details: { StoreStamp: 0, Tokens: not null } })
        {
            return local.Increment(key, delta, options); // its tokens keep it here
        }

        var settings = EntrySettings.For(options, defaults);
        var write = Begin(key);
        (long Value, bool IsStored, long Stamp)? counted = null;
        try
        {
            using (await _turns.TakeAsync(key, cancellationToken).ConfigureAwait(false))
            {
                counted = await CountAsync(key, delta, options, settings).ConfigureAwait(false);
            }
        }
        finally
        {
            // What others add to it they do not tell memory: it asks each time.
            End(write, counted is { IsStored: true });
        }

        if (counted is not { } done)
        {
            // It may have been counted at the authority all the same: then what other nodes hold is outdated. And what a nearer store holds is.
            await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
            await link.TellKeyAsync(KeyChange.Set, key, long.MaxValue).ConfigureAwait(false);
            return local.Increment(key, delta, options, isUnconfirmed: true);
        }

        if (done.IsStored)
        {
            await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
            await link.TellKeyAsync(KeyChange.Set, key, done.Stamp).ConfigureAwait(false);
        }

        return (done.Value, done.IsStored);
    }

    private async ValueTask<(long Value, bool IsStored, long Stamp)?> CountAsync(
        string key, long delta, CacheCounterOptions? options, EntrySettings settings)
    {
        if (writer.IsCountPending(key))
        {
            return null; // as good as out of reach
        }

        // Bounded: each failed attempt but those of a store that misbehaves means that somebody else has counted.
        for (var attempt = 0; attempt < MaximumAttempts; attempt++)
        {
            // Not asked again without an answer: it may have counted.
            if (!(await writer.TryCountAsync(key, delta, options, ExpiresAt(settings), settings.Tags).ConfigureAwait(false)).TryGet(out var count))
            {
                return null;
            }

            if (count is { } counted)
            {
                return (counted.Value, true, counted.Stamp);
            }

            if (await reader.PeekAsync(key, withPayload: true, default).ConfigureAwait(false) is not { Tier.IsFar: true } peeked)
            {
                return null; // out of reach
            }

            using var lookup = peeked.Lookup;
            var isThere = lookup.IsFound && lookup.ExpiresAt > time.UtcNow;
            StoreWriteOutcome? outcome;
            long next;
            MemoryEntry entry;
            if (isThere && EntryCodec.TryParse(lookup.Payload, key, out var envelope))
            {
                var found = new EntryTaker(entries, key, reader.DetailsOf(lookup, peeked.Tier, envelope, options: null));
                if (codec.TryDecode<long, EntryTaker>(envelope, ref found, out _) is DecodeStatus.TypeMismatch)
                {
                    throw new CacheTypeMismatchException(typeof(long), envelope.TypeName);
                }

                if (found.Entry is not { } current)
                {
                    await peeked.Tier.InvalidateAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
                    continue;
                }

                next = EntryEdits.Step(EntryEdits.ReadCounter(current), delta, options);
                entry = entries.Compose(key, next, current.Details!, isolate: null, size: null); // it came from a store
                outcome = await writer.TryReplaceAsync(next, entry, lookup.Stamp, compress: null).ConfigureAwait(false);
            }
            else if (lookup.Number is not null && isThere)
            {
                continue; // the store counts, but would not a moment ago: what was there has changed since
            }
            else
            {
                next = EntryEdits.Step(options?.InitialValue ?? 0, delta, options);
                if (!settings.IsStored)
                {
                    return (next, false, 0);
                }

                if (isThere)
                {
                    await peeked.Tier.InvalidateAsync(key, InvalidationKind.Remove).ConfigureAwait(false); // unreadable
                    continue;
                }

                entry = entries.Compose(key, next, settings);
                outcome = await writer.TryAddAsync(next, entry, compress: null).ConfigureAwait(false);
            }

            switch (outcome)
            {
                case StoreWriteOutcome.Stored:
                    return (next, true, entry.Details?.StoreStamp ?? 0);
                case StoreWriteOutcome.Declined when !isThere:
                    return (next, false, 0); // as what cannot be stored: the next one starts anew
                case StoreWriteOutcome.Declined or null:
                    return null;
            }
        }

        return null;
    }

    private DateTimeOffset ExpiresAt(EntrySettings settings) =>
        time.ToInstant(entries.Compose(string.Empty, 0L, settings).ExpiresAt);

    private async ValueTask<StoreLookup?> PeekAsync(string key, CancellationToken cancellationToken)
    {
        if (await reader.PeekAsync(key, withPayload: false, cancellationToken).ConfigureAwait(false) is not { Lookup: { IsFound: true } found })
        {
            return null;
        }

        found.Dispose();
        return found; // for what it says beside the payload
    }

    private Write Begin(string key, InvalidationKind kind = InvalidationKind.Remove)
    {
        var stripe = flights.StripeOf(key);
        lock (stripe.Lock)
        {
            return new(key, stripe, stripe.BeginWrite(key, kind), tags.Next());
        }
    }

    private static void Abandon(Write write)
    {
        lock (write.Stripe.Lock)
        {
            write.Stripe.EndWrite(write.Key, write.Mark);
        }
    }

    /// <summary>Ends a removal or an expiration, in memory too.</summary>
    private void End(Write write, InvalidationKind kind)
    {
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            write.Stripe.EndWrite(write.Key, write.Mark, kind);
            if (memory.Find(write.Key) is { } entry)
            {
                if (kind == InvalidationKind.Remove)
                {
                    memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
                }
                else
                {
                    life.Expire(entry, ref ended);
                }
            }
        }

        entries.Announce(in ended);
    }

    /// <summary>Ends a write whose value memory does not keep.</summary>
    private void End(Write write, bool isChanged)
    {
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            write.Stripe.EndWrite(write.Key, write.Mark);
            if (isChanged && memory.Find(write.Key) is { } entry)
            {
                memory.Remove(entry, CacheEntryEndReason.Replaced, ref ended);
            }
        }

        entries.Announce(in ended);
    }

    /// <summary>Ends a write with its value in memory, unless something else has changed the key meanwhile.</summary>
    private bool Keep(Write write, MemoryEntry entry, EntrySettings settings)
    {
        entries.LimitInMemory(entry, settings.MemoryExpiration);
        var isKept = hasMemory && (settings.Tiers & CacheTiers.WriteMemory) != 0;
        var isTakenIn = false;
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            var isAlone = write.Stripe.EndWrite(write.Key, write.Mark);
            var last = tags.LastInvalidation;
            var verdict = tags.Check(settings.Tags, write.Stamp);
            isKept &= isAlone && verdict is TagVerdict.Live or TagVerdict.Suspect;
            if (isKept)
            {
                isTakenIn = entries.Put(entry, verdict == TagVerdict.Live ? last : write.Stamp, ref ended);
            }
            else if (memory.Find(write.Key) is { } replaced)
            {
                memory.Remove(replaced, CacheEntryEndReason.Replaced, ref ended);
            }
        }

        entries.Announce(isKept ? entry : null, isTakenIn, in ended);
        return isTakenIn;
    }

    private ValueTask<bool> TellAsync(string key, KeyChange kind, MemoryEntry entry) => link.TellKeyAsync(kind, key, entry.Details?.StoreStamp ?? 0);

    /// <summary>A write under way.</summary>
    private readonly record struct Write(string Key, FlightStripe Stripe, long Mark, long Stamp);

    /// <summary>Makes the entry of a value of whatever type it was stored as.</summary>
    private struct EntryTaker(EntryWriter entries, string key, EntryDetails details) : IDecodedValue
    {
        internal MemoryEntry? Entry { get; private set; }

        public void Accept<TStored>(TStored value) => Entry = entries.Compose(key, value, details, isolate: false, size: null);
    }
}
