using CacheKit.Serialization;

namespace CacheKit.Tests.Serialization;

/// <summary>What one process does with envelopes: each instance knows only the types it was used with.</summary>
internal sealed class Codec(SerializationOptions? options = null)
{
    internal const string Key = "the key";

    private readonly EntryCodec _codec = new(options ?? new());

    internal byte[] Encode<T>(T value, EntryMetadata? metadata = null, bool? compress = null, string key = Key)
    {
        using var entry = _codec.Encode(key, value, metadata ?? new(), compress);
        return entry.Bytes.ToArray();
    }

    internal (DecodeStatus Status, DecodedValue Decoded, Exception? Error) Decode<T>(byte[] bytes, string key = Key)
    {
        EntryCodec.TryParse(bytes, key, out var envelope).Should().BeTrue("it was made for this key");
        var decoded = default(DecodedValue);
        var status = _codec.TryDecode<T, DecodedValue>(envelope, ref decoded, out var error);
        (decoded.StoredAs is not null).Should().Be(status == DecodeStatus.Decoded, "a value is handed over if there is one");
        return (status, decoded, error);
    }

    /// <summary>Reads a value that must be there.</summary>
    internal object? Read<T>(byte[] bytes)
    {
        var (status, decoded, error) = Decode<T>(bytes);
        status.Should().Be(DecodeStatus.Decoded, "{0}", error);
        return decoded.Value;
    }

    internal DecodeStatus StatusOf<T>(byte[] bytes) => Decode<T>(bytes).Status;

    /// <summary>Writes a value, and reads it in another process.</summary>
    internal static T RoundTrip<T>(T value, SerializationOptions? options = null)
    {
        var (status, decoded, error) = new Codec(options).Decode<T>(new Codec(options).Encode(value));
        status.Should().Be(DecodeStatus.Decoded, "{0}", error);
        decoded.StoredAs.Should().Be<T>();
        return (T)decoded.Value!; // null if it was
    }
}
