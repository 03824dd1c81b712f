using System.Buffers;
using System.Text;

namespace CacheKit.Serialization;

/// <summary>Names of the users' serializers.</summary>
internal static class CustomFormat
{
    internal static void CheckName(string name, string parameter)
    {
        ArgumentException.ThrowIfNullOrEmpty(name, parameter);
        CacheKey.CheckText(name, "serializer's name", parameter);
        if (Encoding.UTF8.GetByteCount(name) > byte.MaxValue)
        {
            throw new ArgumentException($"A serializer's name must be at most {byte.MaxValue} bytes of UTF-8.", parameter);
        }
    }
}

/// <summary>Has the user's serializer do it.</summary>
internal sealed class CustomFormat<T>(string name, Action<T, IBufferWriter<byte>> serialize, Func<ReadOnlyMemory<byte>, T> deserialize) : ValueFormat<T>
{
    private readonly byte[] _name = Encoding.UTF8.GetBytes(name);

    internal CustomFormat(ICacheSerializer serializer)
        : this(serializer.Name, serializer.Serialize, serializer.Deserialize<T>)
    {
    }

    internal override ReadOnlySpan<byte> SerializerName => _name;

    internal override ulong Fingerprint { get; } = SchemaFingerprint.OfType(typeof(T));

    internal override bool Reads(PayloadForm form) => form == PayloadForm.Custom;

    internal override PayloadForm Write(EncodedEntry target, T value)
    {
        serialize(value, target);
        return PayloadForm.Custom;
    }

    internal override T Read(ReadOnlyMemory<byte> payload, PayloadForm form) => deserialize(payload);
}
