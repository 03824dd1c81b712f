using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using System.Text.Unicode;

namespace CacheKit.Engine.Feed;

/// <summary>A message from one node to the others, and the bytes it travels in.</summary>
/// <remarks>
/// <para>Numbers are little-endian, lengths and counts are varints, texts are UTF-8 behind their length:
/// <c>magic 2 · version 1 · type 1 · sender 8 · sequence 8 · interval in ms 4 · count · {kind 1 · stamp 8 · text or (count · texts)} · CRC-32C 4</c>.
/// Magic, version and the sum at the end stay where they are in all versions.</para>
/// <para>Data messages are numbered from 1 by their sender. A heartbeat or a goodbye carries the number of the last one, by which the loss of
/// that is noticed.</para>
/// <para>The parser takes any bytes. What is damaged or was never such a message is <see cref="MessageReading.Foreign"/>; what a later version
/// of this library has sent is told apart, because it may report a change.</para>
/// </remarks>
internal readonly struct InvalidationMessage
{
    /// <summary>The longest a message may be.</summary>
    internal const int MaximumBytes = 64 * 1024;

    /// <summary>The most notices in one message.</summary>
    internal const int MaximumNotices = 256;

    private const byte Magic0 = 0xC5;
    private const byte Magic1 = 0x1D;
    private const byte ThisVersion = 1;
    private const int SumBytes = 4;
    private const int CountBytes = 2; // what 256 takes as a varint
    private const int HeaderBytes = 24;

    internal MessageType Type { get; init; }

    /// <summary>Which cache object has sent it: drawn at random when that was created.</summary>
    internal ulong Sender { get; init; }

    /// <summary>The number of the message, or, where it is not <see cref="MessageType.Data"/>, of the last one before it.</summary>
    internal long Sequence { get; init; }

    /// <summary>How often the sender sends heartbeats.</summary>
    internal TimeSpan Interval { get; init; }

    /// <summary>The bytes a notice takes; more than <see cref="MostNoticeBytes"/> do not fit into any message.</summary>
    internal static int SizeOf(in InvalidationNotice notice) => 1 + sizeof(long) + notice switch
    {
        { Tags: { } tags } => VarintSize(tags.Length) + tags.Sum(SizeOfText),
        { Kind: NoticeKind.Cleared or NoticeKind.EverythingSuspect } => 0,
        _ => SizeOfText(notice.Text),
    };

    internal static int MostNoticeBytes => MaximumBytes - HeaderBytes - CountBytes - SumBytes;

    /// <summary>Encodes a message.</summary>
    /// <param name="notices">At most <see cref="MaximumNotices"/>, and <see cref="MostNoticeBytes"/> in all.</param>
    internal byte[] Encode(params ReadOnlySpan<InvalidationNotice> notices)
    {
        var size = HeaderBytes + VarintSize(notices.Length) + SumBytes;
        foreach (ref readonly var notice in notices)
        {
            size += SizeOf(notice);
        }

        var message = new byte[size];
        message[0] = Magic0;
        message[1] = Magic1;
        message[2] = ThisVersion;
        message[3] = (byte)Type;
        BinaryPrimitives.WriteUInt64LittleEndian(message.AsSpan(4), Sender);
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(12), Sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(20), (uint)Math.Clamp(Interval.TotalMilliseconds, 0, uint.MaxValue));
        var rest = message.AsSpan(HeaderBytes);
        WriteVarint(ref rest, notices.Length);
        foreach (ref readonly var notice in notices)
        {
            rest[0] = (byte)notice.Kind;
            BinaryPrimitives.WriteInt64LittleEndian(rest[1..], notice.Stamp);
            rest = rest[(1 + sizeof(long))..];
            if (notice.Tags is { } tags)
            {
                WriteVarint(ref rest, tags.Length);
                foreach (var tag in tags)
                {
                    WriteText(ref rest, tag);
                }
            }
            else if (notice.Kind is not (NoticeKind.Cleared or NoticeKind.EverythingSuspect))
            {
                WriteText(ref rest, notice.Text);
            }
        }

        BinaryPrimitives.WriteUInt32LittleEndian(rest, Sum(message.AsSpan(..^SumBytes)));
        return message;
    }

    /// <summary>Reads all but the notices of a message.</summary>
    internal static MessageReading TryDecodeHeader(ReadOnlySpan<byte> bytes, out InvalidationMessage message)
    {
        message = default;
        if (bytes.Length is <= 3 + SumBytes or > MaximumBytes
            || bytes[0] != Magic0 || bytes[1] != Magic1
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^SumBytes..]) != Sum(bytes[..^SumBytes]))
        {
            return MessageReading.Foreign;
        }

        if (bytes[2] != ThisVersion)
        {
            return bytes[2] > ThisVersion ? MessageReading.FromLaterVersion : MessageReading.Foreign;
        }

        if (bytes.Length <= HeaderBytes + SumBytes)
        {
            return MessageReading.Foreign;
        }

        message = new()
        {
            Type = (MessageType)bytes[3],
            Sender = BinaryPrimitives.ReadUInt64LittleEndian(bytes[4..]),
            Sequence = BinaryPrimitives.ReadInt64LittleEndian(bytes[12..]),
            Interval = TimeSpan.FromMilliseconds(BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..])),
        };
        return message.Type > MessageType.Goodbye ? MessageReading.FromLaterVersion
            : message.Sequence < (message.Type == MessageType.Data ? 1 : 0) || message.Sequence > long.MaxValue / 2 ? MessageReading.Foreign
            : MessageReading.Understood;
    }

    /// <summary>Reads the notices of a message whose header was understood.</summary>
    internal static MessageReading TryDecodeNotices(ReadOnlySpan<byte> bytes, List<InvalidationNotice> notices)
    {
        var rest = bytes[HeaderBytes..^SumBytes];
        if (!TryReadVarint(ref rest, out var count))
        {
            return MessageReading.Foreign;
        }

        for (; count > 0; count--)
        {
            if (rest.Length < 1 + sizeof(long))
            {
                return MessageReading.Foreign;
            }

            var kind = (NoticeKind)rest[0];
            var stamp = BinaryPrimitives.ReadInt64LittleEndian(rest[1..]);
            rest = rest[(1 + sizeof(long))..];
            switch (kind)
            {
                case NoticeKind.Cleared or NoticeKind.EverythingSuspect:
                    notices.Add(new(kind, "", stamp));
                    break;
                case NoticeKind.TagSetRemoved or NoticeKind.TagSetExpired:
                    if (!TryReadTexts(ref rest, out var tags))
                    {
                        return MessageReading.Foreign;
                    }

                    notices.Add(new(kind, "", stamp, tags));
                    break;
                case >= NoticeKind.KeyRemoved and <= NoticeKind.TagExpired:
                    if (!TryReadText(ref rest, out var text))
                    {
                        return MessageReading.Foreign;
                    }

                    notices.Add(new(kind, text, stamp));
                    break;
                default:
                    return MessageReading.FromLaterVersion;
            }
        }

        return rest.IsEmpty ? MessageReading.Understood : MessageReading.Foreign;
    }

    /// <summary>Sums up bytes by CRC-32C: short, made for messages of this length, and certain to find any few bits that have flipped.</summary>
    internal static uint Sum(ReadOnlySpan<byte> bytes)
    {
        var sum = ~0u;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (var rest in bytes)
        {
            sum = BitOperations.Crc32C(sum, rest);
        }

        return ~sum;
    }

    private static int SizeOfText(string text) => Encoding.UTF8.GetByteCount(text) is var bytes ? VarintSize(bytes) + bytes : 0;

    private static int VarintSize(int number) => number < 0x80 ? 1 : number < 0x4000 ? 2 : 3;

    private static void WriteVarint(ref Span<byte> rest, int number)
    {
        var at = 0;
        for (; number >= 0x80; number >>= 7)
        {
            rest[at++] = (byte)(number | 0x80);
        }

        rest[at++] = (byte)number;
        rest = rest[at..];
    }

    private static void WriteText(ref Span<byte> rest, string text)
    {
        WriteVarint(ref rest, Encoding.UTF8.GetByteCount(text));
        rest = rest[Encoding.UTF8.GetBytes(text, rest)..];
    }

    private static bool TryReadVarint(ref ReadOnlySpan<byte> rest, out int number)
    {
        number = 0;
        for (var shift = 0; shift < 21 && !rest.IsEmpty; shift += 7)
        {
            var part = rest[0];
            rest = rest[1..];
            number |= (part & 0x7F) << shift;
            if (part < 0x80)
            {
                return true;
            }
        }

        return false;
    }

    private static bool TryReadText(ref ReadOnlySpan<byte> rest, out string text)
    {
        text = "";
        if (!TryReadVarint(ref rest, out var length) || length == 0 || length > rest.Length || !Utf8.IsValid(rest[..length]))
        {
            return false;
        }

        text = Encoding.UTF8.GetString(rest[..length]);
        rest = rest[length..];
        return true;
    }

    private static bool TryReadTexts(ref ReadOnlySpan<byte> rest, out string[] texts)
    {
        texts = [];
        // Each takes two bytes at least, so that a count alone cannot ask for much memory.
        if (!TryReadVarint(ref rest, out var count) || count == 0 || count > rest.Length / 2)
        {
            return false;
        }

        texts = new string[count];
        for (var i = 0; i < count; i++)
        {
            if (!TryReadText(ref rest, out texts[i]))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>What a message is for. The numbers are part of the format.</summary>
internal enum MessageType : byte
{
    /// <summary>Tells of changes.</summary>
    Data = 0,

    /// <summary>Tells that the sender is there, and what its last number was.</summary>
    Heartbeat = 1,

    /// <summary>Tells that nothing more will come from the sender, and what its last number was.</summary>
    Goodbye = 2,
}

/// <summary>What came of reading a message.</summary>
internal enum MessageReading
{
    /// <summary>These bytes say nothing, to us.</summary>
    Foreign,

    Understood,

    /// <summary>A later version of this library has something to say that this one does not understand.</summary>
    FromLaterVersion,
}
