using System.Runtime.CompilerServices;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>What writing an entry does, from its key to its slot: whole, or part by part.</summary>
[SkipLocalsInit]
internal sealed unsafe class EntryWrites(
    DiskIndex index, SlotTable slots, RecordReader reader, RecordWriter records, EntryJudge judge, Invalidations invalidations, SharedFeed feed, Action<DiskStep>? hook)
{
    private const int MostTagsOnStack = 32;
    private const int MostRounds = 16;

    /// <summary>How much of a value a piece holds.</summary>
    internal int PieceBytes => index.Geometry.PieceBytes;

    /// <summary>A longer value is not stored.</summary>
    internal long LargestValue => index.Geometry.LargestValue;

    /// <summary>Writes an entry if the condition holds.</summary>
    internal StoreWriteResult Write(string key, in StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], index.HashSeed);
        index.Prefetch(hashed.Hash);
        var tagCount = entry.Tags?.Count ?? 0;
        var tags = tagCount <= MostTagsOnStack ? stackalloc ulong[tagCount] : new ulong[tagCount];
        HashedKey.OfTags(entry.Tags, index.HashSeed, tags);

        // What does not depend on the stamp, while memory is fetched.
        var value = entry.Payload.Span;
        ulong? sum = RecordLayout.Bytes(tagCount, hashed.Bytes.Length, value.Length) <= index.Geometry.LargestRecord ? RecordLayout.SumOf(value, index.StoreId) : null;
        ulong written = 0;
        var mayRepeat = condition.Kind is StoreConditionKind.Always or StoreConditionKind.IfAbsent;
        for (var round = 1; ; round++)
        {
            if (!TryBegin(hashed, tags, condition, out var fields))
            {
                return new(StoreWriteOutcome.Overtaken, Volatile.Read(ref index.Sequence));
            }

            fields = fields with { ExpiresAt = entry.ExpiresAt.UtcTicks, RetainUntil = entry.RetainUntil.UtcTicks, ValueSum = sum };
            var outcome = Store(hashed, tags, fields, value, condition, ref written, out var isLapped);
            if (outcome == Publication.Done && !(isLapped && mayRepeat && round < MostRounds))
            {
                hook?.Invoke(DiskStep.Published);
                if (condition.Kind == StoreConditionKind.IfCurrent)
                {
                    index.MovePast(fields.Stamp);
                }
                else
                {
                    feed.PublishKey(hashed.Bytes);
                }

                return new(StoreWriteOutcome.Stored, fields.Stamp);
            }

            if (outcome is null)
            {
                Interlocked.Increment(ref index.DeclinedWrites);
                return new(StoreWriteOutcome.Declined, fields.Stamp);
            }

            // What a step is made from may have been moved, or made to expire: it may still hold, of that.
            if (outcome == Publication.Refused && condition.Kind == StoreConditionKind.IfUnchanged)
            {
                continue;
            }

            if (outcome == Publication.Refused || (outcome == Publication.Overtaken && condition.Kind == StoreConditionKind.IfCurrent))
            {
                return new(StoreWriteOutcome.Overtaken, fields.Stamp);
            }

            // A later stamp has been drawn for this key, or for one that shares its fences: write under a later one still. But a call that
            // was given up must not: whoever gave it up may have written since.
            if (outcome == Publication.Overtaken && (round >= MostRounds || cancellationToken.IsCancellationRequested))
            {
                if (condition.Kind != StoreConditionKind.Always)
                {
                    return new(StoreWriteOutcome.Overtaken, fields.Stamp);
                }

                // It was written, and overwritten at once.
                RemoveFailed(hashed, fields.Stamp);
                return new(StoreWriteOutcome.Stored, fields.Stamp);
            }
        }
    }

    /// <summary>Begins an entry that comes part by part: its stamp is older than whatever happens to its key from now on.</summary>
    /// <returns>Its place among the streams, to be given back with <see cref="EndStream"/>, and its stamp.</returns>
    internal (StreamPlace Place, long Stamp) BeginStream(string key)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], index.HashSeed);
        var place = index.StreamMarks.Enter(hashed.Hash);
        return (place, index.DrawWriteStamp());
    }

    internal void EndStream(StreamPlace place) => index.StreamMarks.Leave(place);

    /// <summary>Appends a piece of a value.</summary>
    internal bool TryAppendPiece(ReadOnlySpan<byte> piece, out long address) => records.TryAppendPiece(piece, out address);

    /// <summary>Publishes an entry whose bytes came part by part, unless something has overtaken it.</summary>
    /// <param name="key">The key.</param>
    /// <param name="entry">The entry, with the bytes that come before all others.</param>
    /// <param name="stamp">Its stamp.</param>
    /// <param name="place">Its place among the streams.</param>
    /// <param name="pieces">Where what came is in the log, in pieces of the full size.</param>
    /// <param name="rest">What came after these.</param>
    internal StoreWriteResult Complete(string key, in StoreEntry entry, long stamp, StreamPlace place, IReadOnlyList<long> pieces, ReadOnlySpan<byte> rest)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], index.HashSeed);
        var tagCount = entry.Tags?.Count ?? 0;
        var tags = tagCount <= MostTagsOnStack ? stackalloc ulong[tagCount] : new ulong[tagCount];
        HashedKey.OfTags(entry.Tags, index.HashSeed, tags);
        if (invalidations.AreCovering(tags, stamp))
        {
            // As if it had been written, and then been removed by the tag.
            invalidations.RaiseFence(hashed.Hash, stamp);
            RemoveFailed(hashed, stamp);
            return new(StoreWriteOutcome.Overtaken, stamp);
        }

        // Loads that began before this did must not come after it.
        invalidations.RaiseFence(hashed.Hash, stamp);
        var fields = new RecordFields
        {
            Kind = RecordKind.Entry,
            Stamp = stamp,
            Cover = stamp,
            ExpiresAt = entry.ExpiresAt.UtcTicks,
            RetainUntil = entry.RetainUntil.UtcTicks,
        };
        if (!records.TryAppendParts(hashed, tags, fields, entry.Payload.Span, pieces, rest, out var address, out var bytes)
            || (pieces.Count > 0 && !index.IsInLog(pieces[0]))) // the log may have come round while the rest was waited for
        {
            Interlocked.Increment(ref index.DeclinedWrites);
            return new(StoreWriteOutcome.Declined, stamp);
        }

        var slot = index.Slots.Create(index.Slots.Fingerprint(hashed.Hash), address, bytes);
        if (slots.Publish(hashed, slot, stamp, StoreCondition.IfCurrent(stamp), isExpired: false, place) != Publication.Done)
        {
            return new(StoreWriteOutcome.Overtaken, stamp);
        }

        hook?.Invoke(DiskStep.Published);
        feed.PublishKey(hashed.Bytes);
        return new(StoreWriteOutcome.Stored, stamp);
    }

    /// <summary>Looks whether a write has a chance, and if so gives it its stamp and keeps older ones from coming after it.</summary>
    private bool TryBegin(in HashedKey key, ReadOnlySpan<ulong> tags, StoreCondition condition, out RecordFields fields)
    {
        fields = default;
        var (stamp, cover, isExpired) = (condition.Stamp, condition.Stamp, false);
        if (condition.Kind == StoreConditionKind.IfCurrent
            && (index.Fences.IsLater(key.Hash, stamp) || invalidations.AreCovering(tags, stamp)))
        {
            return false;
        }

        if (condition.Kind != StoreConditionKind.Always)
        {
            var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
            try
            {
                var occupant = slots.TryFind(key.Hash, out _, out var slot) ? reader.ReadHeader(slot, ref header) : default;
                if (!judge.Admits(condition, occupant, key.Bytes) && !(condition.Kind == StoreConditionKind.IfAbsent && !reader.IsReadable(slot)))
                {
                    return false;
                }

                if (condition.Kind == StoreConditionKind.IfUnchanged)
                {
                    // An invalidation of its tags may have drawn its stamp before this entry got its own, and not have reached the cells
                    // yet. So the new entry is covered by all that cover the one it is made from.
                    cover = occupant.Cover;
                    isExpired = occupant.IsExpired;
                }
            }
            finally
            {
                header.Dispose();
            }
        }

        if (condition.Kind != StoreConditionKind.IfCurrent)
        {
            stamp = index.DrawWriteStamp();
            cover = condition.Kind == StoreConditionKind.IfUnchanged ? cover : stamp;
        }

        invalidations.RaiseFence(key.Hash, stamp);
        fields = new RecordFields { Kind = RecordKind.Entry, Stamp = stamp, Cover = cover, IsExpired = isExpired };
        return true;
    }

    /// <summary>Appends an entry, unless that was done before and only its stamp was too early, and publishes it.</summary>
    /// <returns><see langword="null"/> if it cannot be kept; after an unconditional write the key is then empty.</returns>
    private Publication? Store(
        in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, StoreCondition condition, ref ulong written, out bool isLapped)
    {
        isLapped = false;
        var isStored = false;
        try
        {
            if (written == 0 || !records.TryGiveStamp(written, fields))
            {
                if (!records.TryAppend(key, tags, fields, value, out var address, out var bytes))
                {
                    return null;
                }

                written = index.Slots.Create(index.Slots.Fingerprint(key.Hash), address, bytes);
                isLapped = !index.IsInLog(address);
            }

            var outcome = slots.Publish(key, written, fields.Stamp, condition, fields.IsExpired);
            isStored = true;
            return outcome;
        }
        finally
        {
            if (!isStored && condition.Kind == StoreConditionKind.Always)
            {
                RemoveFailed(key, fields.Stamp);
            }
        }
    }

    /// <summary>What was there must not outlive an attempt to overwrite it.</summary>
    private void RemoveFailed(in HashedKey key, long stamp)
    {
        slots.RemoveUpTo(key, stamp);
        feed.PublishKey(key.Bytes);
    }
}
