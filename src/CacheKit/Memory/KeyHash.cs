using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace CacheKit.Memory;

/// <summary>Hashes keys so that nobody outside the process can find keys that clash. Values must never leave the process.</summary>
/// <remarks>
/// <para>Where the processor has AES: two lanes of 16-byte blocks, two rounds for each block, two more at the end.
/// One round for a block would leave a difference of one byte in one column, and the next block could cancel it without
/// knowledge of the secrets once in a hundred tries; after two it is spread over the whole state. The closing rounds are
/// needed because only 32 bits are kept: after two rounds alone they depend on a single byte of each column, and two
/// characters chosen to fall into one column would take 256 values between them, whatever the secrets. Two secrets do for all rounds, with their parts
/// exchanged between the lanes, so that a block is not the same in one as in the other: nobody sees a hash to find them out by. The length comes in after the blocks:
/// before them, a first character could make up for it.</para>
/// <para>Elsewhere: multiplication to 128 bits and folding, after Wang Yi's wyhash, but with all constants drawn at
/// random, since with the published ones a factor can be made zero and the rest of the key with it.</para>
/// <para>Neither has been cryptanalysed; the table watches the length of its chains and turns to the runtime's own
/// keyed hash, which is slower, if one grows too long.</para>
/// </remarks>
internal static class KeyHash
{
    // Not read-only: constants would be loaded anew for every round, variables are loaded once for all of them; and what a hit costs is for the most part how often it loads.
#pragma warning disable IDE0044 // Add readonly modifier: as said
    private static Vector128<ushort> _roundKeyP = RandomBlock();
    private static Vector128<ushort> _roundKeyQ = RandomBlock();
#pragma warning restore IDE0044

    // Static and read-only, so that compiled code holds them as constants.
    private static readonly ulong _secret0 = RandomNumber();
    private static readonly ulong _secret1 = RandomNumber();
    private static readonly ulong _secret2 = RandomNumber();
    private static readonly ulong _secret3 = RandomNumber();
    private static readonly ulong _secret4 = RandomNumber();

    internal static bool HasAes => X86Aes.IsSupported || ArmAes.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint Of(string key) => HasAes ? OfByAes(key) : OfByMultiplying(key);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint OfByAes(string key)
    {
        ref var start = ref KeyEquality.StartOf(key);
        var length = (nuint)(uint)key.Length;
        var (p, q) = (_roundKeyP, _roundKeyQ);
        var counted = Vector128.CreateScalar((ulong)length).AsUInt16();
        var a = p;
        if (length <= 8)
        {
            var (low, high) = ReadUpTo16(ref Unsafe.As<ushort, byte>(ref start), length * 2);
            a = Mix(a ^ Vector128.Create(low, high).AsUInt16(), q, p ^ counted);
        }
        else
        {
            // The last blocks overlap those before them, so that there is no remainder to treat apart.
            var b = q;
            nuint at = 0;
            if (length > 16)
            {
                do
                {
                    a = Mix(a ^ Vector128.LoadUnsafe(ref start, at), q, p);
                    b = Mix(b ^ Vector128.LoadUnsafe(ref start, at + 8), p, q);
                    at += 16;
                }
                while (length - at > 16);
                at = length - 16;
            }

            a = Mix(a ^ Vector128.LoadUnsafe(ref start, at), q, p);
            b = Mix(b ^ Vector128.LoadUnsafe(ref start, length - 8), p, q);
            a = Round(a, b ^ counted);
        }

        return Round(Round(a, p), q).AsUInt32().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint OfByMultiplying(string key)
    {
        ref var start = ref Unsafe.As<ushort, byte>(ref KeyEquality.StartOf(key));
        var size = (nuint)(uint)key.Length * sizeof(char);
        var state = _secret0;
        ulong low, high;
        if (size <= 16)
        {
            (low, high) = ReadUpTo16(ref start, size);
        }
        else
        {
            nuint at = 0;
            if (size > 48)
            {
                var second = state;
                var third = state;
                do
                {
                    state = Fold(Read8(ref start, at) ^ _secret1, Read8(ref start, at + 8) ^ state);
                    second = Fold(Read8(ref start, at + 16) ^ _secret2, Read8(ref start, at + 24) ^ second);
                    third = Fold(Read8(ref start, at + 32) ^ _secret3, Read8(ref start, at + 40) ^ third);
                    at += 48;
                }
                while (size - at > 48);
                state ^= second ^ third;
            }

            for (; size - at > 16; at += 16)
            {
                state = Fold(Read8(ref start, at) ^ _secret1, Read8(ref start, at + 8) ^ state);
            }

            low = Read8(ref start, size - 16);
            high = Read8(ref start, size - 8);
        }

        var top = Math.BigMul(low ^ _secret1, high ^ state, out var bottom);
        return (uint)Fold(bottom ^ _secret4 ^ size, top ^ _secret2);
    }

    /// <summary>All bytes of a short key, some of them twice: with the length, different keys give different pairs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (ulong Low, ulong High) ReadUpTo16(ref byte start, nuint size) => size switch
    {
        >= 8 => (Read8(ref start, 0), Read8(ref start, size - 8)),
        >= 4 => (Unsafe.ReadUnaligned<uint>(ref start), Unsafe.ReadUnaligned<uint>(ref Unsafe.AddByteOffset(ref start, size - 4))),
        // Of an empty key this is the terminator.
        _ => (Unsafe.ReadUnaligned<char>(ref start), 0),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Read8(ref byte start, nuint at) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref start, at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong a, ulong b) => Math.BigMul(a, b, out var low) ^ low;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Mix(Vector128<ushort> state, Vector128<ushort> first, Vector128<ushort> second) => Round(Round(state, first), second);

    /// <summary>One round of AES: substitute, shift rows, mix columns, add the round key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Round(Vector128<ushort> state, Vector128<ushort> roundKey) => X86Aes.IsSupported
        ? X86Aes.Encrypt(state.AsByte(), roundKey.AsByte()).AsUInt16()
        // ARM's instruction adds its key before the substitution instead of at the end.
        : ArmAes.MixColumns(ArmAes.Encrypt(state.AsByte(), Vector128<byte>.Zero)).AsUInt16() ^ roundKey;

    private static Vector128<ushort> RandomBlock() => Vector128.Create(RandomNumber(), RandomNumber()).AsUInt16();

    private static ulong RandomNumber()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes);
    }
}
