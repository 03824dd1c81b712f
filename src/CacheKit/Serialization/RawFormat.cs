namespace CacheKit.Serialization;

/// <summary>Writes values of one type as they are.</summary>
internal abstract class RawFormat<T> : ValueFormat<T>
{
    internal sealed override bool Reads(PayloadForm form) => form == PayloadForm.Raw;

    internal sealed override PayloadForm Write(EncodedEntry target, T value)
    {
        WriteRaw(target, value);
        return PayloadForm.Raw;
    }

    internal sealed override T Read(ReadOnlyMemory<byte> payload, PayloadForm form) => ReadRaw(payload.Span);

    protected abstract void WriteRaw(EncodedEntry target, T value);

    protected abstract T ReadRaw(ReadOnlySpan<byte> payload);

    /// <summary>Throws unless there are as many bytes as there must be.</summary>
    protected static void CheckLength(ReadOnlySpan<byte> payload, int length)
    {
        if (payload.Length != length)
        {
            throw new InvalidDataException($"A {typeof(T)} has {length} bytes, not {payload.Length}.");
        }
    }
}
