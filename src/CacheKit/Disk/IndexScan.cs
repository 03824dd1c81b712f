using System.Text;

namespace CacheKit.Disk;

/// <summary>Goes through all entries: to count them, list their keys, or check their bytes.</summary>
internal sealed unsafe class IndexScan(DiskIndex index, RecordReader reader, EntryJudge judge)
{
    private readonly long _slotCount = index.Geometry.BucketCount * DiskGeometry.SlotsPerBucket;

    /// <summary>Counts what slots point to: memory only.</summary>
    internal long Count(CancellationToken cancellationToken)
    {
        long count = 0;
        for (long i = 0; i < _slotCount; i++)
        {
            if (i % 65_536 == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            count += IsUsed(At(i)) ? 1 : 0;
        }

        return count;
    }

    /// <summary>Lists the used slots.</summary>
    internal SlotListing List() => new(index, reader);

    /// <summary>Reads the key of the live entry in a slot that was listed, if it has a prefix.</summary>
    /// <returns><see langword="null"/> if there is none such, or if the slot is another key's by now: that has come meanwhile, and may have been listed already.</returns>
    internal string? KeyOf(in ListedSlot listed, ReadOnlySpan<byte> prefix)
    {
        ulong seen = 0;
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            while (At(listed.Number) is var slot && IsUsed(slot) && !index.Slots.IsSameRecord(slot, seen)
                && index.Slots.FingerprintOf(slot) == index.Slots.FingerprintOf(listed.Slot))
            {
                var record = reader.ReadHeader(slot, ref header);
                if (!record.IsNone)
                {
                    return record.Key.StartsWith(prefix) && judge.IsLive(record) ? Encoding.UTF8.GetString(record.Key) : null;
                }

                seen = slot; // moved meanwhile, perhaps
            }

            return null;
        }
        finally
        {
            header.Dispose();
        }
    }

    /// <summary>Reads everything and counts what is live, what is not any more, and what is damaged.</summary>
    internal DiskCheckResult Check(CancellationToken cancellationToken)
    {
        long live = 0, dead = 0, damaged = 0, liveBytes = 0;
        foreach (var number in NumbersOf(List(), cancellationToken))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var slot = At(number);
            if (!IsUsed(slot))
            {
                continue;
            }

            using var bytes = new RentedBytes(index.Slots.RecordBound(slot));
            var record = reader.ReadAll(slot, bytes.Array);
            if (record.IsNone || !IsWhole(record, bytes.Array.AsSpan(record.ValueOffset, record.ValueLength)))
            {
                // Not if it has gone since it was listed.
                damaged += index.Slots.IsSameRecord(At(number), slot) && IsUsed(slot) ? 1 : 0;
            }
            else if (judge.IsLive(record) && reader.AreAllPiecesThere(record, bytes.Array.AsSpan(record.ValueOffset, record.ValueLength)))
            {
                live++;
                liveBytes += record.TotalBytes;
            }
            else
            {
                dead++;
            }
        }

        return new(live, liveBytes, dead, damaged);
    }

    /// <summary>Throws if two visible slots of a bucket are of one fingerprint. Only while nobody writes.</summary>
    internal void Verify()
    {
        for (long bucket = 0; bucket < index.Geometry.BucketCount; bucket++)
        {
            var seen = new HashSet<ulong>();
            for (var i = 0; i < DiskGeometry.SlotsPerBucket; i++)
            {
                var slot = Volatile.Read(ref index.BucketAt(bucket)[i]);
                if (IsUsed(slot) && !seen.Add(index.Slots.FingerprintOf(slot)))
                {
                    throw new InvalidOperationException($"Bucket {bucket} has two visible slots of one fingerprint.");
                }
            }
        }

        var (begin, tail) = (Volatile.Read(ref index.Begin), Volatile.Read(ref index.Tail));
        if (begin > tail || tail - begin > index.Geometry.DataBytes)
        {
            throw new InvalidOperationException($"The log goes from {begin} to {tail}, but has room for {index.Geometry.DataBytes}.");
        }
    }

    /// <summary>Whether the value of a record is what was stored, and so are its pieces, if it lists some, as far as they have not been evicted.</summary>
    private bool IsWhole(in Record record, ReadOnlySpan<byte> value)
    {
        if (!reader.IsValueIntact(record, value))
        {
            return false;
        }

        if (record.Kind != RecordKind.Head)
        {
            return true;
        }

        if (!PieceList.TryRead(value, index.Geometry, out var pieces))
        {
            return false;
        }

        using var piece = new RentedBytes(index.Geometry.PieceBytes);
        for (var i = 0; i < pieces.Addresses.Length; i++)
        {
            if (!reader.TryReadPiece(pieces.Addresses[i], piece.Array.AsSpan(0, pieces.Extent(i).Bytes)) && index.IsInLog(pieces.Addresses[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static IEnumerable<long> NumbersOf(SlotListing slots, CancellationToken cancellationToken)
    {
        while (slots.TryGoOn(cancellationToken))
        {
            for (var i = 0; i < slots.Part.Length; i++)
            {
                yield return slots.Part.Span[i].Number;
            }
        }
    }

    private ulong At(long number) => Volatile.Read(ref index.BucketAt(0)[number]);

    private bool IsUsed(ulong slot) => reader.IsUsed(slot);
}
