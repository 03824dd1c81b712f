namespace CacheKit.Serialization;

/// <summary>How the values of one type are written as bytes, and what the envelope says of it.</summary>
internal abstract class ValueFormat
{
    /// <summary>The name of the user's serializer, in UTF-8; else empty.</summary>
    internal virtual ReadOnlySpan<byte> SerializerName => default;

    /// <summary>Stands for the shape of the type: another one cannot be read.</summary>
    internal virtual ulong Fingerprint => 0;

    internal abstract bool Reads(PayloadForm form);

    /// <summary>Whether an entry was written by this serializer, whatever shape its type had then.</summary>
    internal bool HasWritten(in Envelope envelope) => Reads(envelope.Form) && SerializerName.SequenceEqual(envelope.SerializerName);
}

/// <inheritdoc/>
/// <remarks>Values are never null. <see cref="Read"/> may throw whatever it likes at bytes it cannot read.</remarks>
internal abstract class ValueFormat<T> : ValueFormat
{
    internal abstract PayloadForm Write(EncodedEntry target, T value);

    internal abstract T Read(ReadOnlyMemory<byte> payload, PayloadForm form);
}
