using System.Buffers;
using System.Buffers.Binary;
using Layout = CacheKit.Serialization.EnvelopeLayout;

namespace CacheKit.Serialization;

/// <summary>Makes entries into bytes for stores, and bytes into values.</summary>
/// <remarks>
/// The value is written into the buffer that the store is given, after the header; compressing makes one more copy, encrypting is done in
/// place. Reading never throws, whatever the bytes are, and never gives another value than was stored. Safe for concurrent use.
/// </remarks>
internal sealed class EntryCodec
{
    /// <summary>Compressing must save a sixteenth to be worth the reader's time.</summary>
    private const int LeastSaving = 16;

    private const int LongestExpected = 1 << 20;

    private readonly KnownTypes _types;
    private readonly KeyRing? _keys;
    private readonly bool _compress;
    private readonly int _compressionThreshold;
    private readonly int _maximumDecompressedBytes;

    /// <param name="options">Read here and not kept; changing them later has no effect, but what is done to the key ring has.</param>
    internal EntryCodec(SerializationOptions options)
    {
        _types = new(options);
        _keys = options.Encryption;
        _compress = options.Compress;
        _compressionThreshold = options.CompressionThreshold;
        _maximumDecompressedBytes = options.MaximumDecompressedBytes;
    }

    /// <summary>Makes the envelope of an entry.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; may be null.</param>
    /// <param name="metadata">What else belongs to the entry.</param>
    /// <param name="compress">What the entry says of compressing, if anything.</param>
    /// <returns>The bytes. To be disposed.</returns>
    /// <exception cref="CacheSerializationException">The value cannot be written.</exception>
    /// <exception cref="ArgumentException">The key or a tag is too long or has a lone surrogate, or there are more than 65,535 tags.</exception>
    internal EncodedEntry Encode<T>(string key, T value, in EntryMetadata metadata, bool? compress = null)
    {
        var declared = _types.For<T>();
        var encryption = _keys?.Current;
        var entry = new EncodedEntry(Layout.HeaderLength + (2 * key.Length) + 512 + declared.ExpectedLength, isSecret: encryption is not null);
        try
        {
            TypeCodec content;
            ValueFormat? format = null;
            try
            {
                content = value is null ? declared : declared.ForContent(value);
                format = value is null ? null : content.Format;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                throw Failure(value, exception);
            }

            var payloadAt = WriteHeader(
                entry, key, declared.NameBytes, ReferenceEquals(content, declared) ? default : content.NameBytes, format is null ? default : format.SerializerName,
                format?.Fingerprint ?? 0, encryption, metadata);
            LeaveRoom(entry, encryption is null ? 0 : EnvelopeCipher.PrefixLength);
            var plainAt = entry.Length;
            var form = PayloadForm.None;
            if (value is not null)
            {
                try
                {
                    form = ReferenceEquals(content, declared) ? declared.TypedFormat.Write(entry, value) : content.WriteObject(entry, value);
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    throw Failure(value, exception);
                }
            }

            var plainLength = entry.Length - plainAt;
            declared.ExpectedLength = Math.Min(plainLength + (plainLength / 8), LongestExpected);
            var flags = value is null ? EnvelopeFlags.Null : EnvelopeFlags.None;
            if ((compress ?? _compress) && plainLength > 0 && plainLength >= _compressionThreshold && plainLength <= _maximumDecompressedBytes
                && TryCompress(ref entry, plainAt, encryption is not null))
            {
                flags |= EnvelopeFlags.Compressed;
            }

            if (encryption is not null)
            {
                flags |= EnvelopeFlags.Encrypted;
                LeaveRoom(entry, DerivedKey.TagLength);
            }

            Seal(entry, payloadAt, flags, form, plainLength, encryption, metadata.Stamp);
            return entry;
        }
        catch
        {
            entry.Dispose();
            throw;
        }
    }

    /// <summary>Whether bytes can be written and read part by part: not if they are encrypted, which is done with whole values only, or have a serializer of their own.</summary>
    internal bool CanStream => _keys is null && _types.For<byte[]>().IsRaw;

    /// <summary>Makes the header of the envelope of bytes that came part by part, as of an array of bytes.</summary>
    /// <param name="key">The key.</param>
    /// <param name="metadata">What else belongs to the entry.</param>
    /// <param name="length">How many bytes came.</param>
    /// <param name="payloadSum">Their <see cref="StreamedSum"/>.</param>
    /// <returns>All that comes before them; <see langword="null"/> if there are more than an envelope can have. To be disposed.</returns>
    internal EncodedEntry? EncodeStreamed(string key, in EntryMetadata metadata, long length, ulong payloadSum)
    {
        var codec = _types.For<byte[]>();
        var entry = new EncodedEntry(Layout.HeaderLength + (2 * key.Length) + 512, isSecret: false);
        try
        {
            var payloadAt = WriteHeader(entry, key, codec.NameBytes, default, codec.Format.SerializerName, codec.Format.Fingerprint, encryption: null, metadata);
            if (length > Array.MaxLength - payloadAt)
            {
                entry.Dispose();
                return null;
            }

            var bytes = entry.Written;
            BinaryPrimitives.WriteInt32LittleEndian(bytes[Layout.TotalLength..], payloadAt + (int)length);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes[Layout.Flags..], (ushort)EnvelopeFlags.Streamed);
            bytes[Layout.Form] = (byte)PayloadForm.Raw;
            BinaryPrimitives.WriteInt32LittleEndian(bytes[Layout.PlainLength..], (int)length);
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[Layout.Sum..], EnvelopeSum.OfStreamed(bytes, payloadSum));
            EnvelopeSum.WriteStamp(bytes, metadata.Stamp);
            return entry;
        }
        catch
        {
            entry.Dispose();
            throw;
        }
    }

    /// <summary>Makes the envelope that stands for a value of bytes where that itself is not kept.</summary>
    /// <param name="key">The key.</param>
    /// <param name="metadata">What else belongs to the entry.</param>
    /// <returns>The bytes, to be disposed.</returns>
    internal EncodedEntry EncodeElsewhere(string key, in EntryMetadata metadata)
    {
        var codec = _types.For<byte[]>();
        var entry = new EncodedEntry(Layout.HeaderLength + (2 * key.Length) + 512, isSecret: false);
        try
        {
            var payloadAt = WriteHeader(entry, key, codec.NameBytes, default, codec.Format.SerializerName, codec.Format.Fingerprint, encryption: null, metadata);
            Seal(entry, payloadAt, EnvelopeFlags.Elsewhere, PayloadForm.Raw, plainLength: 0, encryption: null, metadata.Stamp);
            return entry;
        }
        catch
        {
            entry.Dispose();
            throw;
        }
    }

    /// <summary>Whether the payload is just the bytes of an array of them, and nothing has to be done to read it.</summary>
    internal bool IsPlainBytes(in Envelope envelope)
    {
        var codec = _types.For<byte[]>();
        return CanStream && (envelope.Flags & ~EnvelopeFlags.Streamed) == EnvelopeFlags.None && envelope.Form == PayloadForm.Raw
            && envelope.TypeNameBytes.SequenceEqual(codec.NameBytes) && envelope.ContentTypeNameBytes.IsEmpty
            && envelope.SerializerName.SequenceEqual(codec.Format.SerializerName) && envelope.Fingerprint == codec.Format.Fingerprint;
    }

    /// <summary>Makes the envelope of the same value with other metadata, without reading the value: its type need not be known here.</summary>
    /// <param name="envelope">The envelope to take the value from.</param>
    /// <param name="key">Its key.</param>
    /// <param name="metadata">What belongs to the entry from now on.</param>
    /// <returns>The bytes, to be disposed; <see langword="null"/> if the value cannot be decrypted.</returns>
    internal EncodedEntry? Rewrite(in Envelope envelope, string key, in EntryMetadata metadata)
    {
        if (envelope.IsEncrypted != (_keys is not null))
        {
            return null;
        }

        var encryption = _keys?.Current;
        var payload = envelope.Payload.Span;
        var entry = new EncodedEntry(Layout.HeaderLength + (2 * key.Length) + 512 + payload.Length, isSecret: encryption is not null);
        try
        {
            var payloadAt = WriteHeader(
                entry, key, envelope.TypeNameBytes, envelope.ContentTypeNameBytes, envelope.SerializerName, envelope.Fingerprint, encryption, metadata);
            if (_keys is null)
            {
                entry.Write(payload);
            }
            else
            {
                LeaveRoom(entry, EnvelopeCipher.PrefixLength);
                var length = payload.Length - EnvelopeCipher.Overhead;
                if (!EnvelopeCipher.TryDecrypt(_keys, envelope, entry.GetSpan(length)[..length]))
                {
                    entry.Dispose();
                    return null;
                }

                entry.Advance(length);
                LeaveRoom(entry, DerivedKey.TagLength);
            }

            // The value is there as a whole now.
            Seal(entry, payloadAt, envelope.Flags & ~EnvelopeFlags.Streamed, envelope.Form, envelope.PlainLength, encryption, metadata.Stamp);
            return entry;
        }
        catch
        {
            entry.Dispose();
            throw;
        }
    }

    /// <summary>Looks whether bytes are the envelope of a key, whole and undamaged. Never throws.</summary>
    internal static bool TryParse(ReadOnlyMemory<byte> bytes, string key, out Envelope envelope) => Envelope.TryParse(bytes, key, out envelope);

    /// <summary>Gives an envelope the stamp that its authority has given it.</summary>
    /// <param name="envelope">A copy of an envelope, which is valid before and after.</param>
    /// <param name="stamp">The stamp.</param>
    internal static void PatchStamp(Span<byte> envelope, long stamp) => EnvelopeSum.WriteStamp(envelope, stamp);

    /// <summary>Reads the value and hands it over as the type it was stored as.</summary>
    /// <typeparam name="TAsked">The type that was asked for.</typeparam>
    /// <typeparam name="TReceiver">A struct, so that nothing is boxed.</typeparam>
    /// <param name="envelope">The envelope.</param>
    /// <param name="receiver">Told only if the result is <see cref="DecodeStatus.Decoded"/>.</param>
    /// <param name="error">What a serializer has thrown, if it has.</param>
    internal DecodeStatus TryDecode<TAsked, TReceiver>(in Envelope envelope, ref TReceiver receiver, out Exception? error)
        where TReceiver : IDecodedValue
    {
        error = null;
        if (envelope.IsElsewhere)
        {
            return DecodeStatus.Elsewhere;
        }

        if (envelope.IsNull && !IsGenuineNull(envelope))
        {
            return DecodeStatus.Undecryptable;
        }

        var asked = _types.For<TAsked>();
        var isAsked = envelope.TypeNameBytes.SequenceEqual(asked.NameBytes);
        if (isAsked && envelope.ContentTypeNameBytes.IsEmpty)
        {
            return asked.Decode<TAsked, TReceiver>(this, envelope, ref receiver, out error);
        }

        var name = envelope.ValueTypeName;
        if (Find(name, typeof(TAsked)) is { } codec)
        {
            if (!isAsked)
            {
                return codec.Decode<TAsked, TReceiver>(this, envelope, ref receiver, out error);
            }

            // Stored as what is asked for, with a value of another type in it.
            var status = codec.TryReadObject(this, envelope, out var value, out error);
            if (status == DecodeStatus.Decoded)
            {
                if (value is not TAsked typed)
                {
                    return DecodeStatus.SchemaChanged;
                }

                receiver.Accept(typed);
            }

            return status;
        }

        // A collection of whatever kind can be read as the one it was stored as, if its elements are what they were.
        if (isAsked && asked.Decode<TAsked, TReceiver>(this, envelope, ref receiver, out error) == DecodeStatus.Decoded)
        {
            return DecodeStatus.Decoded;
        }

        // A type that was renamed or belongs to another program is a miss; one that is there, and not what was asked for, is a mistake.
        return !TypeFinder.Exists(name) ? DecodeStatus.SchemaChanged
            : typeof(TAsked) == typeof(object) ? DecodeStatus.UnknownType
            : DecodeStatus.TypeMismatch;
    }

    /// <summary>Why a value could not be read here, whatever it is asked for as; <see langword="null"/> if nothing is known against it. Reads nothing of the value.</summary>
    /// <remarks>A type that nobody has stored or asked for here yet says nothing.</remarks>
    internal string? ReasonNotToRead(in Envelope envelope)
    {
        if (envelope.IsElsewhere)
        {
            return null;
        }

        if (envelope.IsEncrypted != (_keys is not null))
        {
            return envelope.IsEncrypted ? "it is encrypted, and this cache has no keys" : "it is not encrypted, and this cache reads only what is";
        }

        if (_keys is not null && _keys.Find(envelope.KeyId) is null)
        {
            return "it is encrypted with a key that is not there";
        }

        if (envelope.IsNull || _types.Find(envelope.ValueTypeName) is not { } codec)
        {
            return null;
        }

        ValueFormat format;
        try
        {
            format = codec.Format;
        }
        catch (Exception exception) when (exception is NotSupportedException or InvalidOperationException)
        {
            return "its type cannot be written or read here";
        }

        return !format.HasWritten(envelope) ? "it was written by another serializer"
            : format.Fingerprint != envelope.Fingerprint ? "its type has another shape now than when it was stored"
            : null;
    }

    /// <summary>Reads a value that is not null in a format, if it is in that format.</summary>
    internal DecodeStatus TryRead<T>(IFormatSource<T> source, in Envelope envelope, out T? value, out Exception? error)
    {
        value = default;
        error = null;
        if (envelope.IsEncrypted != (_keys is not null))
        {
            return DecodeStatus.Undecryptable;
        }

        try
        {
            var format = source.TypedFormat;
            if (format.Fingerprint != envelope.Fingerprint || !format.HasWritten(envelope))
            {
                return DecodeStatus.SchemaChanged;
            }

            if (envelope.IsEncrypted || envelope.IsCompressed)
            {
                return TryOpenAndRead(format, envelope, ref value);
            }

            value = format.Read(envelope.Payload, envelope.Form);
            return value is null ? DecodeStatus.Corrupt : DecodeStatus.Decoded;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            error = exception;
            return DecodeStatus.Corrupt;
        }
    }

    private static CacheSerializationException Failure<T>(T value, Exception exception)
    {
        var type = value?.GetType() ?? typeof(T);

        // The messages of others may quote the value.
        var loss = exception as JsonLossException;
        var reason = loss?.Reason ?? JsonFault.OfType(exception);
        return new(
            type,
            $"A value of type {type} cannot be written for a store{loss?.Because}. {reason} "
            + $"What also helps is a serializer of your own for the type ({nameof(SerializationOptions)}.{nameof(SerializationOptions.UseFor)}), "
            + $"or to keep the entry in memory alone ({nameof(CacheEntryOptions)}.{nameof(CacheEntryOptions.Tiers)}).",
            loss is { InnerException: { } cause } ? cause : exception);
    }

    /// <summary>Leaves bytes to be filled in later.</summary>
    private static void LeaveRoom(EncodedEntry entry, int length)
    {
        entry.GetSpan(length);
        entry.Advance(length);
    }

    /// <summary>Writes all of the header that is known before the payload.</summary>
    /// <returns>Where the payload begins.</returns>
    private static int WriteHeader(
        EncodedEntry entry, string key, ReadOnlySpan<byte> typeName, ReadOnlySpan<byte> contentTypeName, ReadOnlySpan<byte> serializerName, ulong fingerprint,
        EncryptionKey? encryption, in EntryMetadata metadata)
    {
        entry.GetSpan(Layout.HeaderLength)[..Layout.HeaderLength].Clear();
        entry.Advance(Layout.HeaderLength);
        var keyLength = entry.WriteText(key);
        if (keyLength > CacheKey.MaximumBytes)
        {
            throw new ArgumentException($"A cache key must be at most {CacheKey.MaximumBytes:N0} bytes of UTF-8, but has {keyLength:N0}.", nameof(key));
        }

        entry.Write(typeName);
        entry.Write(contentTypeName);
        entry.Write(serializerName);
        var keyId = encryption is null ? default : encryption.IdBytes.AsSpan();
        entry.Write(keyId);
        var tagsAt = entry.Length;
        var tags = metadata.Tags;
        var tagCount = tags.Count;
        if (tagCount > ushort.MaxValue)
        {
            throw new ArgumentException($"An entry can have at most {ushort.MaxValue:N0} tags, but has {tagCount:N0}.", nameof(metadata));
        }

        for (var i = 0; i < tagCount; i++)
        {
            WriteTag(entry, tags[i]);
        }

        var header = entry.Written;
        BinaryPrimitives.WriteUInt32LittleEndian(header[Layout.Magic..], Layout.MagicAndVersion);
        header[Layout.SerializerLength] = (byte)serializerName.Length;
        BinaryPrimitives.WriteUInt16LittleEndian(header[Layout.KeyLength..], (ushort)keyLength);
        BinaryPrimitives.WriteUInt16LittleEndian(header[Layout.TypeLength..], (ushort)typeName.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[Layout.ContentTypeLength..], (ushort)contentTypeName.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[Layout.TagCount..], (ushort)tagCount);
        BinaryPrimitives.WriteInt32LittleEndian(header[Layout.TagsLength..], entry.Length - tagsAt);
        header[Layout.KeyIdLength] = (byte)keyId.Length;
        BinaryPrimitives.WriteInt64LittleEndian(header[Layout.CreatedAt..], metadata.CreatedAt.UtcTicks);
        BinaryPrimitives.WriteInt64LittleEndian(header[Layout.ExpiresAt..], metadata.ExpiresAt.UtcTicks);
        BinaryPrimitives.WriteInt64LittleEndian(header[Layout.Sliding..], metadata.Sliding.Ticks);
        BinaryPrimitives.WriteInt64LittleEndian(header[Layout.StaleFor..], metadata.StaleFor.Ticks);
        BinaryPrimitives.WriteUInt64LittleEndian(header[Layout.Fingerprint..], fingerprint);
        return entry.Length;
    }

    private static void WriteTag(EncodedEntry entry, string tag)
    {
        var at = entry.Length;
        entry.GetSpan(sizeof(ushort));
        entry.Advance(sizeof(ushort));
        var length = entry.WriteText(tag);
        if (length > ushort.MaxValue)
        {
            throw new ArgumentException($"A tag must be at most {ushort.MaxValue:N0} bytes of UTF-8, but has {length:N0}.", nameof(tag));
        }

        BinaryPrimitives.WriteUInt16LittleEndian(entry.Written[at..], (ushort)length);
    }

    private static bool TryCompress(ref EncodedEntry entry, int plainAt, bool isSecret)
    {
        var plain = entry.Written[plainAt..];
        var most = plain.Length - 1 - (plain.Length / LeastSaving);
        var smaller = new EncodedEntry(plainAt + plain.Length, isSecret);
        smaller.Write(entry.Written[..plainAt]);
        if (most > 0 && EnvelopeCompression.TryCompress(plain, smaller.GetSpan(most)[..most], out var written))
        {
            smaller.Advance(written);
            entry.Dispose();
            entry = smaller;
            return true;
        }

        smaller.Dispose();
        return false;
    }

    /// <summary>Fills in what depends on the payload, encrypts, and sums up.</summary>
    private static void Seal(
        EncodedEntry entry, int payloadAt, EnvelopeFlags flags, PayloadForm form, int plainLength, EncryptionKey? encryption, long stamp)
    {
        var bytes = entry.Written;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[Layout.TotalLength..], bytes.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[Layout.Flags..], (ushort)flags);
        bytes[Layout.Form] = (byte)form;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[Layout.PlainLength..], plainLength);
        if (encryption is not null)
        {
            EnvelopeCipher.Encrypt(encryption, bytes[payloadAt..], bytes[Layout.Flags..payloadAt]);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(bytes[Layout.Sum..], EnvelopeSum.Of(bytes));
        EnvelopeSum.WriteStamp(bytes, stamp);
        entry.PayloadLength = bytes.Length - payloadAt;
    }

    private TypeCodec? Find(string name, Type asked) =>
        _types.Find(name) ?? (TypeFinder.Find(name, asked, _types) is { } type ? _types.OfRuntimeType(type) : null);

    private DecodeStatus TryOpenAndRead<T>(ValueFormat<T> format, in Envelope envelope, ref T? value)
    {
        byte[]? decrypted = null;
        byte[]? decompressed = null;
        try
        {
            var payload = envelope.Payload;
            if (envelope.IsEncrypted)
            {
                if (!TryDecrypt(envelope, out decrypted))
                {
                    return DecodeStatus.Undecryptable;
                }

                payload = decrypted.AsMemory(0, payload.Length - EnvelopeCipher.Overhead);
            }

            if (envelope.IsCompressed)
            {
                var length = envelope.PlainLength;
                if (length > _maximumDecompressedBytes)
                {
                    return DecodeStatus.Corrupt;
                }

                decompressed = ArrayPool<byte>.Shared.Rent(length);
                if (!EnvelopeCompression.TryDecompress(payload.Span, decompressed.AsSpan(0, length)))
                {
                    return DecodeStatus.Corrupt;
                }

                payload = decompressed.AsMemory(0, length);
            }

            if (payload.Length != envelope.PlainLength)
            {
                return DecodeStatus.Corrupt;
            }

            value = format.Read(payload, envelope.Form);
            return value is null ? DecodeStatus.Corrupt : DecodeStatus.Decoded;
        }
        finally
        {
            Return(decrypted, isSecret: true);
            Return(decompressed, isSecret: decrypted is not null);
        }
    }

    /// <summary>Decrypts into a rented buffer, which is to be given back in any case.</summary>
    private bool TryDecrypt(in Envelope envelope, out byte[] decrypted)
    {
        var length = envelope.Payload.Length - EnvelopeCipher.Overhead;
        decrypted = ArrayPool<byte>.Shared.Rent(length);
        return _keys is not null && EnvelopeCipher.TryDecrypt(_keys, envelope, decrypted.AsSpan(0, length));
    }

    /// <summary>A null has no payload to read, but encrypted it is authenticated all the same.</summary>
    private bool IsGenuineNull(in Envelope envelope)
    {
        if (envelope.IsEncrypted != (_keys is not null))
        {
            return false;
        }

        var isGenuine = true;
        if (envelope.IsEncrypted)
        {
            isGenuine = TryDecrypt(envelope, out var decrypted);
            Return(decrypted, isSecret: true);
        }

        return isGenuine;
    }

    private static void Return(byte[]? buffer, bool isSecret)
    {
        if (buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: isSecret);
        }
    }
}
