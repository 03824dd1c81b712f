using System.Runtime.CompilerServices;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>What reading an entry does, from its key to its bytes: whole, part by part, or its header alone.</summary>
[SkipLocalsInit]
internal sealed unsafe class EntryReads(DiskIndex index, SlotTable slots, RecordReader reader, EntryJudge judge, Action<DiskStep>? hook)
{
    private const int MostBytesToCheck = 64 << 10;

    /// <summary>How much of a value a piece holds.</summary>
    internal int PieceBytes => index.Geometry.PieceBytes;

    /// <summary>Reads an entry.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">What is needed of it.</param>
    /// <param name="mostBytes">Gives up before a larger read.</param>
    /// <param name="lookup">What was found; nothing if it gave up.</param>
    /// <param name="isTooLarge">Whether it did.</param>
    internal void Read(string key, in StoreReadOptions options, int mostBytes, out StoreLookup lookup, out bool isTooLarge)
    {
        // Before the first look at a slot: what is made under this stamp was begun after everything up to it.
        var loadStamp = Volatile.Read(ref index.Sequence);
        lookup = StoreLookup.Missing(loadStamp);
        isTooLarge = false;
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], index.HashSeed);
        ulong unreadable = 0;
        var isDamaged = false;
        while (slots.TryFind(hashed.Hash, out var place, out var slot))
        {
            if (index.Slots.IsSameRecord(slot, unreadable))
            {
                // It is still what readers of the key are to find, and was whole before it could be found.
                lookup = lookup with { IsUnreadable = isDamaged };
                return;
            }

            hook?.Invoke(DiskStep.Found);
            if (options.WithoutPayload || options.KnownStamp is not null)
            {
                var glance = Glance(hashed, loadStamp, slot, options, out var known);
                if (glance != Finding.Unreadable && (glance == Finding.None || options.WithoutPayload || known.Status == StoreLookupStatus.NotModified))
                {
                    CountUse(place, slot, known);
                    lookup = known;
                    return;
                }
            }

            if (index.Slots.RecordBound(slot) > mostBytes)
            {
                isTooLarge = true;
                return;
            }

            var finding = ReadWhole(hashed, loadStamp, slot, mostBytes, options.Progress, ref lookup);
            if (finding == Finding.TooLarge)
            {
                isTooLarge = true;
                return;
            }

            if (finding is not (Finding.Unreadable or Finding.Gone))
            {
                CountUse(place, slot, lookup);
                return;
            }

            isDamaged = finding == Finding.Unreadable;

            // Perhaps it was moved or replaced while it was read: then there is another record now.
            unreadable = slot;
        }
    }

    /// <summary>Opens an entry to read it piece by piece.</summary>
    /// <param name="key">The key.</param>
    /// <param name="store">Whose it is.</param>
    /// <returns><see langword="null"/> for a miss.</returns>
    internal DiskReadStream? OpenRead(string key, DiskStore store)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], index.HashSeed);
        ulong unreadable = 0;
        while (slots.TryFind(hashed.Hash, out var place, out var slot) && !index.Slots.IsSameRecord(slot, unreadable))
        {
            hook?.Invoke(DiskStep.Found);
            if (OpenRead(hashed, slot, store, out var opened) == Finding.None)
            {
                return null;
            }

            if (opened is not null)
            {
                slots.CountUse(place, slot);
                return opened;
            }

            unreadable = slot;
        }

        return null;
    }

    /// <summary>Reads a piece of a value.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="piece">Where to put it.</param>
    /// <param name="isInLog">Whether it should be there, as seen after it was looked for.</param>
    internal bool TryReadPiece(long address, Span<byte> piece, out bool isInLog)
    {
        var isRead = reader.TryReadPiece(address, piece);
        isInLog = index.IsInLog(address);
        return isRead;
    }

    private Finding OpenRead(in HashedKey key, ulong slot, DiskStore store, out DiskReadStream? opened)
    {
        opened = null;
        var bytes = new RentedBytes(index.Slots.RecordBound(slot));
        try
        {
            var finding = ReadRecord(key, slot, bytes, out var record, out var value);
            if (finding != Finding.Found)
            {
                return finding;
            }

            var lifetime = new EntryLifetime(record.Stamp, judge.ExpiryOf(record), EntryJudge.RetentionOf(record));
            if (record.Kind == RecordKind.Entry)
            {
                opened = new(store, this, lifetime, bytes, value);
            }
            else if (PieceList.TryRead(value.Span, index.Geometry, out var pieces) && reader.AreThere(pieces))
            {
                opened = new(store, this, lifetime, pieces);
            }

            return opened is null ? Finding.Unreadable : Finding.Found;
        }
        finally
        {
            if (opened is not { IsOneRecord: true })
            {
                bytes.Dispose();
            }
        }
    }

    /// <summary>Answers from the header alone.</summary>
    private Finding Glance(in HashedKey key, long loadStamp, ulong slot, in StoreReadOptions options, out StoreLookup lookup)
    {
        lookup = StoreLookup.Missing(loadStamp);
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            var record = reader.ReadHeader(slot, ref header);
            if (record.IsNone)
            {
                return Finding.Unreadable;
            }

            if (!record.Key.SequenceEqual(key.Bytes) || !judge.IsLive(record))
            {
                return Finding.None;
            }

            if (options.WithoutPayload && (record.Kind == RecordKind.Head || record.TotalBytes <= MostBytesToCheck) && !reader.IsReadable(slot))
            {
                return Finding.Unreadable;
            }

            lookup = options.KnownStamp == record.Stamp
                ? StoreLookup.NotModified(loadStamp, record.Stamp, judge.ExpiryOf(record), EntryJudge.RetentionOf(record))
                : StoreLookup.Found(loadStamp, record.Stamp, default, judge.ExpiryOf(record), EntryJudge.RetentionOf(record));
            return Finding.Found;
        }
        finally
        {
            header.Dispose();
        }
    }

    private Finding ReadWhole(in HashedKey key, long loadStamp, ulong slot, int mostBytes, StoreReadProgress? progress, ref StoreLookup lookup)
    {
        var bytes = new RentedBytes(index.Slots.RecordBound(slot));
        var isHandedOver = false;
        try
        {
            var finding = ReadRecord(key, slot, bytes, out var record, out var value);
            if (finding != Finding.Found)
            {
                return finding;
            }

            if (record.Kind == RecordKind.Head)
            {
                return ReadPieces(record, value.Span, loadStamp, mostBytes, progress, ref lookup);
            }

            isHandedOver = true;
            lookup = StoreLookup.Found(loadStamp, record.Stamp, value, judge.ExpiryOf(record), EntryJudge.RetentionOf(record), bytes);
            return Finding.Found;
        }
        finally
        {
            if (!isHandedOver)
            {
                bytes.Dispose();
            }
        }
    }

    /// <summary>Reads the record of a slot, and its value, which may be a list of pieces.</summary>
    private Finding ReadRecord(in HashedKey key, ulong slot, RentedBytes bytes, out Record record, out ReadOnlyMemory<byte> value)
    {
        value = default;
        record = reader.ReadAll(slot, bytes.Array);
        if (record.IsNone)
        {
            return Finding.Unreadable;
        }

        if (!record.Key.SequenceEqual(key.Bytes) || !judge.IsLive(record))
        {
            return Finding.None;
        }

        value = bytes.Memory.Slice(record.ValueOffset, record.ValueLength);
        return reader.IsValueIntact(record, value.Span) ? Finding.Found : Finding.Unreadable;
    }

    private Finding ReadPieces(in Record record, ReadOnlySpan<byte> list, long loadStamp, int mostBytes, StoreReadProgress? progress, ref StoreLookup lookup)
    {
        if (!PieceList.TryRead(list, index.Geometry, out var pieces))
        {
            return Finding.None;
        }

        if (pieces.Length > mostBytes)
        {
            return Finding.TooLarge;
        }

        var bytes = new RentedBytes((int)pieces.Length);
        var value = bytes.Memory[..(int)pieces.Length];
        for (var i = 0; i < pieces.Addresses.Length; i++)
        {
            var (start, length) = pieces.Extent(i);
            if (!reader.TryReadPiece(pieces.Addresses[i], value.Span.Slice((int)start, length)))
            {
                bytes.Dispose();
                return index.IsInLog(pieces.Addresses[i]) ? Finding.Unreadable : Finding.Gone;
            }

            progress?.Report();
        }

        lookup = StoreLookup.Found(loadStamp, record.Stamp, value, judge.ExpiryOf(record), EntryJudge.RetentionOf(record), bytes);
        return Finding.Found;
    }

    private void CountUse(ulong* place, ulong slot, in StoreLookup lookup)
    {
        if (lookup.IsFound)
        {
            slots.CountUse(place, slot);
        }
    }

    private enum Finding
    {
        Found,
        None,
        Unreadable,

        /// <summary>Part of its value has fallen off the log.</summary>
        Gone,
        TooLarge,
    }
}
