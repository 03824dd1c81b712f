using System.Buffers.Binary;

namespace CacheKit.Disk;

/// <summary>What a record of the log is.</summary>
internal enum RecordKind
{
    /// <summary>An entry with its value.</summary>
    Entry = 1,

    /// <summary>An entry whose value is in pieces; it lists their addresses.</summary>
    Head = 2,

    /// <summary>A piece of a value.</summary>
    Piece = 3,
}

/// <summary>How a record lies in the log.</summary>
/// <remarks>
/// <code>
///  0 sum of 32…                8 expires at    16 retain until   24 sum of 8…24
/// 32 address in the log       40 stamp        48 cover
/// 56 value length, key length, number of tags 64 sum of the value
/// 72 kind, whether expired on request
/// 80 hashes of the tags, key, value
/// </code>
/// <para>The address in the record is the whole one, so whatever a slot points to, a record is never taken for another: an old
/// one, one of another lap, or one of another life of the directory, whose sums have another seed.</para>
/// <para>The instants have a sum of their own because they are changed in place.</para>
/// <para><em>Stamp</em> says which write this was. <em>Cover</em> is what invalidations of tags are compared with: the same, except for a
/// value made from another, which keeps the cover of that.</para>
/// </remarks>
internal static class RecordLayout
{
    internal const int HeaderBytes = 80;
    internal const int LifeOffset = 8;
    internal const int LifeBytes = 24;

    private const int AddressOffset = 32;

    /// <summary>The bytes of a record, which begin at multiples of a slot's unit.</summary>
    internal static long Bytes(int tags, int keyBytes, long valueBytes) =>
        (HeaderBytes + (8L * tags) + keyBytes + valueBytes + (SlotFormat.UnitBytes - 1)) & -SlotFormat.UnitBytes;

    /// <summary>Writes all but what depends on the place in the log.</summary>
    internal static void Write(Span<byte> record, in RecordFields fields, ReadOnlySpan<ulong> tags, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ulong seed)
    {
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], fields.ExpiresAt);
        BinaryPrimitives.WriteInt64LittleEndian(record[16..], fields.RetainUntil);
        BinaryPrimitives.WriteInt64LittleEndian(record[40..], fields.Stamp);
        BinaryPrimitives.WriteInt64LittleEndian(record[48..], fields.Cover);
        BinaryPrimitives.WriteInt32LittleEndian(record[56..], value.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(record[60..], (ushort)key.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(record[62..], (ushort)tags.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(record[64..], fields.ValueSum ?? SumOf(value, seed));
        BinaryPrimitives.WriteInt32LittleEndian(record[72..], (int)fields.Kind);
        BinaryPrimitives.WriteInt32LittleEndian(record[76..], fields.IsExpired ? 1 : 0);
        var at = HeaderBytes;
        foreach (var tag in tags)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(record[at..], tag);
            at += 8;
        }

        key.CopyTo(record[at..]);
        value.CopyTo(record[(at + key.Length)..]);
        record[(at + key.Length + value.Length)..].Clear();
    }

    internal static ulong SumOf(ReadOnlySpan<byte> value, ulong seed) => Mix64.Of(value, seed);

    /// <summary>Writes what depends on the place in the log, and the sums.</summary>
    internal static void Place(Span<byte> record, long address, ulong seed)
    {
        BinaryPrimitives.WriteInt64LittleEndian(record[AddressOffset..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(record[24..], LifeSum(record, address, seed));
        BinaryPrimitives.WriteUInt64LittleEndian(record, HeaderSum(record, seed));
    }

    /// <summary>Makes the bytes at <see cref="LifeOffset"/> for a record at an address.</summary>
    internal static void WriteLife(Span<byte> life, long expiresAt, long retainUntil, long address, ulong seed)
    {
        BinaryPrimitives.WriteInt64LittleEndian(life, expiresAt);
        BinaryPrimitives.WriteInt64LittleEndian(life[8..], retainUntil);
        BinaryPrimitives.WriteUInt64LittleEndian(life[16..], Mix64.Of(life[..16], seed ^ (ulong)address));
    }

    /// <summary>Changes the entry in a copy of its record to one that was expired on request.</summary>
    internal static void MarkExpired(Span<byte> record, long expiresAt)
    {
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], expiresAt);
        BinaryPrimitives.WriteInt32LittleEndian(record[76..], 1);
    }

    /// <summary>Changes the stamp in the copy of a header.</summary>
    internal static void GiveStamp(Span<byte> header, in RecordFields fields)
    {
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], fields.Stamp);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], fields.Cover);
        BinaryPrimitives.WriteInt32LittleEndian(header[76..], fields.IsExpired ? 1 : 0);
    }

    /// <summary>Whether there may be a record of this address: cheap, and wrong once in a blue moon.</summary>
    internal static bool MayBeAt(ReadOnlySpan<byte> bytes, long address) =>
        BinaryPrimitives.ReadInt64LittleEndian(bytes[AddressOffset..]) == address;

    /// <summary>Looks how many bytes there are before the value, and in all; both are to be trusted only once <see cref="IsIntact"/>.</summary>
    internal static (int BeforeValue, long Total) Measure(ReadOnlySpan<byte> header)
    {
        var value = BinaryPrimitives.ReadInt32LittleEndian(header[56..]);
        var key = BinaryPrimitives.ReadUInt16LittleEndian(header[60..]);
        var tags = BinaryPrimitives.ReadUInt16LittleEndian(header[62..]);
        return (HeaderBytes + (8 * tags) + key, value < 0 ? long.MaxValue : Bytes(tags, key, value));
    }

    /// <summary>Whether the bytes begin with the record that belongs at this address, up to and with the key.</summary>
    internal static bool IsIntact(ReadOnlySpan<byte> bytes, long address, ulong seed) =>
        bytes.Length >= HeaderBytes && MayBeAt(bytes, address) && Measure(bytes).BeforeValue <= bytes.Length
        && BinaryPrimitives.ReadUInt64LittleEndian(bytes) == HeaderSum(bytes, seed);

    /// <summary>Whether the instants are whole: they may be read in the middle of a change.</summary>
    internal static bool IsLifeIntact(ReadOnlySpan<byte> record, long address, ulong seed) =>
        BinaryPrimitives.ReadUInt64LittleEndian(record[24..]) == LifeSum(record, address, seed);

    private static ulong LifeSum(ReadOnlySpan<byte> record, long address, ulong seed) =>
        Mix64.Of(record.Slice(LifeOffset, 16), seed ^ (ulong)address);

    private static ulong HeaderSum(ReadOnlySpan<byte> record, ulong seed) =>
        Mix64.Of(record[AddressOffset..Measure(record).BeforeValue], seed);
}

/// <summary>What a record says of its entry beside key, tags and value. Instants are ticks of UTC.</summary>
internal readonly struct RecordFields
{
    internal required RecordKind Kind { get; init; }

    internal long Stamp { get; init; }

    internal long Cover { get; init; }

    internal long ExpiresAt { get; init; }

    internal long RetainUntil { get; init; }

    internal bool IsExpired { get; init; }

    /// <summary>The sum of the value, if somebody has it already.</summary>
    internal ulong? ValueSum { get; init; }
}

/// <summary>A record whose header is intact, as it was read.</summary>
internal readonly ref struct Record(ReadOnlySpan<byte> bytes, long address)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    internal long Address { get; } = address;

    internal bool IsNone => _bytes.IsEmpty;

    internal RecordKind Kind => (RecordKind)BinaryPrimitives.ReadInt32LittleEndian(_bytes[72..]);

    internal bool IsExpired => BinaryPrimitives.ReadInt32LittleEndian(_bytes[76..]) != 0;

    internal long ExpiresAt => BinaryPrimitives.ReadInt64LittleEndian(_bytes[8..]);

    internal long RetainUntil => BinaryPrimitives.ReadInt64LittleEndian(_bytes[16..]);

    internal long Stamp => BinaryPrimitives.ReadInt64LittleEndian(_bytes[40..]);

    internal long Cover => BinaryPrimitives.ReadInt64LittleEndian(_bytes[48..]);

    internal int ValueLength => BinaryPrimitives.ReadInt32LittleEndian(_bytes[56..]);

    internal ulong ValueSum => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[64..]);

    internal int ValueOffset => RecordLayout.Measure(_bytes).BeforeValue;

    internal long TotalBytes => RecordLayout.Measure(_bytes).Total;

    internal int TagCount => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[62..]);

    internal ReadOnlySpan<byte> Key => _bytes[(RecordLayout.HeaderBytes + (8 * TagCount))..ValueOffset];

    internal ulong Tag(int index) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[(RecordLayout.HeaderBytes + (8 * index))..]);
}
