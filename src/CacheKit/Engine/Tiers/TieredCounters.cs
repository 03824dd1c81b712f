using CacheKit.Engine.Feed;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>The counters of a cache with stores: the authority alone knows a number, and memory keeps none.</summary>
internal sealed class TieredCounters(
    KeyWrites writes, MemoryTier memory, EntryReader entryReader, EntryWriter entries, EntryEdits local, StoreReader reader, StoreWriter writer,
    StoreInvalidator invalidator, EntryCodec codec, StoreTime time, NodeLink link, CacheEntryOptions defaults)
{
    private const int MaximumAttempts = 1000;

    private readonly KeyTurns _turns = new();

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
        var write = writes.Begin(key);
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
            writes.End(write, counted is { IsStored: true });
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

    /// <summary>Makes the entry of a value of whatever type it was stored as.</summary>
    private struct EntryTaker(EntryWriter entries, string key, EntryDetails details) : IDecodedValue
    {
        internal MemoryEntry? Entry { get; private set; }

        public void Accept<TStored>(TStored value) => Entry = entries.Compose(key, value, details, isolate: false, size: null);
    }
}
