namespace CacheKit.Disk;

/// <summary>Lists the used slots part after part of the index, those of each part in the order of their records in the log, so that these are read in one direction.</summary>
/// <remarks>
/// <para>A part is as large as the memory that this may take: some 12 MiB, whatever the size of the cache. A larger index makes it go through the log more than once.</para>
/// <para>A key stays in its bucket, and within a bucket a fingerprint is the key. So nobody needs to remember which keys have been listed: each fingerprint of a bucket
/// is listed once, and a slot that has another one by the time it is looked at is not of those that were listed.</para>
/// </remarks>
internal sealed unsafe class SlotListing(DiskIndex index, RecordReader reader)
{
    private const long SlotsPerPart = 1 << 20;
    private const int SlotsPerCheck = 1 << 16;

    private readonly long _slotCount = index.Geometry.BucketCount * DiskGeometry.SlotsPerBucket;
    private ListedSlot[] _slots = [];
    private long[] _addresses = [];
    private int _count;
    private long _next;

    /// <summary>The slots of the part, until the next.</summary>
    internal ReadOnlyMemory<ListedSlot> Part => _slots.AsMemory(0, _count);

    /// <summary>Goes to the next part.</summary>
    /// <returns><see langword="false"/> if there is none.</returns>
    internal bool TryGoOn(CancellationToken cancellationToken)
    {
        _count = 0;
        if (_next == _slotCount)
        {
            return false;
        }

        for (var end = Math.Min(_next + SlotsPerPart, _slotCount); _next < end; _next += DiskGeometry.SlotsPerBucket)
        {
            if (_next % SlotsPerCheck == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            AddBucket();
        }

        Array.Sort(_addresses, _slots, 0, _count);
        return true;
    }

    private void AddBucket()
    {
        var first = _count;
        for (var i = 0; i < DiskGeometry.SlotsPerBucket; i++)
        {
            var slot = Volatile.Read(ref index.BucketAt(0)[_next + i]);
            if (reader.IsUsed(slot) && !IsListed(first, index.Slots.FingerprintOf(slot)))
            {
                if (_count == _slots.Length)
                {
                    // Half of all slots are used, mostly.
                    var length = _count == 0 ? (int)Math.Min(SlotsPerPart, _slotCount) / 2 : _count * 2;
                    Array.Resize(ref _slots, length);
                    Array.Resize(ref _addresses, length);
                }

                _addresses[_count] = reader.AddressOf(slot);
                _slots[_count++] = new(_next + i, slot);
            }
        }
    }

    /// <summary>Whether a fingerprint has moved from one slot of the bucket to another while this looked at them.</summary>
    private bool IsListed(int first, ulong fingerprint)
    {
        for (var i = first; i < _count; i++)
        {
            if (index.Slots.FingerprintOf(_slots[i].Slot) == fingerprint)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>A slot and what was in it.</summary>
internal readonly record struct ListedSlot(long Number, ulong Slot);
