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
            if (judge.IsLive(record) && reader.IsValueIntact(record, bytes.Slice(record.ValueOffset, record.ValueLength)) && TryCopy(bytes, slot, out carried))
            {
                budget -= bytes.Length;
                carried = index.Slots.WithUses(carried, index.Slots.Uses(slot) - 1);
            }
        }

        if (TryMove(place, slot, carried) && carried != 0)
        {
            Interlocked.Increment(ref index.ReinsertedRecords);
            Interlocked.Add(ref index.ReinsertedBytes, record.TotalBytes);
            try
            {
                BringUpToDate(place, ref walk, record.Address, ref carried, ref budget);
            }
            catch (IOException)
            {
                TryMove(place, carried, 0); // better none than one that lives too long
            }
        }
    }

    /// <summary>Puts another record, or none, in the place of one that a slot points to.</summary>
    private bool TryMove(ulong* place, ulong slot, ulong to)
    {
        while (!SlotTable.TryChange(place, slot, to))
        {
            // A use that was counted meanwhile changes nothing; anything else means that this record is no longer the key's.
            var now = Volatile.Read(ref *place);
            if (!index.Slots.IsSameRecord(now, slot) || index.Slots.IsPending(now))
            {
                return false;
            }

            slot = now;
        }

        return true;
    }

    private bool TryCopy(ReadOnlySpan<byte> bytes, ulong slot, out ulong copied)
    {
        copied = 0;
        var rented = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            var copy = rented.AsSpan(0, bytes.Length);
            bytes.CopyTo(copy);
            if (!log.TryAppend(copy, out var address))
            {
                return false;
            }

            settings.Hook?.Invoke(DiskStep.Copied);
            copied = index.Slots.Create(index.Slots.FingerprintOf(slot), address, copy.Length);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Takes over instants that were changed in the old record after it was read.</summary>
    /// <remarks>
    /// Whoever changes instants is content if the slot is the same afterwards. So what was changed in the record that was moved away from, up to the move, counts, unless those of the one moved to have been changed since, which
    /// is later. They are not written there, since that might undo such a change which is just being made: it is moved once more, to a copy that has them; and then the same question is asked of that move.
    /// </remarks>
    private void BringUpToDate(ulong* place, ref SegmentWalk walk, long from, ref ulong carried, ref long budget)
    {
        if (!walk.TryReadAll(out var bytes))
        {
            return;
        }

        Span<byte> header = stackalloc byte[RecordLayout.HeaderBytes];
        var copied = new Record(bytes, from);
        var (ofFrom, ofCopy) = ((copied.ExpiresAt, copied.RetainUntil), (copied.ExpiresAt, copied.RetainUntil));
        while (TryReadLife(from, header, out var changed) && changed != ofFrom
            && reader.AddressOf(carried) is var address && index.IsInLog(address) && TryReadLife(address, header, out var now) && now == ofCopy)
        {
            RecordLayout.WriteLife(bytes[RecordLayout.LifeOffset..], changed.ExpiresAt, changed.RetainUntil, address, index.StoreId);
            if (!TryCopy(bytes, carried, out var again))
            {
                TryMove(place, carried, 0); // as above, where there is no room
                return;
            }

            budget -= bytes.Length;
            if (!TryMove(place, carried, index.Slots.WithUses(again, index.Slots.Uses(Volatile.Read(ref *place)))))
            {
                return;
            }

            (from, ofFrom) = (address, ofCopy);
            (carried, ofCopy) = (again, changed);
        }
    }

    private bool TryReadLife(long address, Span<byte> header, out (long ExpiresAt, long RetainUntil) life)
    {
        life = default;
        if (log.Read(address, header) < header.Length || !RecordLayout.MayBeAt(header, address) || !RecordLayout.IsLifeIntact(header, address, index.StoreId))
        {
            return false;
        }

        var record = new Record(header, address);
        life = (record.ExpiresAt, record.RetainUntil);
        return true;
    }
}
