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

    /// <summary>The numbers of the used slots, by the place of their records in the log, so that they are read in one direction.</summary>
    internal long[] ByAddress(CancellationToken cancellationToken)
    {
        List<long> numbers = [];
        List<long> addresses = [];
        for (long i = 0; i < _slotCount; i++)
        {
            if (i % 65_536 == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            var slot = At(i);
            if (IsUsed(slot))
            {
                numbers.Add(i);
                addresses.Add(reader.AddressOf(slot));
            }
        }

        long[] sorted = [.. numbers];
        Array.Sort([.. addresses], sorted);
        return sorted;
    }

    /// <summary>Reads the key of the live entry in a slot, if it has a prefix.</summary>
    /// <param name="number">The number of the slot.</param>
    /// <param name="prefix">The prefix.</param>
    /// <param name="hash">The hash of the key.</param>
    /// <returns><see langword="null"/> if there is none such.</returns>
    internal string? KeyAt(long number, ReadOnlySpan<byte> prefix, out ulong hash)
    {
        hash = 0;
        ulong seen = 0;
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            while (At(number) is var slot && IsUsed(slot) && !index.Slots.IsSameRecord(slot, seen))
            {
                var record = reader.ReadHeader(slot, ref header);
                if (!record.IsNone)
                {
                    if (!record.Key.StartsWith(prefix) || !judge.IsLive(record))
                    {
                        return null;
                    }

                    hash = Mix64.Of(record.Key, index.HashSeed);
                    return Encoding.UTF8.GetString(record.Key);
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
        foreach (var number in ByAddress(cancellationToken))
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

    private ulong At(long number) => Volatile.Read(ref index.BucketAt(0)[number]);

    private bool IsUsed(ulong slot) => slot != 0 && !index.Slots.IsPending(slot) && index.IsInLog(reader.AddressOf(slot));
}
