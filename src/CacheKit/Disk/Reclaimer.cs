using System.Buffers;

namespace CacheKit.Disk;

/// <summary>Goes through the oldest segments before the log comes round to them, and carries to the tail what has been used.</summary>
/// <remarks>
/// <para>Eviction in the order of writing, with a second and a third chance: an entry that was read since it was last carried on is
/// carried on again, with one use less. At most half of a segment is; so this costs at most as much as what callers write.</para>
/// <para>It runs in whichever process opened a segment. A lease keeps two from doing the same work; that they do is harmless.
/// If it is late, the log drops a segment as it is: nobody waits for it.</para>
/// </remarks>
internal sealed unsafe class Reclaimer(
    DiskIndex index, RingLog log, SlotTable slots, RecordReader reader, EntryJudge judge, DiskSettings settings)
{
    private const int SegmentsAhead = 2;

    private static readonly long _leaseDuration = 2 * TimeProvider.System.TimestampFrequency;

    private readonly long _segmentBytes = index.Geometry.SegmentBytes;
    private readonly long _segmentCount = index.Geometry.SegmentCount;

    /// <summary>Whether fewer segments are free ahead of the tail than there should be.</summary>
    internal bool IsNeeded => Volatile.Read(ref index.Begin) < BeginWanted;

    private long BeginWanted => ((Volatile.Read(ref index.Tail) / _segmentBytes) + 1 + SegmentsAhead - _segmentCount) * _segmentBytes;

    /// <summary>Makes segments free until enough are.</summary>
    /// <param name="mayGoOn">Asked before each.</param>
    internal void Run(Func<bool> mayGoOn)
    {
        long lease = 0;
        while (IsNeeded && mayGoOn())
        {
            if (!TryLease(ref lease))
            {
                return;
            }

            var segment = Volatile.Read(ref index.Begin) / _segmentBytes;
            if (!TryReclaim(segment, mayGoOn))
            {
                break;
            }

            settings.Hook?.Invoke(DiskStep.Reclaimed);
            log.DropBefore((segment + 1) * _segmentBytes);
        }

        if (lease != 0)
        {
            Interlocked.CompareExchange(ref index.ReclaimLease, 0, lease);
        }
    }

    private bool TryLease(ref long lease)
    {
        // Between processes of one machine: its monotonic clock, not that of the cache.
        var now = TimeProvider.System.GetTimestamp();
        var held = Volatile.Read(ref index.ReclaimLease);
        if (held != lease && held > now && held < now + (2 * _leaseDuration))
        {
            return false;
        }

        var until = now + _leaseDuration;
        if (Interlocked.CompareExchange(ref index.ReclaimLease, until, held) != held)
        {
            return false;
        }

        lease = until;
        return true;
    }

    /// <summary>Goes through a segment.</summary>
    /// <returns><see langword="false"/> if it was called off: what was not looked at yet stays.</returns>
    private bool TryReclaim(long segment, Func<bool> mayGoOn)
    {
        var walk = new SegmentWalk(index, log, segment);
        var budget = _segmentBytes / 2;
        try
        {
            while (walk.TryNext(out var record) && index.IsInLog(record.Address))
            {
                if (record.Kind == RecordKind.Entry || record.Kind == RecordKind.Head)
                {
                    CarryOnOrRemove(record, ref walk, ref budget);
                    if (!mayGoOn())
                    {
                        return false;
                    }
                }
            }
        }
        catch (IOException)
        {
            // What cannot be read, or not be written again, is evicted.
        }
        finally
        {
            walk.Dispose();
        }

        return true;
    }

    private void CarryOnOrRemove(Record record, ref SegmentWalk walk, ref long budget)
    {
        var hash = Mix64.Of(record.Key, index.HashSeed);
        if (!slots.TryFind(hash, out var place, out var slot) || reader.AddressOf(slot) != record.Address)
        {
            return;
        }

        // A value in pieces is not carried on: the pieces come before their head, and are gone by now.
        ulong carried = 0;
        var isWorthIt = record.Kind == RecordKind.Entry && index.Slots.Uses(slot) > 0 && record.TotalBytes <= budget;
        if (isWorthIt && walk.TryReadAll(out var bytes) && reader.HasLife(bytes, record.Address))
        {
            record = new(bytes, record.Address);
            if (judge.IsLive(record) && reader.IsValueIntact(record, bytes.Slice(record.ValueOffset, record.ValueLength)))
            {
                carried = Copy(bytes, slot, ref budget);
            }
        }

        while (!SlotTable.TryChange(place, slot, carried))
        {
            // A use that was counted meanwhile changes nothing; anything else means that this record is no longer the key's.
            var now = Volatile.Read(ref *place);
            if (!index.Slots.IsSameRecord(now, slot) || index.Slots.IsPending(now))
            {
                return;
            }

            slot = now;
        }

        if (carried != 0)
        {
            Interlocked.Increment(ref index.ReinsertedRecords);
            Interlocked.Add(ref index.ReinsertedBytes, record.TotalBytes);
            BringUpToDate(record, reader.AddressOf(carried));
        }
    }

    private ulong Copy(ReadOnlySpan<byte> bytes, ulong slot, ref long budget)
    {
        var rented = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            var copy = rented.AsSpan(0, bytes.Length);
            bytes.CopyTo(copy);
            budget -= copy.Length;
            if (!log.TryAppend(copy, out var address))
            {
                return 0;
            }

            settings.Hook?.Invoke(DiskStep.Copied);
            var uses = index.Slots.Uses(slot) - 1;
            return index.Slots.WithUses(index.Slots.Create(index.Slots.FingerprintOf(slot), address, copy.Length), uses);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Takes over instants that were changed in the old record after it was read, unless they have been changed in the new one since.</summary>
    private void BringUpToDate(in Record old, long address)
    {
        Span<byte> header = stackalloc byte[RecordLayout.HeaderBytes];
        if (TryReadLife(old.Address, header, out var expiresAt, out var retainUntil)
            && (expiresAt != old.ExpiresAt || retainUntil != old.RetainUntil)
            && index.IsInLog(address)
            && TryReadLife(address, header, out var newExpiresAt, out var newRetainUntil)
            && newExpiresAt == old.ExpiresAt && newRetainUntil == old.RetainUntil)
        {
            var life = header[..RecordLayout.LifeBytes];
            RecordLayout.WriteLife(life, expiresAt, retainUntil, address, index.StoreId);
            log.Write(address + RecordLayout.LifeOffset, life);
        }
    }

    private bool TryReadLife(long address, Span<byte> header, out long expiresAt, out long retainUntil)
    {
        (expiresAt, retainUntil) = (0, 0);
        if (log.Read(address, header) < header.Length || !RecordLayout.MayBeAt(header, address) || !RecordLayout.IsLifeIntact(header, address, index.StoreId))
        {
            return false;
        }

        var record = new Record(header, address);
        (expiresAt, retainUntil) = (record.ExpiresAt, record.RetainUntil);
        return true;
    }
}
