namespace CacheKit.Disk;

/// <summary>The log: records are appended at its tail, and its beginning moves on to make room. Addresses are never used twice.</summary>
/// <remarks>
/// Addresses grow for ever; segment <c>address / size</c> is in file <c>segment modulo count</c>. Opening a segment moves the beginning
/// past the one whose file it takes over, whether or not what was worth keeping has been saved from it: nobody waits for anybody.
/// </remarks>
internal sealed class RingLog(DiskIndex index, SegmentFiles files, DiskRoom room, Action<DiskStep>? hook)
{
    /// <summary>The first bytes of a segment are unused: an address at its very start is one at the end of the segment before.</summary>
    internal const int SegmentStart = 64;

    private readonly long _segmentBytes = index.Geometry.SegmentBytes;
    private readonly int _segmentShift = index.Geometry.SegmentShift;
    private readonly long _segmentCount = index.Geometry.SegmentCount;

    // A place that is taken, but could not be written, since the disk was full: for the next record that fits.
    private Place? _unwritten;

    /// <summary>Called when a segment was opened, so that the next ones are made free.</summary>
    internal Action? SegmentOpened { get; set; }

    /// <summary>Appends a record and gives it its address.</summary>
    /// <param name="record">Complete but for what depends on the address.</param>
    /// <param name="address">The address; it may have fallen off the log already.</param>
    /// <returns><see langword="false"/> if there is no room on the disk.</returns>
    /// <exception cref="IOException">It cannot be written for another reason.</exception>
    internal bool TryAppend(Span<byte> record, out long address)
    {
        if (Volatile.Read(ref _unwritten) is not null && Interlocked.Exchange(ref _unwritten, null) is { } left && record.Length <= left.Bytes && index.IsInLog(left.Address))
        {
            address = left.Address;
            if (!TryWrite(record, left))
            {
                return false;
            }

            room.Returned();
            return true;
        }

        // A full disk leaves files missing: go on to one that exists.
        for (var skipped = 0; skipped <= _segmentCount; skipped++)
        {
            address = Allocate(record.Length);
            hook?.Invoke(DiskStep.Allocated);
            if (!index.IsInLog(address))
            {
                RecordLayout.Place(record, address, index.StoreId);
                return true;
            }

            if (TryPrepare(address))
            {
                if (!TryWrite(record, new(address, record.Length)))
                {
                    return false;
                }

                if (room.IsShort)
                {
                    room.Wrote();
                }

                return true;
            }

            Skip(address >> _segmentShift);
        }

        address = 0;
        return false;
    }

    /// <summary>Reads bytes at an address.</summary>
    internal int Read(long address, Span<byte> into) => files.Read(address, into);

    /// <summary>Writes into a record that is in the log.</summary>
    internal void Write(long address, ReadOnlySpan<byte> bytes) => files.Write(address, bytes);

    /// <summary>Moves the beginning of the log on.</summary>
    internal void DropBefore(long address) => DiskIndex.Raise(ref index.Begin, Math.Min(address, Volatile.Read(ref index.Tail)));

    /// <summary>Writes a record to a place that is its own.</summary>
    private bool TryWrite(Span<byte> record, Place place)
    {
        RecordLayout.Place(record, place.Address, index.StoreId);
        try
        {
            hook?.Invoke(DiskStep.Writing);
            files.Write(place.Address, record);
            hook?.Invoke(DiskStep.Written);
            return true;
        }
        catch (IOException exception) when (DiskErrors.IsFull(exception))
        {
            // There is a file, and it takes nothing: the next ones would not either, and going on to them would drop what is there.
            // So would places that are taken for one declined record after another.
            _unwritten = place;
            room.RanOut(files.FreeBytes);
            return false;
        }
    }

    private bool TryPrepare(long address)
    {
        bool isNew;
        try
        {
            isNew = files.Prepare(address);
        }
        catch (IOException exception) when (DiskErrors.IsFull(exception))
        {
            room.RanOut(files.FreeBytesBefore ?? files.FreeBytes);
            return false;
        }

        if (isNew)
        {
            room.Returned();
        }

        return true;
    }

    private long Allocate(int bytes)
    {
        while (true)
        {
            var tail = Volatile.Read(ref index.Tail);
            var offset = tail & (_segmentBytes - 1);
            if (offset != 0 && offset + bytes <= _segmentBytes)
            {
                if (Interlocked.CompareExchange(ref index.Tail, tail + bytes, tail) == tail)
                {
                    return tail;
                }

                continue;
            }

            var segment = (tail >> _segmentShift) + (offset == 0 ? 0 : 1);
            if (TryOpen(segment, tail, bytes))
            {
                return (segment * _segmentBytes) + SegmentStart;
            }
        }
    }

    private bool TryOpen(long segment, long tail, int bytes)
    {
        // Before the tail shows that the file is taken over, nothing in it may count any more.
        if (DiskIndex.Raise(ref index.Begin, (segment + 1 - _segmentCount) * _segmentBytes))
        {
            Interlocked.Increment(ref index.DroppedSegments);
        }

        if (Interlocked.CompareExchange(ref index.Tail, (segment * _segmentBytes) + SegmentStart + bytes, tail) != tail)
        {
            return false;
        }

        hook?.Invoke(DiskStep.SegmentOpened);
        SegmentOpened?.Invoke();
        return true;
    }

    /// <summary>Leaves the rest of a segment unused.</summary>
    private void Skip(long segment)
    {
        var end = (segment + 1) * _segmentBytes;
        DiskIndex.Raise(ref index.Tail, end);
    }

    private sealed record Place(long Address, int Bytes);
}
