using System.Runtime.CompilerServices;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>How an attempt to put a record into its slot has ended.</summary>
internal enum Publication
{
    /// <summary>Readers find it.</summary>
    Done,

    /// <summary>The condition does not hold.</summary>
    Refused,

    /// <summary>The key was written or invalidated under a later stamp meanwhile.</summary>
    Overtaken,
}

/// <summary>The slots of all keys, and the one way in which any of them changes.</summary>
/// <remarks>
/// <para><b>At most one visible slot per fingerprint and bucket.</b> A record takes the place of a visible one by one compare-and-swap of just
/// the slot that was looked at. Where there is none, it goes into a free slot <em>pending</em>; then the bucket is gone through again, and
/// only if nobody else is there it becomes visible. Of two that enter at once at least one sees the other; the one at the
/// higher place gives way, and a visible one never does.</para>
/// <para><b>Nothing stale becomes visible, not for an instant.</b> An invalidation raises the key's fence first, and clears the slots
/// after that, pending ones too. A writer looks at the fence after it has seen the slot it is going to change, or has entered pending.
/// So either it sees the fence, or its last compare-and-swap fails.</para>
/// <para>A process that dies in between leaves a pending slot, which readers pass over and the next writer takes.</para>
/// </remarks>
[SkipLocalsInit]
internal sealed unsafe class SlotTable(DiskIndex index, RecordReader reader, EntryJudge judge, Action<DiskStep>? hook)
{
    private const int Slots = DiskGeometry.SlotsPerBucket;

    private readonly SlotFormat _format = index.Slots;

    /// <summary>Finds the visible slot of a key.</summary>
    internal bool TryFind(ulong hash, out ulong* place, out ulong slot)
    {
        var bucket = index.Bucket(hash);
        var fingerprint = _format.Fingerprint(hash);
        for (var i = 0; i < Slots; i++)
        {
            slot = Volatile.Read(ref bucket[i]);
            if (_format.IsOf(slot, fingerprint) && IsVisible(slot))
            {
                place = bucket + i;
                return true;
            }
        }

        place = null;
        slot = 0;
        return false;
    }

    /// <summary>Counts a use, unless that is known well enough.</summary>
    internal void CountUse(ulong* place, ulong slot)
    {
        // Hot entries are not counted further, which would only dirty the page.
        if (_format.Uses(slot) < SlotFormat.MostUses)
        {
            Interlocked.CompareExchange(ref *place, _format.WithUses(slot, _format.Uses(slot) + 1), slot);
        }
    }

    internal static bool TryChange(ulong* place, ulong from, ulong to) => Interlocked.CompareExchange(ref *place, to, from) == from;

    internal bool IsVisible(ulong slot) => slot != 0 && !_format.IsPending(slot) && index.IsInLog(reader.AddressOf(slot));

    /// <summary>Makes a record that is in the log what readers of its key find.</summary>
    /// <param name="key">The key.</param>
    /// <param name="slot">Points to the record.</param>
    /// <param name="stamp">The record's stamp: no fence of the key may be later.</param>
    /// <param name="condition">What must hold at that instant.</param>
    /// <param name="isExpired">For a step from an entry: whether that one was made to expire. If it has been meanwhile, the step is refused.</param>
    /// <param name="stream">For an entry that came part by part: the place where later stamps of its key were left, which is more exact than fences.</param>
    internal Publication Publish(in HashedKey key, ulong slot, long stamp, StoreCondition condition, bool isExpired, StreamPlace stream = default)
    {
        var bucket = index.Bucket(key.Hash);
        var fingerprint = _format.FingerprintOf(slot);
        var wait = default(SpinWait);
        ulong admitted = 0;
        while (true)
        {
            var place = Choose(bucket, fingerprint, out var occupant, out var isOccupied);
            if (!isOccupied)
            {
                if (condition.Kind == StoreConditionKind.IfUnchanged)
                {
                    return Publication.Refused;
                }
            }
            else if (admitted == 0 || !_format.IsSameRecord(admitted, occupant))
            {
                if (condition.Kind != StoreConditionKind.Always && !Admits(condition, occupant, key, isExpired))
                {
                    return Publication.Refused;
                }

                admitted = occupant;
            }

            // A step from the entry that is there cannot be late: any change of the key would have changed the slot.
            if (condition.Kind != StoreConditionKind.IfUnchanged && IsOvertaken(key.Hash, stamp, stream))
            {
                return Publication.Overtaken;
            }

            if (isOccupied)
            {
                hook?.Invoke(DiskStep.Admitted);
                if (TryChange(place, occupant, _format.WithUses(slot, _format.Uses(occupant))))
                {
                    return Publication.Done;
                }
            }
            else if (TryEnter(bucket, place, occupant, slot, fingerprint))
            {
                hook?.Invoke(DiskStep.Pending);
                var pending = _format.AsPending(slot);
                if (IsOvertaken(key.Hash, stamp, stream))
                {
                    TryChange(place, pending, 0);
                    return Publication.Overtaken;
                }

                if (TryChange(place, pending, slot))
                {
                    return Publication.Done;
                }
            }

            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>Empties the slots of a key, except one whose entry was made from nothing that is older than a stamp. No error of the disk keeps it from that.</summary>
    /// <remarks>
    /// Another key's entry of the same fingerprint goes, too: a load of this key that has looked at the fence before it was raised
    /// may be about to take that slot, and fails only if the slot changes.
    /// </remarks>
    /// <returns>Whether the entry that went was of this key, live, and had not expired.</returns>
    internal bool RemoveUpTo(in HashedKey key, long stamp)
    {
        var bucket = index.Bucket(key.Hash);
        var fingerprint = _format.Fingerprint(key.Hash);
        var wasFresh = false;
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            for (var i = Slots - 1; i >= 0; i--)
            {
                while (true)
                {
                    var slot = Volatile.Read(ref bucket[i]);
                    if (!_format.IsOf(slot, fingerprint))
                    {
                        break;
                    }

                    var isFresh = false;
                    if (IsVisible(slot) && HeaderOf(slot, ref header) is var record && !record.IsNone && record.Key.SequenceEqual(key.Bytes))
                    {
                        // Not its stamp: a step from an entry of before may have come in between, and must not bring back what is to go.
                        if (record.Cover > stamp)
                        {
                            break;
                        }

                        isFresh = judge.IsLive(record) && !judge.IsExpired(record);
                    }

                    if (TryChange(bucket + i, slot, 0))
                    {
                        wasFresh |= isFresh;
                        break;
                    }
                }
            }
        }
        finally
        {
            header.Dispose();
        }

        return wasFresh;
    }

    /// <summary>Reads the header of a record that is to go: none as well if the disk does not give it, which must not keep it.</summary>
    private Record HeaderOf(ulong slot, ref HeaderBuffer header)
    {
        try
        {
            return reader.ReadHeader(slot, ref header);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    /// <summary>Makes sure that no writer that has not seen a fence is still to become visible.</summary>
    internal void RemovePending(ulong hash)
    {
        var bucket = index.Bucket(hash);
        var fingerprint = _format.Fingerprint(hash);
        for (var i = Slots - 1; i >= 0; i--)
        {
            var slot = Volatile.Read(ref bucket[i]);
            if (_format.IsOf(slot, fingerprint) && _format.IsPending(slot))
            {
                TryChange(bucket + i, slot, 0);
            }
        }
    }

    private bool IsOvertaken(ulong hash, long stamp, StreamPlace stream) =>
        index.Fences.IsLater(hash, stamp) && index.StreamMarks.IsLater(stream, stamp);

    private bool Admits(StoreCondition condition, ulong occupant, in HashedKey key, bool isExpired)
    {
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            var record = reader.ReadHeader(occupant, ref header);
            return condition.Kind switch
            {
                StoreConditionKind.IfUnchanged => judge.Admits(condition, record, key.Bytes) && record.IsExpired == isExpired,
                StoreConditionKind.IfAbsent => judge.Admits(condition, record, key.Bytes) || !reader.IsReadable(occupant),
                _ => judge.Admits(condition, record, key.Bytes),
            };
        }
        finally
        {
            header.Dispose();
        }
    }

    /// <summary>Chooses the place for a key: where it is, or was, or a free one, or that of the entry worth least.</summary>
    private ulong* Choose(ulong* bucket, ulong fingerprint, out ulong occupant, out bool isOccupied)
    {
        ulong* dead = null, free = null;
        ulong deadSlot = 0;
        for (var i = 0; i < Slots; i++)
        {
            occupant = Volatile.Read(ref bucket[i]);
            if (occupant == 0)
            {
                free = free is null ? bucket + i : free;
            }
            else if (_format.FingerprintOf(occupant) == fingerprint)
            {
                if (IsVisible(occupant))
                {
                    isOccupied = true;
                    return bucket + i;
                }

                if (dead is null)
                {
                    dead = bucket + i;
                    deadSlot = occupant;
                }
            }
        }

        isOccupied = false;
        occupant = deadSlot;
        if (dead is not null || free is not null)
        {
            return dead is not null ? dead : free;
        }

        var victim = LeastWorth(bucket, out occupant);
        isOccupied = _format.IsOf(occupant, fingerprint) && IsVisible(occupant);
        return victim;
    }

    private ulong* LeastWorth(ulong* bucket, out ulong occupant)
    {
        var least = bucket;
        var leastWorth = long.MaxValue;
        occupant = 0;
        for (var i = 0; i < Slots; i++)
        {
            var slot = Volatile.Read(ref bucket[i]);
            var address = reader.AddressOf(slot);
            var worth = !index.IsInLog(address) ? -1
                : _format.IsPending(slot) ? address
                : ((long)_format.Uses(slot) << 60) | address;
            if (worth < leastWorth)
            {
                least = bucket + i;
                leastWorth = worth;
                occupant = slot;
            }
        }

        return least;
    }

    /// <summary>Enters a slot pending, and makes sure to be alone.</summary>
    private bool TryEnter(ulong* bucket, ulong* place, ulong occupant, ulong slot, ulong fingerprint)
    {
        var pending = _format.AsPending(slot);
        if (!TryChange(place, occupant, pending))
        {
            return false;
        }

        if (_format.FingerprintOf(occupant) != fingerprint && IsVisible(occupant))
        {
            Interlocked.Increment(ref index.DisplacedEntries);
        }

        for (var i = Slots - 1; i >= 0; i--)
        {
            if (bucket + i == place)
            {
                continue;
            }

            while (Volatile.Read(ref bucket[i]) is var other && _format.IsOf(other, fingerprint))
            {
                if (IsVisible(other) || (_format.IsPending(other) && bucket + i < place))
                {
                    TryChange(place, pending, 0);
                    return false;
                }

                TryChange(bucket + i, other, 0);
            }
        }

        return true;
    }
}
