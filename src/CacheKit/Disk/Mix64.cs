using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Disk;

/// <summary>A seeded 64-bit hash of bytes, the same in every process: for keys, tags and checksums.</summary>
/// <remarks>
/// <para>Words are multiplied to 128 bits and folded; four lanes keep the multiplier busy, which makes it about as fast as
/// copying. Every bit of the input reaches every bit of the result. It is not cryptographic: what must resist chosen keys is seeded
/// at random.</para>
/// <para>Words are read in the machine's byte order: files are not carried from one machine to another.</para>
/// </remarks>
internal static class Mix64
{
    private const ulong K0 = 0x9E37_79B9_7F4A_7C15;
    private const ulong K1 = 0xC3A5_C85C_97CB_3127;
    private const ulong K2 = 0xB492_B66F_BE98_F273;
    private const ulong K3 = 0x8CB9_2BA7_2F3D_8DD7;

    internal static ulong Of(ReadOnlySpan<byte> bytes, ulong seed)
    {
        ref var start = ref MemoryMarshal.GetReference(bytes);
        var length = bytes.Length;
        var at = 0;
        var state = seed ^ K0;
        if (length >= 64)
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong left, ulong right) => Math.BigMul(left, right, out var low) ^ low;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ref byte start, int at) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint HalfWord(ref byte start, int at) => Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref start, at));
}
