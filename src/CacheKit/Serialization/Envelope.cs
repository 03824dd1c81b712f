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
        if (span.Length < Layout.HeaderLength
            || BinaryPrimitives.ReadUInt32LittleEndian(span) != Layout.MagicAndVersion
            || BinaryPrimitives.ReadInt32LittleEndian(span[Layout.TotalLength..]) != span.Length)
        {
            return false;
        }

        var sum = BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.Sum..]);
        if (sum != EnvelopeSum.Of(span)
            || BinaryPrimitives.ReadUInt64LittleEndian(span[Layout.StampSum..])
                != EnvelopeSum.OfStamp(BinaryPrimitives.ReadInt64LittleEndian(span[Layout.Stamp..]), sum))
        {
            return false;
        }

        // The sum is right, so these are the bytes that somebody wrote; from here on the question is whether it was us.
        var tagsLength = BinaryPrimitives.ReadInt32LittleEndian(span[Layout.TagsLength..]);
        if (tagsLength < 0 || tagsLength > span.Length)
        {
            return false;
        }

        var typeAt = Layout.HeaderLength + BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.KeyLength..]);
        var contentTypeAt = typeAt + BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.TypeLength..]);
        var serializerAt = contentTypeAt + BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.ContentTypeLength..]);
        var keyIdAt = serializerAt + span[Layout.SerializerLength];
        var tagsAt = keyIdAt + span[Layout.KeyIdLength];
        var payloadAt = (long)tagsAt + tagsLength;
        if (payloadAt > span.Length
            || !IsKey(span[Layout.HeaderLength..typeAt], key)
            || !Utf8.IsValid(span[typeAt..tagsAt])
            || !AreTags(span[tagsAt..(int)payloadAt], BinaryPrimitives.ReadUInt16LittleEndian(span[Layout.TagCount..]))
            || !AreTimes(span)
            || !IsPayload(span, span.Length - (int)payloadAt))
        {
            return false;
        }

        envelope = new(bytes, typeAt, contentTypeAt, serializerAt, keyIdAt, tagsAt, (int)payloadAt);
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
            || ((flags & EnvelopeFlags.Null) != 0) != (form == PayloadForm.None))
        {
            return false;
        }

        return (flags & EnvelopeFlags.Encrypted) != 0 ? length >= EnvelopeCipher.Overhead
            : (flags & EnvelopeFlags.Null) != 0 ? length == 0 && plainLength == 0
            : (flags & EnvelopeFlags.Compressed) != 0 || length == plainLength;
    }
}
