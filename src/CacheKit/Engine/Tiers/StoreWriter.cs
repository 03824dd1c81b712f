using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CacheKit.Diagnostics;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Writes to the stores: the authority first, then the nearer ones.</summary>
/// <remarks>
/// A value that somebody sets goes to the authority alone, and the nearer stores forget the key: two processes that set one key would
/// else leave the nearer stores in another order than the authority. They are filled by reads, whose values the next set refuses.
/// </remarks>
internal sealed class StoreWriter(StoreTier[] tiers, EntryCodec codec, StoreReader reader, StoreInvalidator invalidator, StoreTime time, CacheReporter reporter)
{
    private const int MaximumBatchBytes = 1 << 20;

    private StoreTier Far => tiers[^1];

    /// <summary>Stores what a factory has made, unless something has overtaken it.</summary>
    /// <param name="flight">The flight, with the conditions its reads have left.</param>
    /// <param name="value">The value.</param>
    /// <param name="entry">The entry made of it, with its times and tags; it gets the authority's stamp.</param>
    /// <param name="compress">Whether to compress it, if the call says.</param>
    /// <returns>Whether it was overtaken: then no tier may keep it.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<bool> PopulateAsync<T>(Flight flight, T value, MemoryEntry entry, bool? compress)
    {
        var wanted = flight.Purpose.Tiers;
        var details = entry.Details!; // with stores every entry has them
        EncodedEntry? encoded = null;
        ReadOnlyMemory<byte> bytes = default;
        var (expiresAt, retainUntil) = time.LifeOf(details);
        var isAbandoned = false;
        var isStamped = false;
        for (var i = tiers.Length - 1; i >= 0; i--)
        {
            var tier = tiers[i];
            if (!tier.Writes(wanted) || flight.Conditions?[i] is not { } condition)
            {
                continue;
            }

            if (encoded is null)
            {
                // Not before a store is to have it: what is for memory alone need not be serializable.
                encoded = Encode(entry, value, compress);
                bytes = encoded.Bytes;
            }

            if (!Fits(tier, bytes.Length))
            {
                if (tier.IsFar && flight.IsAtAuthority)
                {
                    flight.RemovedAt = (await tier.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false))?.Stamp ?? 0; // what it replaces
                }

                continue;
            }

            if (!tier.IsFar && !isStamped)
            {
                // What a store was given and may still be reading is neither changed nor given back.
                if (isAbandoned)
                {
                    bytes = bytes.ToArray();
                }

                EntryCodec.PatchStamp(MemoryMarshal.AsMemory(bytes).Span, details.StoreStamp); // of our own making in either case
                isStamped = true;
            }

            var stored = reader.EntryFor(tier, bytes, expiresAt, retainUntil, details.Tags);
            var answer = await tier.WriteAsync(entry.Key, stored, condition).ConfigureAwait(false);
            if (condition.Kind == StoreConditionKind.IfUnchanged && answer.TryGet(out var refusal) && refusal.Outcome == StoreWriteOutcome.Overtaken)
            {
                // What was to be replaced is not there any more. If only its time is over, nothing stands in the way of a value under its stamp.
                answer = await tier.WriteAsync(entry.Key, stored, StoreCondition.IfCurrent(condition.Stamp)).ConfigureAwait(false);
            }

            isAbandoned |= answer.MayTakeEffect;
            if (!tier.IsFar && reader.IsDoubtful(flight))
            {
                // Its stamp may say that it came after what was missed, and it was made before.
                await tier.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
            }

            if (answer.TryGet(out var result) && tier.IsFar)
            {
                switch (result.Outcome)
                {
                    case StoreWriteOutcome.Overtaken:
                        encoded.Dispose();
                        return true;
                    case StoreWriteOutcome.Stored:
                        details.StoreStamp = result.Stamp;
                        break;
                }
            }
        }

        if (!isAbandoned)
        {
            encoded?.Dispose();
        }

        return false;
    }

    /// <summary>Stores a value somebody has set, in place of whatever the stores have.</summary>
    /// <param name="value">The value.</param>
    /// <param name="entry">The entry made of it; it gets the authority's stamp, if that holds it.</param>
    /// <param name="settings">Which tiers to write.</param>
    /// <returns>The authority's stamp of the change, 0 if it could not be told yet; and whether a nearer store has the value in its place.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<(long Stamp, bool IsNear)> SetAsync<T>(T value, MemoryEntry entry, EntrySettings settings)
    {
        var details = entry.Details!; // as above
        details.StoreStamp = 0;
        if (!settings.FitsStores || (settings.Tiers & (CacheTiers.WriteFar | CacheTiers.WriteNear)) == 0)
        {
            return ((await invalidator.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false)).Stamp, false);
        }

        var encoded = Encode(entry, value, settings.Compress);
        if (Far.Writes(settings.Tiers) && Fits(Far, encoded.Bytes.Length))
        {
            // Before as well: who has seen the new value at the authority must not meet the old one here, filled in meanwhile.
            await invalidator.InvalidateNearAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
            var before = Far.LastStamp;

            // Not by methods between: each would wait, too, and this is what every set goes through.
            var answer = await Far.Guard.WriteAsync(entry.Key, FarEntryOf(entry, encoded.Bytes), StoreCondition.Always, default).ConfigureAwait(false);
            Far.Note(answer);
            var changed = Settle(entry, encoded, answer, before);
            await invalidator.InvalidateNearAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
            return (changed, false);
        }

        return await SetElsewhereAsync(entry, encoded, settings).ConfigureAwait(false);
    }

    /// <summary>Stores a value that the authority does not take in the nearer stores that do: by their own clocks, in place of what was there.</summary>
    /// <returns>As of <see cref="SetAsync"/>.</returns>
    private async ValueTask<(long Stamp, bool IsNear)> SetElsewhereAsync(MemoryEntry entry, EncodedEntry encoded, EntrySettings settings)
    {
        var far = await Far.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
        var isStored = false;
        var bytes = encoded.Bytes.ToArray(); // never changed or given back, so that a write given up may end when it likes
        encoded.Dispose();
        var (expiresAt, retainUntil) = time.LifeOf(entry.Details!); // as above
        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            var tier = tiers[i];
            var removed = await tier.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
            if (removed is { } before && tier.Writes(settings.Tiers) && Fits(tier, bytes.Length))
            {
                var answer = await tier.WriteAsync(
                    entry.Key, reader.EntryFor(tier, bytes, expiresAt, retainUntil, entry.Details!.Tags), StoreCondition.IfCurrent(before.Stamp)).ConfigureAwait(false);
                isStored |= answer.TryGet(out var result) && result.IsStored;
            }
        }

        return (far?.Stamp ?? 0, isStored);
    }

    /// <summary>Stores many values that somebody has set, in place of whatever the stores have, with few calls of each.</summary>
    /// <param name="batch">The values, and the entries made of them; these get the authority's stamps.</param>
    /// <param name="settings">Which tiers to write: the authority, and what is written there fits stores.</param>
    /// <returns>For each what <see cref="SetAsync"/> would have returned.</returns>
    internal async ValueTask<Dictionary<string, (long Stamp, bool IsNear)>> SetManyAsync<T>(IReadOnlyList<(T Value, MemoryEntry Entry)> batch, EntrySettings settings)
    {
        var encoded = new EncodedEntry[batch.Count];
        var done = 0;
        try
        {
            for (; done < batch.Count; done++)
            {
                encoded[done] = Encode(batch[done].Entry, batch[done].Value, settings.Compress);
            }
        }
        catch
        {
            // Nothing has been touched: one that cannot be encoded is an error of the whole.
            for (var i = 0; i < done; i++)
            {
                encoded[i].Dispose();
            }

            throw;
        }

        var keys = batch.Select(static one => one.Entry.Key).ToList();
        await invalidator.RemoveNearAsync(keys).ConfigureAwait(false); // before and after, as of one
        var changed = new Dictionary<string, (long Stamp, bool IsNear)>(StringComparer.Ordinal);
        var chunk = new List<(MemoryEntry Entry, EncodedEntry Encoded)>();
        var tooLarge = new List<int>();
        var bytes = 0L;
        for (var i = 0; i < batch.Count; i++)
        {
            var length = encoded[i].Bytes.Length;
            if (!Fits(Far, length))
            {
                tooLarge.Add(i);
                continue;
            }

            if (chunk.Count > 0 && (chunk.Count == StoreTier.MaximumBatch || bytes + length > MaximumBatchBytes))
            {
                await SetFarAsync(chunk, changed).ConfigureAwait(false);
                chunk.Clear();
                bytes = 0;
            }

            chunk.Add((batch[i].Entry, encoded[i]));
            bytes += length;
        }

        if (chunk.Count > 0)
        {
            await SetFarAsync(chunk, changed).ConfigureAwait(false);
        }

        await invalidator.RemoveNearAsync(keys).ConfigureAwait(false);
        foreach (var index in tooLarge)
        {
            var entry = batch[index].Entry;
            entry.Details!.StoreStamp = 0; // as above
            changed[entry.Key] = await SetElsewhereAsync(entry, encoded[index], settings).ConfigureAwait(false);
        }

        return changed;
    }

    private async ValueTask SetFarAsync(List<(MemoryEntry Entry, EncodedEntry Encoded)> chunk, Dictionary<string, (long Stamp, bool IsNear)> changed)
    {
        var before = Far.LastStamp;
        var writes = chunk.ConvertAll(one => new StoreWrite(one.Entry.Key, FarEntryOf(one.Entry, one.Encoded.Bytes), StoreCondition.Always));
        var answers = await Far.WriteManyAsync(writes).ConfigureAwait(false);
        for (var i = 0; i < answers.Length; i++)
        {
            var (entry, encoded) = chunk[i];
            changed[entry.Key] = (Settle(entry, encoded, answers[i], before), false);
        }
    }

    private StoreEntry FarEntryOf(MemoryEntry entry, ReadOnlyMemory<byte> bytes)
    {
        var details = entry.Details!; // as above
        var (expiresAt, retainUntil) = time.LifeOf(details);
        return reader.EntryFor(Far, bytes, expiresAt, retainUntil, details.Tags);
    }

    /// <summary>Does what follows a set at the authority; the entry gets its stamp there, 0 if it is not there, or not yet.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="encoded">Its bytes, which are not used any more.</param>
    /// <param name="answer">What the authority has said.</param>
    /// <param name="before">A stamp it has shown before.</param>
    /// <returns>
    /// The stamp of the change, for other nodes to be told: that of no entry if the authority has declined the value and emptied the key. 0 if nothing has
    /// changed there yet.
    /// </returns>
    private long Settle(MemoryEntry entry, EncodedEntry encoded, in StoreAnswer<StoreWriteResult> answer, long before)
    {
        if (answer.TryGet(out var result))
        {
            encoded.Dispose();
            Far.Recovery.Supersede(entry.Key); // what it could not be told before is of the past
            entry.Details!.StoreStamp = result.IsStored ? result.Stamp : 0; // as above
            return result.IsStored ? result.Stamp : long.MaxValue;
        }

        entry.Details!.StoreStamp = 0;

        // Sent again as what it was then: newer than all this node has seen, but not than what others have written since.
        Far.Recovery.AddWrite(entry.Key, FarEntryOf(entry, encoded.Bytes.ToArray()), before);
        return 0;
    }

    /// <summary>Stores a value if the authority has no unexpired one.</summary>
    /// <returns>What became of it; nothing if the authority could not be asked.</returns>
    internal async ValueTask<StoreWriteOutcome?> TryAddAsync<T>(T value, MemoryEntry entry, bool? compress)
    {
        var outcome = await TryWriteAsync(value, entry, StoreCondition.IfAbsent, compress).ConfigureAwait(false);
        if (outcome != StoreWriteOutcome.Overtaken || Far.Recovery.IsEmpty || !await IsCoveredAsync(entry.Key).ConfigureAwait(false))
        {
            return outcome;
        }

        await Far.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
        return await TryWriteAsync(value, entry, StoreCondition.IfAbsent, compress).ConfigureAwait(false);
    }

    /// <summary>Whether what the authority has under a key was removed by a tag of which it still has to be told.</summary>
    private async ValueTask<bool> IsCoveredAsync(string key)
    {
        if (await reader.PeekAsync(key, withPayload: true, default).ConfigureAwait(false) is not { Tier.IsFar: true } peeked)
        {
            return false;
        }

        using (peeked.Lookup)
        {
            return !peeked.Lookup.IsFound;
        }
    }

    /// <summary>Puts an entry in place of the one it was made from.</summary>
    /// <returns>What became of it: overtaken if that was not there any more; nothing if the authority could not be asked.</returns>
    internal ValueTask<StoreWriteOutcome?> TryReplaceAsync<T>(T value, MemoryEntry entry, long madeFrom, bool? compress) =>
        TryWriteAsync(value, entry, StoreCondition.IfUnchanged(madeFrom), compress);

    /// <summary>Puts an entry with the same value, but a fixed time to live, in place of one that reads renew.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="envelope">What the authority has.</param>
    /// <param name="lookup">The answer it came with.</param>
    /// <param name="expiresAt">When it expires from now on.</param>
    /// <returns>As above.</returns>
    internal ValueTask<bool?> TryRewriteAsync(string key, in Envelope envelope, in StoreLookup lookup, DateTimeOffset expiresAt)
    {
        var metadata = new EntryMetadata { CreatedAt = envelope.CreatedAt, ExpiresAt = expiresAt, StaleFor = envelope.StaleFor, Tags = envelope.Tags };
        return codec.Rewrite(envelope, key, metadata) is { } encoded
            ? TryWriteAsync(key, encoded, reader.EntryFor(Far, encoded.Bytes, expiresAt, StoreTime.Add(expiresAt, envelope.StaleFor.Ticks), envelope.Tags), lookup.Stamp)
            : new(false); // it cannot be decrypted: nobody here can read it
    }

    private async ValueTask<bool?> TryWriteAsync(string key, EncodedEntry encoded, StoreEntry entry, long madeFrom)
    {
        var answer = await Far.WriteAsync(key, entry, StoreCondition.IfUnchanged(madeFrom)).ConfigureAwait(false);
        if (!answer.TryGet(out var result))
        {
            return null; // as below
        }

        encoded.Dispose();
        await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
        return result.IsStored;
    }

    /// <summary>Changes when what the nearer stores have of a key expires, whatever its stamps are there.</summary>
    internal async ValueTask SetNearExpirationAsync(string key, DateTimeOffset expiresAt, DateTimeOffset retainUntil)
    {
        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            var answer = await tiers[i].ReadAsync(key, new() { WithoutPayload = true }, default).ConfigureAwait(false);
            if (!answer.TryGet(out var lookup) || !lookup.IsFound)
            {
                continue;
            }

            using (lookup)
            {
                await tiers[i].Guard.SetExpirationAsync(key, lookup.Stamp, expiresAt, retainUntil, default).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<StoreWriteOutcome?> TryWriteAsync<T>(T value, MemoryEntry entry, StoreCondition condition, bool? compress)
    {
        var details = entry.Details!; // as above
        var encoded = Encode(entry, value, compress);
        if (!Fits(Far, encoded.Bytes.Length))
        {
            encoded.Dispose();
            return StoreWriteOutcome.Declined;
        }

        var answer = await Far.WriteAsync(entry.Key, FarEntryOf(entry, encoded.Bytes), condition).ConfigureAwait(false);
        if (!answer.TryGet(out var result))
        {
            return null; // and the bytes may still be in use
        }

        encoded.Dispose();
        if (result.IsStored)
        {
            details.StoreStamp = result.Stamp;
            await invalidator.InvalidateNearAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
        }

        return result.Outcome;
    }

    /// <summary>Gives a new time to live to a value that the authority still has to be given.</summary>
    /// <returns>Nothing if there is none; false if its own bytes say when it ends.</returns>
    internal bool? TrySetPendingExpiration(string key, TimeSpan timeToLive) => Far.Recovery.TrySetExpiration(key, entry =>
    {
        if (!EntryCodec.TryParse(entry.Payload, key, out var envelope) || envelope.Sliding > TimeSpan.Zero)
        {
            return null;
        }

        var expiresAt = StoreTime.Add(time.UtcNow, timeToLive.Ticks);
        return reader.EntryFor(Far, entry.Payload, expiresAt, StoreTime.Add(expiresAt, envelope.StaleFor.Ticks), envelope.Tags);
    });

    /// <summary>Whether the authority still has to be told of a change of a key.</summary>
    internal bool IsPending(string key) => Far.Recovery.Holds(key);

    /// <summary>
    /// Whether a number cannot be counted on at the authority, because it may have been removed and the authority still has to be told.
    /// Of a counter of its own nobody here knows the tags.
    /// </summary>
    internal bool IsCountPending(string key) =>
        Far.Recovery.Holds(key) || (Far.Store is ICounterStore && Far.Recovery.HoldsTags);

    /// <summary>Has the authority count, if it can.</summary>
    /// <returns>Answered with nothing if it cannot, or has something else than its own counter under the key. Without an answer it may have counted.</returns>
    internal async ValueTask<StoreAnswer<StoreCount?>> TryCountAsync(
        string key, long delta, CacheCounterOptions? options, DateTimeOffset expiresAt, string[] tags)
    {
        if (Far.Store is not ICounterStore)
        {
            return StoreAnswer<StoreCount?>.Of(null);
        }

        var step = new StoreCounterStep
        {
            Delta = delta,
            InitialValue = options?.InitialValue ?? 0,
            Minimum = options?.Minimum ?? long.MinValue,
            Maximum = options?.Maximum ?? long.MaxValue,
            ExpiresAt = expiresAt,
            Tags = tags,
        };
        var answer = await Far.Guard.RunAsync(
            StoreOperation.Increment, key, (key, step),
            static (store, call, token) => ((ICounterStore)store).IncrementAsync(call.key, call.step, token), // as seen above
            default).ConfigureAwait(false);
        if (answer.TryGet(out var count) && count is { } counted)
        {
            Far.Note(counted.Stamp);
        }

        return answer;
    }

    private EncodedEntry Encode<T>(MemoryEntry entry, T value, bool? compress)
    {
        var details = entry.Details!; // as above
        return codec.Encode(
            entry.Key,
            value,
            new EntryMetadata
            {
                CreatedAt = time.UtcNow,
                ExpiresAt = time.ToInstant(details.SlidingTicks > 0 ? details.SlidingLimit : details.ExpiresAt),
                Sliding = new(details.SlidingTicks),
                StaleFor = new(details.StaleForTicks),
                Tags = details.Tags,
            },
            compress);
    }

    private bool Fits(StoreTier tier, int bytes)
    {
        if (tier.Takes(bytes))
        {
            return true;
        }

        if (bytes > tier.MaximumEntryBytes)
        {
            reporter.EntryTooLargeForStore(tier.Name, bytes, tier.MaximumEntryBytes);
        }

        return false;
    }
}
