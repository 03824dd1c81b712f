using System.Buffers;
using CacheKit.Memory;
using CacheKit.Serialization;

namespace CacheKit.Engine.Isolation;

/// <summary>Copies values through somebody's own serializer, whose exceptions are thrown as they are.</summary>
internal sealed class SerializingCopier<T>(FoundSerializer<T> serializer) : ValueCopier
{
    internal override object Capture(object value)
    {
        var buffer = new ArrayBufferWriter<byte>();
        serializer.Serialize((T)value, buffer);
        var bytes = buffer.WrittenSpan.ToArray();

        // Bytes that cannot be read are an error to who stores them, where it can be mended.
        Copy(bytes);
        return bytes;
    }

    internal override object Copy(object captured) =>
        serializer.Deserialize((byte[])captured) ?? throw new InvalidOperationException($"The serializer '{serializer.Name}' makes null of a {typeof(T)}.");
}
