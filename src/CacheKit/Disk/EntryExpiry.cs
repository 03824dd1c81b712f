using System.Buffers;
using System.Runtime.CompilerServices;

namespace CacheKit.Disk;

/// <summary>Changes when an entry expires: in its record, or on request.</summary>
[SkipLocalsInit]
internal sealed unsafe class EntryExpiry(DiskIndex index, RingLog log, SlotTable slots, RecordReader reader, EntryJudge judge, Invalidations invalidations)
{
    /// <summary>Changes the instants of an entry in its record.</summary>
    internal bool SetExpiration(string key, long stamp, long expiresAt, long retainUntil)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], index.HashSeed);
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            Span<byte> life = stackalloc byte[RecordLayout.LifeBytes];
            while (slots.TryFind(hashed.Hash, out var place, out var slot))
            {
                var record = reader.ReadHeader(slot, ref header);
                if (record.IsNone)
                {
                    if (index.Slots.IsSameRecord(slot, Volatile.Read(ref *place)))
                    {
                        return false;
                    }

                    continue;
                }

                if (!record.Key.SequenceEqual(hashed.Bytes) || record.Stamp != stamp || !judge.IsLive(record) || invalidations.AreExpiring(record))
                {
                    return false;
                }

                RecordLayout.WriteLife(life, expiresAt, retainUntil, record.Address, index.StoreId);
                if (index.IsInLog(record.Address))
                {
                    log.Write(record.Address + RecordLayout.LifeOffset, life);
                }

                // If the record was moved meanwhile, whoever moved it may have read the instants before. (Else they look once more when they have moved it.)
                if (index.Slots.IsSameRecord(slot, Volatile.Read(ref *place)))
                {
                    return true;
                }
            }

            return false;
        }
        finally
        {
            header.Dispose();
        }
    }

    /// <summary>Puts a copy that has expired in the place of the entry: an expiry must not be lost when the record is moved.</summary>
    internal bool Expire(in HashedKey key, long stamp)
    {
        slots.RemovePending(key.Hash);
        var wasFresh = false;
        while (slots.TryFind(key.Hash, out var place, out var slot))
        {
            var bound = index.Slots.RecordBound(slot);
            var rented = ArrayPool<byte>.Shared.Rent(bound);
            try
            {
                var record = reader.ReadAll(slot, rented.AsSpan(0, bound));
                var isOfKey = !record.IsNone && record.Key.SequenceEqual(key.Bytes);
                if (isOfKey && record.Cover > stamp)
                {
                    return wasFresh;
                }

                // Another key's of the same fingerprint is removed: the slot must change, or a load that has looked at the fence before could still take it.
                var isLive = isOfKey && judge.IsLive(record);
                wasFresh = isLive && !judge.IsExpired(record);
                ulong expired = 0;
                if (isLive)
                {
                    var copy = rented.AsSpan(0, (int)record.TotalBytes);
                    RecordLayout.MarkExpired(copy, Math.Min(record.ExpiresAt, judge.Now));
                    if (log.TryAppend(copy, out var address))
                    {
                        expired = index.Slots.WithUses(
                            index.Slots.Create(index.Slots.FingerprintOf(slot), address, copy.Length), index.Slots.Uses(slot));
                    }
                }

                // Without room for the copy it is removed instead.
                if (SlotTable.TryChange(place, slot, expired))
                {
                    return wasFresh;
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Nor may it stay because the disk fails.
                slots.RemoveUpTo(key, stamp);
                return false;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }

        return wasFresh;
    }
}
