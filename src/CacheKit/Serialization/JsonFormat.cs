using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CacheKit.Serialization;

/// <summary>Writes values of one type as JSON.</summary>
/// <remarks>
/// JSON loses silently what a type does not let it set. The first values of a type are therefore read back and written again before they are
/// stored: a difference is an error to the one who stores, where it can be mended, not a surprise to those who read. What JSON never shows,
/// such as private state and comparers, is beyond that check.
/// </remarks>
/// <typeparam name="T">The type, or <see cref="object"/> where it is known by <paramref name="typeInfo"/> alone.</typeparam>
internal sealed class JsonFormat<T>(JsonTypeInfo typeInfo, JsonWriters writers) : ValueFormat<T>
{
    private readonly JsonTypeInfo<T>? _typed = typeInfo as JsonTypeInfo<T>;
    private int _unchecked = 8;

    internal override ulong Fingerprint { get; } = SchemaFingerprint.OfJson(typeInfo);

    internal override bool Reads(PayloadForm form) => form == PayloadForm.Json;

    internal override PayloadForm Write(EncodedEntry target, T value)
    {
        var before = target.Length;
        WriteTo(target, value);
        if (Volatile.Read(ref _unchecked) > 0)
        {
            Check(value, target.Bytes.Span[before..]);
            Interlocked.Decrement(ref _unchecked);
        }

        return PayloadForm.Json;
    }

    internal override T Read(ReadOnlyMemory<byte> payload, PayloadForm form) => Read(payload.Span);

    private T Read(ReadOnlySpan<byte> json) =>
        (_typed is not null ? JsonSerializer.Deserialize(json, _typed) : (T?)JsonSerializer.Deserialize(json, typeInfo))
        ?? throw new JsonException($"JSON makes null of a {typeInfo.Type}.");

    private void WriteTo(EncodedEntry target, T value)
    {
        // A writer that was left in the middle by an exception is not used again.
        var writer = writers.Take(target);
        try
        {
            if (_typed is not null)
            {
                JsonSerializer.Serialize(writer, value, _typed);
            }
            else
            {
                JsonSerializer.Serialize(writer, value, typeInfo);
            }
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw JsonFault.OfWriting(exception, typeInfo, writer);
        }

        writer.Flush();
        writers.Return(writer);
    }

    private void Check(T value, ReadOnlySpan<byte> json)
    {
        T copy;
        try
        {
            copy = Read(json);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw JsonFault.OfReadingBack(exception, typeInfo);
        }

        if (copy!.GetType() != value!.GetType() && typeInfo.Type == value.GetType()) // neither is null
        {
            throw new JsonLossException($"It would come back from JSON as a {copy.GetType()}.");
        }

        // The third comparison is for what changes by itself, such as a property that tells an age.
        using var again = new EncodedEntry(json.Length, isSecret: true);
        WriteTo(again, copy);
        if (!JsonContract.IsSame(json, again.Bytes.Span))
        {
            using var third = new EncodedEntry(json.Length, isSecret: true);
            WriteTo(third, value);
            if (JsonContract.IsSame(json, third.Bytes.Span))
            {
                throw JsonDifference.Find(json, again.Bytes.Span, typeInfo);
            }
        }
    }
}
