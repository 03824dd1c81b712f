using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Serialization;

/// <summary>One number, in its own length, little-endian.</summary>
internal sealed class NumberFormat<T> : RawFormat<T>
    where T : unmanaged
{
    protected override void WriteRaw(EncodedEntry target, T value)
    {
        var span = target.GetSpan(Unsafe.SizeOf<T>())[..Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(span, value);
        if (!BitConverter.IsLittleEndian)
        {
            span.Reverse();
        }

        target.Advance(span.Length);
    }

    protected override T ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, Unsafe.SizeOf<T>());
        if (BitConverter.IsLittleEndian)
        {
            return MemoryMarshal.Read<T>(payload);
        }

        Span<byte> reversed = stackalloc byte[Unsafe.SizeOf<T>()];
        payload.CopyTo(reversed);
        reversed.Reverse();
        return MemoryMarshal.Read<T>(reversed);
    }
}

/// <summary>An array of numbers, one after the other.</summary>
internal sealed class ArrayFormat<T> : RawFormat<T[]>
    where T : unmanaged
{
    protected override void WriteRaw(EncodedEntry target, T[] value) => target.Write(MemoryMarshal.AsBytes(value.AsSpan()));

    protected override T[] ReadRaw(ReadOnlySpan<byte> payload)
    {
        CheckLength(payload, payload.Length / Unsafe.SizeOf<T>() * Unsafe.SizeOf<T>());
        if (payload.IsEmpty)
        {
            return [];
        }

        var array = GC.AllocateUninitializedArray<T>(payload.Length / Unsafe.SizeOf<T>());
        payload.CopyTo(MemoryMarshal.AsBytes(array.AsSpan()));
        return array;
    }
}

/// <summary>A number that is there; one that is not there is null, which the envelope tells.</summary>
internal sealed class NullableFormat<T>(ValueFormat<T> format) : ValueFormat<T?>
    where T : struct
{
    internal override bool Reads(PayloadForm form) => format.Reads(form);

    internal override PayloadForm Write(EncodedEntry target, T? value) => format.Write(target, value.GetValueOrDefault());

    internal override T? Read(ReadOnlyMemory<byte> payload, PayloadForm form) => format.Read(payload, form);
}
