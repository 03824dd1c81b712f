using System.Numerics;

namespace CacheKit.Disk;

/// <summary>What a slot of the index holds in its 64 bits: <c>fingerprint | uses | size class | unit of the log</c>. Zero is an empty slot.</summary>
/// <remarks>
/// <para>The fingerprint is the top of the key's hash. Within a bucket it <em>is</em> the key: two keys that share it evict each other, and
/// replacing or removing needs no look at the file. The whole key in the record keeps this from giving a wrong answer.</para>
/// <para>Uses count to <see cref="MostUses"/>. One more means <em>pending</em>: a record that is written but not yet decided on, which
/// readers pass over.</para>
/// <para>The size class bounds the bytes of the record from above, so that one read fetches it: at most an eighth too large up to a page, a quarter above, a third at the upper end.</para>
/// <para>The unit is the record's address in the log in 16-byte steps, without its upper bits. They follow from the tail of the log: the
/// record is the last one there can be with this unit.</para>
/// </remarks>
internal readonly struct SlotFormat(int fingerprintBits, int unitBits)
{
    internal const int UnitBytes = 16;
    internal const int MostUses = 2;
    internal const int LargestRecord = 1 << 20;

    private const int SizeBits = 6;
    private const int UseBits = 2;
    private const int MostClasses = (1 << SizeBits) - 1;

    // Eight classes for each power of two up to a page, and four above.
    private const int SmallestPower = 8;
    private const int LargestFinePower = 12;
    private const int SmallestRecord = 1 << SmallestPower;
    private const int LargestFine = 1 << LargestFinePower;
    private const int FineClasses = (LargestFinePower - SmallestPower) * 8;

    private readonly int _fingerprintBits = fingerprintBits;
    private readonly int _sizeShift = unitBits;
    private readonly int _useShift = unitBits + SizeBits;
    private readonly int _fingerprintShift = unitBits + SizeBits + UseBits;
    private readonly ulong _unitMask = (1UL << unitBits) - 1;
    private readonly ulong _useMask = ((1UL << UseBits) - 1) << (unitBits + SizeBits);
    private readonly ulong _fingerprintMask = ((1UL << fingerprintBits) - 1) << (unitBits + SizeBits + UseBits);

    /// <summary>How far the log goes before units repeat.</summary>
    internal long AddressRange => (long)(_unitMask + 1) * UnitBytes;

    /// <summary>The key's part of a slot.</summary>
    internal ulong Fingerprint(ulong hash) => hash >> (64 - _fingerprintBits) << _fingerprintShift;

    internal ulong FingerprintOf(ulong slot) => slot & _fingerprintMask;

    internal bool IsOf(ulong slot, ulong fingerprint) => slot != 0 && (slot & _fingerprintMask) == fingerprint;

    /// <summary>A visible slot that has not been used yet.</summary>
    internal ulong Create(ulong fingerprint, long address, int recordBytes) =>
        fingerprint | ((ulong)SizeClass(recordBytes) << _sizeShift) | ((ulong)(address / UnitBytes) & _unitMask);

    internal bool IsPending(ulong slot) => (slot & _useMask) == _useMask;

    internal ulong AsPending(ulong slot) => slot | _useMask;

    internal int Uses(ulong slot) => (int)((slot & _useMask) >> _useShift);

    internal ulong WithUses(ulong slot, int uses) => (slot & ~_useMask) | ((ulong)uses << _useShift);

    /// <summary>Whether two slots point to the same record for the same key, used or not.</summary>
    internal bool IsSameRecord(ulong left, ulong right) => ((left ^ right) & ~_useMask) == 0;

    /// <summary>The address of the record, which lies before the tail.</summary>
    internal long Address(ulong slot, long tail)
    {
        var unit = slot & _unitMask;
        var tailUnit = (ulong)tail / UnitBytes;
        return (long)((tailUnit - ((tailUnit - unit) & _unitMask)) * UnitBytes);
    }

    /// <summary>The most bytes the record can have.</summary>
    internal int RecordBound(ulong slot) => Bound((int)(slot >> _sizeShift) & ((1 << SizeBits) - 1));

    private static int SizeClass(int bytes)
    {
        if (bytes <= SmallestRecord)
        {
            return 0;
        }

        // The highest bits of what is a byte less, counted on through the powers of two.
        var power = BitOperations.Log2((uint)bytes - 1);
        return bytes <= LargestFine
            ? ((bytes - 1) >> (power - 3)) - 7 + ((power - SmallestPower) * 8)
            : Math.Min(((bytes - 1) >> (power - 2)) - 3 + FineClasses + ((power - LargestFinePower) * 4), MostClasses);
    }

    private static int Bound(int sizeClass)
    {
        if (sizeClass <= FineClasses)
        {
            return (8 + (sizeClass & 7)) << (SmallestPower - 3 + (sizeClass >> 3));
        }

        // There is one class less than there would have to be: the last two are one.
        var coarse = sizeClass - FineClasses;
        return sizeClass == MostClasses ? LargestRecord : (4 + (coarse & 3)) << (LargestFinePower - 2 + (coarse >> 2));
    }
}
