using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Disk;

/// <summary>Makes records of entries, and of the pieces of large ones, and appends them to the log. Nothing points to them yet.</summary>
[SkipLocalsInit]
internal sealed class RecordWriter(DiskIndex index, RingLog log, RecordReader reader)
{
    private const int MostRecordOnStack = 2048;

    /// <summary>Appends an entry, in pieces if it is too long for a record.</summary>
    /// <returns><see langword="false"/> if it is too large, or the disk has no room for it.</returns>
    internal bool TryAppend(in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var most = index.Geometry.LargestRecord;
        if (value.Length > index.Geometry.LargestValue || tags.Length > ushort.MaxValue || RecordLayout.Bytes(tags.Length, key.Bytes.Length, 0) > most)
        {
            return false;
        }

        return RecordLayout.Bytes(tags.Length, key.Bytes.Length, value.Length) <= most
            ? TryAppendRecord(key.Bytes, tags, fields, value, out address, out bytes)
            : TryAppendPieces(key, tags, fields, value, out address, out bytes);
    }

    private bool TryAppendPieces(in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var pieceBytes = index.Geometry.PieceBytes;
        var addresses = new long[(value.Length + pieceBytes - 1) / pieceBytes];
        for (var i = 0; i < addresses.Length; i++)
        {
            if (!TryAppendPiece(value[(i * pieceBytes)..Math.Min(value.Length, (i + 1) * pieceBytes)], out addresses[i]))
            {
                return false;
            }
        }

        return TryAppendHead(key, tags, fields, value.Length, Math.Min(value.Length, pieceBytes), addresses, out address, out bytes);
    }

    /// <summary>Appends an entry that came part by part: what is left of it, and its beginning; in one record, if that holds all.</summary>
    internal bool TryAppendParts(
        in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> first, IReadOnlyList<long> pieces, ReadOnlySpan<byte> rest,
        out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var length = first.Length + ((long)pieces.Count * index.Geometry.PieceBytes) + rest.Length;
        if (pieces.Count == 0 && RecordLayout.Bytes(tags.Length, key.Bytes.Length, length) <= index.Geometry.LargestRecord)
        {
            using var value = new RentedBytes((int)length);
            first.CopyTo(value.Array);
            rest.CopyTo(value.Array.AsSpan(first.Length));
            return TryAppend(key, tags, fields, value.Array.AsSpan(0, (int)length), out address, out bytes);
        }

        if (length > index.Geometry.LargestValue || tags.Length > ushort.MaxValue || first.Length > index.Geometry.PieceBytes)
        {
            return false;
        }

        List<long> addresses = [.. pieces];
        if (!rest.IsEmpty)
        {
            if (!TryAppendPiece(rest, out var last))
            {
                return false;
            }

            addresses.Add(last);
        }

        var firstBytes = pieces.Count > 0 ? index.Geometry.PieceBytes : rest.Length;
        if (!first.IsEmpty)
        {
            if (!TryAppendPiece(first, out var begin))
            {
                return false;
            }

            addresses.Insert(0, begin);
            firstBytes = first.Length;
        }

        return TryAppendHead(key, tags, fields, length, firstBytes, CollectionsMarshal.AsSpan(addresses), out address, out bytes);
    }

    /// <summary>Appends a piece of a value.</summary>
    internal bool TryAppendPiece(ReadOnlySpan<byte> piece, out long address) =>
        TryAppendRecord(default, default, new() { Kind = RecordKind.Piece }, piece, out address, out _);

    /// <summary>Appends the head of an entry in pieces: after all of them.</summary>
    private bool TryAppendHead(
        in HashedKey key, ReadOnlySpan<ulong> tags, in RecordFields fields, long length, int firstBytes, ReadOnlySpan<long> pieces, out long address, out int bytes)
    {
        (address, bytes) = (0, 0);
        var list = new byte[PieceList.Bytes(pieces.Length)];
        if (RecordLayout.Bytes(tags.Length, key.Bytes.Length, list.Length) > index.Geometry.LargestRecord)
        {
            return false;
        }

        PieceList.Write(list, length, firstBytes, pieces);
        return TryAppendRecord(key.Bytes, tags, fields with { Kind = RecordKind.Head, ValueSum = null }, list, out address, out bytes);
    }

    private bool TryAppendRecord(
        ReadOnlySpan<byte> key, ReadOnlySpan<ulong> tags, in RecordFields fields, ReadOnlySpan<byte> value, out long address, out int bytes)
    {
        bytes = (int)RecordLayout.Bytes(tags.Length, key.Length, value.Length);
        var rented = bytes <= MostRecordOnStack ? null : ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            var record = rented is null ? stackalloc byte[bytes] : rented.AsSpan(0, bytes);
            RecordLayout.Write(record, fields, tags, key, value, index.StoreId);
            return log.TryAppend(record, out address);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    /// <summary>Gives a record that nothing points to another stamp where it is: a key that many write at once would fill the log otherwise.</summary>
    internal bool TryGiveStamp(ulong slot, in RecordFields fields)
    {
        var header = new HeaderBuffer(stackalloc byte[HeaderBuffer.StackBytes]);
        try
        {
            var record = reader.ReadHeader(slot, ref header);
            if (record.IsNone)
            {
                return false;
            }

            var address = record.Address;
            var bytes = header.Take(record.ValueOffset);
            RecordLayout.GiveStamp(bytes, fields);
            RecordLayout.Place(bytes, address, index.StoreId);
            if (!index.IsInLog(address))
            {
                return false;
            }

            log.Write(address, bytes);
            return index.IsInLog(address);
        }
        finally
        {
            header.Dispose();
        }
    }
}
