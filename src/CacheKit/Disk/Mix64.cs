using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CacheKit.Disk;

/// <summary>A seeded 64-bit hash of bytes, the same in every process: for keys, tags and checksums.</summary>
/// <remarks>
/// <para>Words are multiplied to 128 bits and folded, in four lanes that keep the multiplier busy. Every bit of the input reaches every bit of the result. It is
/// not cryptographic: what must resist chosen keys is seeded at random.</para>
/// <para>Of more than <see cref="Long"/> bytes, eight lanes of vectors first sum up what is left to fold: to each the product of the two halves of a word, under a key that changes with every
/// step, so that the order counts; and to its neighbour the word as it is, so that no change of a single one is lost where a half was zero. This is several times
/// faster, and the same on every machine, whatever vectors it has.</para>
/// <para>Words are read in the machine's byte order: files are not carried from one machine to another.</para>
/// </remarks>
internal static class Mix64
{
    private const ulong K0 = 0x9E37_79B9_7F4A_7C15;
    private const ulong K1 = 0xC3A5_C85C_97CB_3127;
    private const ulong K2 = 0xB492_B66F_BE98_F273;
    private const ulong K3 = 0x8CB9_2BA7_2F3D_8DD7;

    /// <summary>What is not longer is not worth the vectors.</summary>
    private const int Long = 256;

    internal static ulong Of(ReadOnlySpan<byte> bytes, ulong seed)
    {
        ref var start = ref MemoryMarshal.GetReference(bytes);
        var length = bytes.Length;
        var at = 0;
        var state = seed ^ K0;
        if (length > Long)
        {
            state = Sum(ref start, length, state);
            at = length & -64;
        }
        else if (length >= 64)
        {
            var (a, b, c, d) = (state, state ^ K1, state ^ K2, state ^ K3);
            do
            {
                a = Fold(Word(ref start, at) ^ K0, Word(ref start, at + 8) ^ a);
                b = Fold(Word(ref start, at + 16) ^ K1, Word(ref start, at + 24) ^ b);
                c = Fold(Word(ref start, at + 32) ^ K2, Word(ref start, at + 40) ^ c);
                d = Fold(Word(ref start, at + 48) ^ K3, Word(ref start, at + 56) ^ d);
                at += 64;
            }
            while (length - at >= 64);

            state = Fold(a ^ K1, b ^ K2) ^ Fold(c ^ K3, d ^ K0);
        }

        for (; length - at >= 16; at += 16)
        {
            state = Fold(Word(ref start, at) ^ K1, Word(ref start, at + 8) ^ state);
        }

        var (first, last) = (length - at) switch
        {
            >= 8 => (Word(ref start, at), Word(ref start, length - 8)),
            >= 4 => ((ulong)HalfWord(ref start, at), (ulong)HalfWord(ref start, length - 4)),
            > 0 and var rest => (bytes[at] | ((ulong)bytes[at + (rest >> 1)] << 8) | ((ulong)bytes[length - 1] << 16), 0UL),
            _ => (0UL, 0UL),
        };
        return Fold(Fold(first ^ K2, last ^ state) ^ K1, (ulong)length ^ K3);
    }

    /// <summary>Makes another hash from one.</summary>
    internal static ulong Of(ulong value, ulong seed) => Fold(Fold(value ^ K1, seed ^ K2) ^ K0, K3);

    /// <summary>Sums up all blocks of 64 bytes, and folds the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Sum(ref byte start, int length, ulong seed)
    {
        var (left, right) = (Vector256.Create(seed), Vector256.Create(~seed));
        var leftKey = left ^ Vector256.Create(K0, K1, K2, K3);
        var rightKey = right ^ Vector256.Create(K1, K3, K0, K2);
        var step = Vector256.Create(K3, K2, K1, K0);
        for (nuint at = 0, end = (nuint)(length & -64); at < end; at += 64)
        {
            var first = Vector256.LoadUnsafe(ref start, at).AsUInt64();
            var second = Vector256.LoadUnsafe(ref start, at + 32).AsUInt64();
            left += MultiplyHalves(first ^ leftKey) + second;
            right += MultiplyHalves(second ^ rightKey) + Vector256.Shuffle(first, Vector256.Create(1UL, 0, 3, 2));
            leftKey += step;
            rightKey -= step;
        }

        return Fold(left[0] ^ K0, left[1] ^ K1) ^ Fold(left[2] ^ K2, left[3] ^ K3)
            ^ Fold(right[0] ^ K1, right[1] ^ K2) ^ Fold(right[2] ^ K3, right[3] ^ K0);
    }

    /// <summary>Multiplies the lower half of each word by its upper half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> MultiplyHalves(Vector256<ulong> words) => Avx2.IsSupported
        ? Avx2.Multiply(words.AsUInt32(), (words >>> 32).AsUInt32())
        : (words & Vector256.Create((ulong)uint.MaxValue)) * (words >>> 32);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong left, ulong right) => Math.BigMul(left, right, out var low) ^ low;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ref byte start, int at) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint HalfWord(ref byte start, int at) => Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, at));
}
