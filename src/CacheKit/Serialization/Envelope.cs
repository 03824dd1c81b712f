using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Layout = CacheKit.Serialization.EnvelopeLayout;

namespace CacheKit.Serialization;

/// <summary>An entry as bytes that have been found whole: nothing in it is cut off, damaged, or another key's.</summary>
/// <remarks>A view: valid as long as the bytes are.</remarks>
internal readonly struct Envelope
{
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly int _typeAt, _contentTypeAt, _serializerAt, _keyIdAt, _tagsAt, _payloadAt;

    private Envelope(ReadOnlyMemory<byte> bytes, int typeAt, int contentTypeAt, int serializerAt, int keyIdAt, int tagsAt, int payloadAt)
    {
        _bytes = bytes;
        _typeAt = typeAt;
        _contentTypeAt = contentTypeAt;
        _serializerAt = serializerAt;
        _keyIdAt = keyIdAt;
        _tagsAt = tagsAt;
        _payloadAt = payloadAt;
    }

    internal long Stamp => BinaryPrimitives.ReadInt64LittleEndian(Header[Layout.Stamp..]);

    internal DateTimeOffset CreatedAt => new(BinaryPrimitives.ReadInt64LittleEndian(Header[Layout.CreatedAt..]), TimeSpan.Zero);

    internal DateTimeOffset ExpiresAt => new(BinaryPrimitives.ReadInt64LittleEndian(Header[Layout.ExpiresAt..]), TimeSpan.Zero);

    internal TimeSpan Sliding => new(BinaryPrimitives.ReadInt64LittleEndian(Header[Layout.Sliding..]));

    internal TimeSpan StaleFor => new(BinaryPrimitives.ReadInt64LittleEndian(Header[Layout.StaleFor..]));

    internal bool IsNull => (Flags & EnvelopeFlags.Null) != 0;

    internal bool IsCompressed => (Flags & EnvelopeFlags.Compressed) != 0;

    internal bool IsEncrypted => (Flags & EnvelopeFlags.Encrypted) != 0;

    /// <summary>Whether the value itself is at another store.</summary>
    internal bool IsElsewhere => (Flags & EnvelopeFlags.Elsewhere) != 0;

    /// <summary>The name of the type the value was stored as.</summary>
    internal string TypeName => Encoding.UTF8.GetString(TypeNameBytes);

    /// <summary>The name of the value's own type, where that is not the one it was stored as.</summary>
    internal string ValueTypeName => Encoding.UTF8.GetString(ContentTypeNameBytes.IsEmpty ? TypeNameBytes : ContentTypeNameBytes);

    /// <summary>The tags; read out anew each time.</summary>
    internal string[] Tags
    {
        get
        {
            var count = BinaryPrimitives.ReadUInt16LittleEndian(Header[Layout.TagCount..]);
            if (count == 0)
            {
                return [];
            }

            var tags = new string[count];
            var rest = _bytes.Span[_tagsAt.._payloadAt];
            for (var i = 0; i < count; i++)
            {
                var length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
                tags[i] = Encoding.UTF8.GetString(rest.Slice(sizeof(ushort), length));
                rest = rest[(sizeof(ushort) + length)..];
            }

            return tags;
        }
    }

    /// <summary>The payload as it is stored: compressed, encrypted, or plain.</summary>
    internal ReadOnlyMemory<byte> Payload => _bytes[_payloadAt..];

    internal EnvelopeFlags Flags => (EnvelopeFlags)BinaryPrimitives.ReadUInt16LittleEndian(Header[Layout.Flags..]);

    internal PayloadForm Form => (PayloadForm)Header[Layout.Form];

    internal ulong Fingerprint => BinaryPrimitives.ReadUInt64LittleEndian(Header[Layout.Fingerprint..]);

    /// <summary>How long the payload is when it is neither compressed nor encrypted.</summary>
    internal int PlainLength => BinaryPrimitives.ReadInt32LittleEndian(Header[Layout.PlainLength..]);

    internal ReadOnlySpan<byte> TypeNameBytes => _bytes.Span[_typeAt.._contentTypeAt];

    /// <summary>The name of the value's own type, if that is another one than it was stored as; else empty.</summary>
    internal ReadOnlySpan<byte> ContentTypeNameBytes => _bytes.Span[_contentTypeAt.._serializerAt];

    internal ReadOnlySpan<byte> SerializerName => _bytes.Span[_serializerAt.._keyIdAt];

    internal ReadOnlySpan<byte> KeyId => _bytes.Span[_keyIdAt.._tagsAt];

    /// <summary>What is authenticated along with the payload.</summary>
    internal ReadOnlySpan<byte> AuthenticatedHeader => _bytes.Span[Layout.Flags.._payloadAt];

    private ReadOnlySpan<byte> Header => _bytes.Span;

    /// <summary>Looks whether bytes are the envelope of a key. Never throws; reads every byte once.</summary>
    internal static bool TryParse(ReadOnlyMemory<byte> bytes, string key, out Envelope envelope)
    {
        envelope = default;
        var span = bytes.Span;
        if (!TryMeasureHeader(span, span.Length, out var payloadAt))
        {
            return false;
        }

        var isStreamed = ((EnvelopeFlags)BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.Flags..]) & EnvelopeFlags.Streamed) != 0;
        var sum = isStreamed ? EnvelopeSum.OfStreamed(span[..payloadAt], StreamedSum.Of(span[payloadAt..])) : EnvelopeSum.Of(span);
        return sum == BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.Sum..]) && TryParseHeader(bytes, span.Length, key, payloadAt, out envelope);
    }

    /// <summary>
    /// Looks whether bytes are the header of the envelope of a key, for an entry that is read part by part from a store that checks what it gives: the sum of
    /// the whole is not compared.
    /// </summary>
    /// <param name="header">The bytes up to the payload, which is left out.</param>
    /// <param name="length">How many bytes there are with the payload.</param>
    /// <param name="key">The key.</param>
    /// <param name="envelope">The envelope, which has no payload.</param>
    internal static bool TryParseHeader(ReadOnlyMemory<byte> header, long length, string key, out Envelope envelope)
    {
        envelope = default;
        return TryMeasureHeader(header.Span, length, out var payloadAt) && payloadAt == header.Length && TryParseHeader(header, length, key, payloadAt, out envelope);
    }

    /// <summary>Looks where the payload begins. What it says is to be trusted only once the rest is found right.</summary>
    /// <param name="start">At least the part of the header that has a fixed size.</param>
    /// <param name="length">How many bytes there are in all.</param>
    /// <param name="payloadAt">Where it begins.</param>
    internal static bool TryMeasureHeader(ReadOnlySpan<byte> start, long length, out int payloadAt)
    {
        payloadAt = 0;
        if (start.Length < Layout.HeaderLength
            || BinaryPrimitives.ReadUInt32LittleEndian(start) != Layout.MagicAndVersion
            || BinaryPrimitives.ReadInt32LittleEndian(start[Layout.TotalLength..]) != length)
        {
            return false;
        }

        var tagsLength = BinaryPrimitives.ReadInt32LittleEndian(start[Layout.TagsLength..]);
        var end = (long)Layout.HeaderLength + BinaryPrimitives.ReadUInt16LittleEndian(start[Layout.KeyLength..])
            + BinaryPrimitives.ReadUInt16LittleEndian(start[Layout.TypeLength..]) + BinaryPrimitives.ReadUInt16LittleEndian(start[Layout.ContentTypeLength..])
            + start[Layout.SerializerLength] + start[Layout.KeyIdLength] + tagsLength;
        if (tagsLength < 0 || end > length)
        {
            return false;
        }

        payloadAt = (int)end; // within an array's bounds
        return true;
    }

    /// <summary>Looks whether a header was written by us, and for the key. That its bytes are what somebody wrote is known.</summary>
    private static bool TryParseHeader(ReadOnlyMemory<byte> bytes, long length, string key, int payloadAt, out Envelope envelope)
    {
        envelope = default;
        var span = bytes.Span;
        var sum = BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.Sum..]);
        if (BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.StampSum..])
            != EnvelopeSum.OfStamp(BinaryPrimitives.ReadInt64LittleEndian(span[Layout.Stamp..]), sum))
        {
            return false;
        }

        var typeAt = Layout.HeaderLength + BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.KeyLength..]);
        var contentTypeAt = typeAt + BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.TypeLength..]);
        var serializerAt = contentTypeAt + BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.ContentTypeLength..]);
        var keyIdAt = serializerAt + span[Layout.SerializerLength];
        var tagsAt = keyIdAt + span[Layout.KeyIdLength];
        if (!IsKey(span[Layout.HeaderLength..typeAt], key)
            || !Utf8.IsValid(span[typeAt..tagsAt])
            || !AreTags(span[tagsAt..payloadAt], BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.TagCount..]))
            || !AreTimes(span)
            || !IsPayload(span, (int)(length - payloadAt)))
        {
            return false;
        }

        envelope = new(bytes, typeAt, contentTypeAt, serializerAt, keyIdAt, tagsAt, payloadAt);
        return true;
    }

    private static bool IsKey(ReadOnlySpan<byte> bytes, string key)
    {
        if (bytes.Length == key.Length)
        {
            return Ascii.Equals(bytes, key);
        }

        if (bytes.Length < key.Length || bytes.Length > 3L * key.Length)
        {
            return false;
        }

        var rented = ArrayPool<byte>.Shared.Rent(bytes.Length);
        var isSame = Utf8.FromUtf16(key, rented.AsSpan(0, bytes.Length), out _, out var written, replaceInvalidSequences: false) == OperationStatus.Done
            && bytes.SequenceEqual(rented.AsSpan(0, written));
        ArrayPool<byte>.Shared.Return(rented);
        return isSame;
    }

    private static bool AreTags(ReadOnlySpan<byte> rest, int count)
    {
        for (; count > 0; count--)
        {
            if (rest.Length < sizeof(ushort))
            {
                return false;
            }

            var length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
            rest = rest[sizeof(ushort)..];
            if (rest.Length < length || !Utf8.IsValid(rest[..length]))
            {
                return false;
            }

            rest = rest[length..];
        }

        return rest.IsEmpty;
    }

    private static bool AreTimes(ReadOnlySpan<byte> span) =>
        BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.CreatedAt..]) <= (ulong)DateTime.MaxValue.Ticks
        && BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.ExpiresAt..]) <= (ulong)DateTime.MaxValue.Ticks
        && BinaryPrimitives.ReadInt64LittleEndian(span[Layout.Sliding..]) >= 0
        && BinaryPrimitives.ReadInt64LittleEndian(span[Layout.StaleFor..]) >= 0;

    private static bool IsPayload(ReadOnlySpan<byte> span, int length)
    {
        var flags = (EnvelopeFlags)BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.Flags..]);
        var form = (PayloadForm)span[Layout.Form];
        var plainLength = BinaryPrimitives.ReadInt32LittleEndian(span[Layout.PlainLength..]);
        var zeros = span[Layout.KeyIdLength..Layout.PlainLength][1..];
        if ((flags & ~EnvelopeFlags.All) != 0 || form > PayloadForm.Custom || plainLength < 0 || zeros.ContainsAnyExcept((byte)0)
            || ((flags & EnvelopeFlags.Null) != 0) != (form == PayloadForm.None)
            || ((flags & EnvelopeFlags.Streamed) != 0 && (flags != EnvelopeFlags.Streamed || form != PayloadForm.Raw))
            || ((flags & EnvelopeFlags.Elsewhere) != 0 && (flags != EnvelopeFlags.Elsewhere || form != PayloadForm.Raw || plainLength != 0)))
        {
            return false;
        }

        return (flags & EnvelopeFlags.Encrypted) != 0 ? length >= EnvelopeCipher.Overhead
            : (flags & EnvelopeFlags.Null) != 0 ? length == 0 && plainLength == 0
            : (flags & EnvelopeFlags.Compressed) != 0 || length == plainLength;
    }
}
