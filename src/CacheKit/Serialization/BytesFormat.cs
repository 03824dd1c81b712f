using System.Buffers;

namespace CacheKit.Serialization;

/// <summary>Bytes, in whatever they come; read into an array of their own.</summary>
internal sealed class BytesFormat<T>(Func<T, ReadOnlySequence<byte>> toBytes, Func<byte[], T> fromBytes) : RawFormat<T>
{
    protected override void WriteRaw(EncodedEntry target, T value)
    {
        foreach (var segment in toBytes(value))
        {
            target.Write(segment.Span);
        }
    }

    protected override T ReadRaw(ReadOnlySpan<byte> payload) => fromBytes(payload.ToArray());
}
