using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CacheKit.Memory;

/// <summary>Compares keys that have the same length and the same hash, and so are expected to be equal; each method for other lengths.</summary>
/// <remarks>
/// In place and without a loop or a call: their beginnings and their ends, which overlap in the middle. Around a call, and around the runtime's own comparison
/// compiled in place, the search would keep on the stack what it works with; and what a hit costs is for the most part how often it loads something.
/// </remarks>
internal static class KeyEquality
{
    /// <summary>Of 16 to 32 characters.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool AreLongEqual(string a, string b, nuint length) => Vector256.IsHardwareAccelerated
        ? Vector256.LoadUnsafe(ref StartOf(a)) == Vector256.LoadUnsafe(ref StartOf(b))
            && Vector256.LoadUnsafe(ref StartOf(a), length - 16) == Vector256.LoadUnsafe(ref StartOf(b), length - 16)
        : AreMediumEqual(a, b, 16)
            && Vector128.LoadUnsafe(ref StartOf(a), length - 16) == Vector128.LoadUnsafe(ref StartOf(b), length - 16)
            && Vector128.LoadUnsafe(ref StartOf(a), length - 8) == Vector128.LoadUnsafe(ref StartOf(b), length - 8);

    /// <summary>Of 8 to 16 characters.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool AreMediumEqual(string a, string b, nuint length) =>
        Vector128.LoadUnsafe(ref StartOf(a)) == Vector128.LoadUnsafe(ref StartOf(b))
        && Vector128.LoadUnsafe(ref StartOf(a), length - 8) == Vector128.LoadUnsafe(ref StartOf(b), length - 8);

    /// <summary>Of at most 8 characters.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool AreShortEqual(string a, string b, nuint length) =>
        length >= 4 ? Read<ulong>(a, 0) == Read<ulong>(b, 0) && Read<ulong>(a, length - 4) == Read<ulong>(b, length - 4)
        : length >= 2 ? Read<uint>(a, 0) == Read<uint>(b, 0) && Read<uint>(a, length - 2) == Read<uint>(b, length - 2)
        : StartOf(a) == StartOf(b); // of empty ones these are the terminators

    /// <summary>The first character, or the terminator.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ref ushort StartOf(string key) => ref Unsafe.As<char, ushort>(ref Unsafe.AsRef(in key.GetPinnableReference()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Read<T>(string key, nuint at) => Unsafe.ReadUnaligned<T>(ref Unsafe.As<ushort, byte>(ref Unsafe.Add(ref StartOf(key), at)));
}
