using System.Buffers.Binary;

namespace CacheKit.Disk;

/// <summary>What the head of an entry in pieces holds in place of its value: how long that is, and where the pieces are.</summary>
/// <remarks><code> 0 bytes of the value    8 bytes of the first piece    16 addresses of the pieces</code>
/// All pieces but the first and the last are of the same size: the first may be a header that was written after what follows it.
/// </remarks>
internal readonly struct PieceList
{
    private const int AddressOffset = 16;

    private readonly int _pieceBytes;

    private PieceList(long length, int firstBytes, int pieceBytes, long[] addresses)
    {
        Length = length;
        FirstBytes = firstBytes;
        _pieceBytes = pieceBytes;
        Addresses = addresses;
    }

    /// <summary>The bytes of the value.</summary>
    internal long Length { get; }

    internal int FirstBytes { get; }

    internal long[] Addresses { get; }

    /// <summary>The bytes of a list.</summary>
    internal static int Bytes(int pieces) => AddressOffset + (pieces * sizeof(long));

    internal static void Write(Span<byte> list, long length, int firstBytes, ReadOnlySpan<long> addresses)
    {
        BinaryPrimitives.WriteInt64LittleEndian(list, length);
        BinaryPrimitives.WriteInt64LittleEndian(list[8..], firstBytes);
        for (var i = 0; i < addresses.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(list[(AddressOffset + (i * sizeof(long)))..], addresses[i]);
        }
    }

    /// <summary>Reads a list, if it is one.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> list, DiskGeometry geometry, out PieceList pieces)
    {
        pieces = default;
        var count = (list.Length - AddressOffset) / sizeof(long);
        if (count < 1 || list.Length != Bytes(count))
        {
            return false;
        }

        var length = BinaryPrimitives.ReadInt64LittleEndian(list);
        var first = BinaryPrimitives.ReadInt64LittleEndian(list[8..]);
        if (first < 1 || first > geometry.PieceBytes || length < first || length > geometry.LargestValue
            || count != 1 + ((length - first + geometry.PieceBytes - 1) / geometry.PieceBytes))
        {
            return false;
        }

        var addresses = new long[count];
        for (var i = 0; i < count; i++)
        {
            addresses[i] = BinaryPrimitives.ReadInt64LittleEndian(list[(AddressOffset + (i * sizeof(long)))..]);
        }

        pieces = new(length, (int)first, geometry.PieceBytes, addresses);
        return true;
    }

    /// <summary>Which piece a byte of the value is in.</summary>
    internal int PieceOf(long offset) => offset < FirstBytes ? 0 : 1 + (int)((offset - FirstBytes) / _pieceBytes);

    /// <summary>Where a piece begins in the value, and how many bytes it has.</summary>
    internal (long Start, int Bytes) Extent(int piece)
    {
        var start = piece == 0 ? 0 : FirstBytes + ((piece - 1L) * _pieceBytes);
        return (start, (int)Math.Min(piece == 0 ? FirstBytes : _pieceBytes, Length - start));
    }
}
