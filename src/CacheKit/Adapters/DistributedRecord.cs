using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace CacheKit.Adapters;

/// <summary>What a distributed cache holds under one key: an entry, the mark of a removed one, or when a tag or everything was last invalidated.</summary>
/// <remarks>A header with a checksum that includes the key, then the payload, which has a checksum of its own. Whatever does not parse is no record.</remarks>
/// <param name="Kind">What it is.</param>
/// <param name="Stamp">The entry's stamp, or that of the invalidation.</param>
/// <param name="CoveredFrom">Invalidations of tags and of everything with a later stamp cover it. Earlier than the stamp for what was made from another entry.</param>
/// <param name="ExpiresAt">See <see cref="Stores.StoreEntry.ExpiresAt"/>.</param>
/// <param name="RetainUntil">See <see cref="Stores.StoreEntry.RetainUntil"/>.</param>
/// <param name="Tags">Its tags.</param>
/// <param name="Payload">Its bytes.</param>
internal sealed record DistributedRecord(
    DistributedRecordKind Kind, long Stamp, long CoveredFrom, DateTimeOffset ExpiresAt, DateTimeOffset RetainUntil, string[] Tags, ReadOnlyMemory<byte> Payload)
{
    private const uint Magic = 0x31444B43; // CKD1
    private const int KindAt = 4, StampAt = 8, CoveredAt = 16, ExpiresAtAt = 24, RetainUntilAt = 32, HeaderLengthAt = 40, TagCountAt = 44, TagsAt = 48;
    private const int SumLength = sizeof(uint);

    /// <summary>A record of when something was invalidated.</summary>
    internal static DistributedRecord Mark(DistributedRecordKind kind, long stamp) =>
        new(kind, stamp, stamp, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, [], default);

    internal byte[] ToBytes(string key)
    {
        var headerLength = TagsAt + SumLength;
        foreach (var tag in Tags)
        {
            headerLength += sizeof(ushort) + Encoding.UTF8.GetByteCount(tag);
        }

        var bytes = new byte[headerLength + Payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        bytes[KindAt] = (byte)Kind;
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(StampAt), Stamp);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(CoveredAt), CoveredFrom);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(ExpiresAtAt), ExpiresAt.UtcTicks);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(RetainUntilAt), RetainUntil.UtcTicks);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(HeaderLengthAt), headerLength);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(TagCountAt), Tags.Length);
        var at = TagsAt;
        foreach (var tag in Tags)
        {
            var length = Encoding.UTF8.GetBytes(tag, bytes.AsSpan(at + sizeof(ushort)));
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), checked((ushort)length)); // a tag is no longer
            at += sizeof(ushort) + length;
        }

        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), SumOf(bytes.AsSpan(0, at), key));
        Payload.Span.CopyTo(bytes.AsSpan(headerLength));
        return bytes;
    }

    internal static DistributedRecord? Parse(byte[]? bytes, string key)
    {
        if (bytes is null || bytes.Length < TagsAt + SumLength || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            return null;
        }

        var headerLength = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(HeaderLengthAt));
        if (headerLength < TagsAt + SumLength || headerLength > bytes.Length)
        {
            return null;
        }

        var header = bytes.AsSpan(0, headerLength - SumLength);
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(header.Length)) != SumOf(header, key))
        {
            return null;
        }

        var tags = new string[BinaryPrimitives.ReadInt32LittleEndian(header[TagCountAt..])];
        var at = TagsAt;
        for (var i = 0; i < tags.Length; i++)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(header[at..]);
            tags[i] = Encoding.UTF8.GetString(header.Slice(at + sizeof(ushort), length));
            at += sizeof(ushort) + length;
        }

        return new(
            (DistributedRecordKind)header[KindAt],
            BinaryPrimitives.ReadInt64LittleEndian(header[StampAt..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[CoveredAt..]),
            new(BinaryPrimitives.ReadInt64LittleEndian(header[ExpiresAtAt..]), TimeSpan.Zero),
            new(BinaryPrimitives.ReadInt64LittleEndian(header[RetainUntilAt..]), TimeSpan.Zero),
            tags,
            bytes.AsMemory(headerLength));
    }

    private static uint SumOf(ReadOnlySpan<byte> header, string key)
    {
        var sum = uint.MaxValue;
        foreach (var value in header)
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        foreach (var value in MemoryMarshal.AsBytes(key.AsSpan()))
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        return ~sum;
    }
}
