using System.Buffers.Binary;

namespace CacheKit.Redis.Protocol;

/// <summary>An entry as it lies in Redis: one string, with a header of fixed length that scripts can read.</summary>
/// <remarks>
/// <code>
///  0  magic C4          19  fence, the latest stamp at which the key was written or invalidated
///  1  version 01        27  expires at, UTC ticks
///  2  flags             35  retain until, UTC ticks
///  3  stamp             43  length of the tags, 4 bytes
/// 11  cover             47  tags, then the payload
/// </code>
/// <para>Integers are big-endian. The <em>stamp</em> tells this entry from all others ever under its key. The <em>cover</em> is what invalidations are
/// compared with: those with a later stamp cover the entry. They differ where one value was made from another, as a counter's is. What does
/// not parse is no entry: a miss for who reads, nothing for who writes.</para>
/// <para>There is no checksum, which every script that changes a header would have to compute. Instead the parts bear each other out: the cover is not later than the stamp and
/// the fence, the end of the life not later than that of the keeping, and the tags end with a sum of their own. So a part that is damaged gives itself away, or makes
/// the entry a miss. The payload is the cache's, and has its checksum.</para>
/// </remarks>
internal readonly struct EntryRecord
{
    internal const byte Magic = 0xC4;
    internal const byte Version = 1;
    internal const int HeaderLength = 47;

    /// <summary>Where the part begins that does not depend on the stamp.</summary>
    internal const int TailOffset = 27;

    private EntryRecord(byte[] bytes, EntryFlags flags, int tagLength)
    {
        Bytes = bytes;
        Flags = flags;
        TagLength = tagLength;
    }

    internal byte[] Bytes { get; }

    internal EntryFlags Flags { get; }

    internal int TagLength { get; }

    internal long Stamp => BinaryPrimitives.ReadInt64BigEndian(Bytes.AsSpan(3));

    internal long Cover => BinaryPrimitives.ReadInt64BigEndian(Bytes.AsSpan(11));

    internal long Fence => BinaryPrimitives.ReadInt64BigEndian(Bytes.AsSpan(19));

    internal long ExpiresAtTicks => BinaryPrimitives.ReadInt64BigEndian(Bytes.AsSpan(27));

    internal long RetainUntilTicks => BinaryPrimitives.ReadInt64BigEndian(Bytes.AsSpan(35));

    internal bool IsTombstone => (Flags & EntryFlags.Tombstone) != 0;

    /// <summary>Whether all of its tags are in the bytes: a read of the beginning only may have cut them.</summary>
    internal bool HasTags => Bytes.Length >= HeaderLength + TagLength;

    internal ReadOnlySpan<byte> TagBlock => Bytes.AsSpan(HeaderLength, TagLength);

    internal ReadOnlyMemory<byte> Payload => Bytes.AsMemory(HeaderLength + TagLength);

    /// <summary>Takes bytes for an entry, if that is what they are.</summary>
    /// <param name="bytes">All of it, or the beginning.</param>
    /// <param name="record">The entry.</param>
    /// <returns>Whether there is one.</returns>
    internal static bool TryParse(byte[]? bytes, out EntryRecord record)
    {
        record = default;
        if (bytes is null || bytes.Length < HeaderLength || bytes[0] != Magic || bytes[1] != Version)
        {
            return false;
        }

        var tagLength = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(43));
        record = new(bytes, (EntryFlags)bytes[2], tagLength);
        return tagLength >= 0 && (record.Flags & ~EntryFlags.All) == 0
            && record.Cover > 0 && record.Cover <= record.Stamp && record.Cover <= record.Fence && record.ExpiresAtTicks <= record.RetainUntilTicks;
    }

    /// <summary>Writes an entry under a stamp that is known.</summary>
    internal static byte[] Write(EntryFlags flags, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, EntryTags tags, ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[HeaderLength + tags.Block.Length + payload.Length];
        bytes[0] = Magic;
        bytes[1] = Version;
        bytes[2] = (byte)flags;
        WriteStamps(bytes, stamp);
        WriteTail(bytes.AsSpan(TailOffset), expiresAt, retainUntil, tags, payload);
        return bytes;
    }

    /// <summary>Writes the stamps of an entry that is made from nothing before it.</summary>
    internal static void WriteStamps(Span<byte> bytes, long stamp)
    {
        BinaryPrimitives.WriteInt64BigEndian(bytes[3..], stamp);
        BinaryPrimitives.WriteInt64BigEndian(bytes[11..], stamp);
        BinaryPrimitives.WriteInt64BigEndian(bytes[19..], stamp);
    }

    /// <summary>Writes what follows the stamps of an entry, for a script to put them in front.</summary>
    internal static byte[] WriteTail(DateTimeOffset expiresAt, DateTimeOffset retainUntil, EntryTags tags, ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[HeaderLength - TailOffset + tags.Block.Length + payload.Length];
        WriteTail(bytes, expiresAt, retainUntil, tags, payload);
        return bytes;
    }

    /// <summary>Writes the instants of an entry.</summary>
    internal static void WriteInstants(Span<byte> bytes, DateTimeOffset expiresAt, DateTimeOffset retainUntil)
    {
        BinaryPrimitives.WriteInt64BigEndian(bytes, expiresAt.UtcTicks);
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], Math.Max(expiresAt.UtcTicks, retainUntil.UtcTicks));
    }

    private static void WriteTail(
        Span<byte> bytes, DateTimeOffset expiresAt, DateTimeOffset retainUntil, EntryTags tags, ReadOnlySpan<byte> payload)
    {
        WriteInstants(bytes, expiresAt, retainUntil);
        BinaryPrimitives.WriteInt32BigEndian(bytes[16..], tags.Block.Length);
        tags.Block.CopyTo(bytes[20..]);
        payload.CopyTo(bytes[(20 + tags.Block.Length)..]);
    }
}
