using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Serialization;

/// <summary>A 64-bit sum that tells bytes that were damaged; not one that tells bytes that were forged.</summary>
/// <remarks>
/// Multiplication to 128 bits and folding, in four lanes that do not wait for each other, so that it costs about what reading the
/// bytes does. The result is part of the format: the same on every machine, and never to be changed.
/// </remarks>
internal static class Checksum
{
    /// <summary>The fewest bytes there must be.</summary>
    internal const int MinimumLength = 64;

    // The first digits of pi: numbers with nothing up their sleeve.
    private const ulong Secret0 = 0x243F6A8885A308D3;
    private const ulong Secret1 = 0x13198A2E03707344;
    private const ulong Secret2 = 0xA4093822299F31D0;
    private const ulong Secret3 = 0x082EFA98EC4E6C89;
    private const ulong Secret4 = 0x452821E638D01377;

    /// <summary>Sums up bytes.</summary>
    /// <param name="bytes">At least <see cref="MinimumLength"/>.</param>
    /// <param name="seed">What else the sum covers.</param>
    internal static ulong Of(ReadOnlySpan<byte> bytes, ulong seed)
    {
        Debug.Assert(bytes.Length >= MinimumLength, "The header alone is longer.");
        ref var start = ref MemoryMarshal.GetReference(bytes);
        var length = (nuint)bytes.Length;
        var a = seed ^ Secret0;
        var b = a ^ Secret1;
        var c = a ^ Secret2;
        var d = a ^ Secret3;
        nuint at = 0;
        do
        {
            a = Fold(Read(ref start, at) ^ Secret1, Read(ref start, at + 8) ^ a);
            b = Fold(Read(ref start, at + 16) ^ Secret2, Read(ref start, at + 24) ^ b);
            c = Fold(Read(ref start, at + 32) ^ Secret3, Read(ref start, at + 40) ^ c);
            d = Fold(Read(ref start, at + 48) ^ Secret4, Read(ref start, at + 56) ^ d);
            at += 64;
        }
        while (length - at >= 64);

        for (; length - at > 16; at += 16)
        {
            a = Fold(Read(ref start, at) ^ Secret1, Read(ref start, at + 8) ^ a);
        }

        // The last 16 bytes, some or all of which have been taken in before.
        b = Fold(Read(ref start, length - 16) ^ Secret2, Read(ref start, length - 8) ^ b);
        return Fold(Fold(a ^ Secret1, c ^ Secret3) ^ length, Fold(b ^ Secret2, d ^ Secret4) ^ Secret0);
    }

    /// <summary>Sums up a number under a seed.</summary>
    internal static ulong Of(ulong number, ulong seed) => Fold(Fold(number ^ Secret1, seed ^ Secret2) ^ Secret3, number ^ Secret4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Read(ref byte start, nuint at)
    {
        var number = Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref start, at));
        return BitConverter.IsLittleEndian ? number : BinaryPrimitives.ReverseEndianness(number);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong a, ulong b) => Math.BigMul(a, b, out var low) ^ low;
}
