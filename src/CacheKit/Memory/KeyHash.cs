using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
/// characters chosen to fall into one column would take 256 values between them, whatever the secrets.</para>
/// <para>Elsewhere: multiplication to 128 bits and folding, after Wang Yi's wyhash, but with all constants drawn at
/// random, since with the published ones a factor can be made zero and the rest of the key with it.</para>
/// <para>Neither has been cryptanalysed; the table watches the length of its chains and turns to the runtime's own
/// keyed hash, which is slower, if one grows too long.</para>
/// </remarks>
internal static class KeyHash
{
    // Static and read-only, so that compiled code holds them as constants.
    private static readonly Vector128<byte> _seedA = RandomBlock();
    private static readonly Vector128<byte> _seedB = RandomBlock();
    private static readonly Vector128<byte> _roundKeyA1 = RandomBlock();
    private static readonly Vector128<byte> _roundKeyA2 = RandomBlock();
    private static readonly Vector128<byte> _roundKeyB1 = RandomBlock();
    private static readonly Vector128<byte> _roundKeyB2 = RandomBlock();
    private static readonly Vector128<byte> _roundKeyEnd1 = RandomBlock();
    private static readonly Vector128<byte> _roundKeyEnd2 = RandomBlock();
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
        ref var start = ref Unsafe.As<char, byte>(ref MemoryMarshal.GetReference(key.AsSpan()));
        var size = (nuint)(uint)key.Length * sizeof(char);
        var a = _seedA ^ Vector128.CreateScalar((ulong)size).AsByte();
        if (size <= 16)
        {
            var (low, high) = ReadUpTo16(ref start, size);
            a = MixA(a ^ Vector128.Create(low, high).AsByte());
        }
        else
        {
            // The last blocks overlap those before them, so that there is no remainder to treat apart.
            var b = _seedB;
            nuint at = 0;
            if (size > 32)
            {
                do
                {
                    a = MixA(a ^ Vector128.LoadUnsafe(ref start, at));
                    b = MixB(b ^ Vector128.LoadUnsafe(ref start, at + 16));
                    at += 32;
                }
                while (size - at > 32);
                at = size - 32;
            }

            a = MixA(a ^ Vector128.LoadUnsafe(ref start, at));
            b = MixB(b ^ Vector128.LoadUnsafe(ref start, size - 16));
            a = Round(a, b);
        }

        return Round(Round(a, _roundKeyEnd1), _roundKeyEnd2).AsUInt32().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint OfByMultiplying(string key)
    {
        ref var start = ref Unsafe.As<char, byte>(ref MemoryMarshal.GetReference(key.AsSpan()));
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
    private static Vector128<byte> MixA(Vector128<byte> state) => Round(Round(state, _roundKeyA1), _roundKeyA2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> MixB(Vector128<byte> state) => Round(Round(state, _roundKeyB1), _roundKeyB2);

    /// <summary>One round of AES: substitute, shift rows, mix columns, add the round key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Round(Vector128<byte> state, Vector128<byte> roundKey) => X86Aes.IsSupported
        ? X86Aes.Encrypt(state, roundKey)
        // ARM's instruction adds its key before the substitution instead of at the end.
        : ArmAes.MixColumns(ArmAes.Encrypt(state, Vector128<byte>.Zero)) ^ roundKey;

    private static Vector128<byte> RandomBlock() => Vector128.Create(RandomNumber(), RandomNumber()).AsByte();

    private static ulong RandomNumber()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes);
    }
}
