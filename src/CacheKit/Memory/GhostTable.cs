using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CacheKit.Memory;

/// <summary>Remembers which keys were evicted lately, in four bytes per key.</summary>
/// <remarks>
/// Buckets of four; a ghost is 16 bits of the hash and a coarse stamp of its eviction. A full bucket gives up its oldest,
/// and one that is too old counts for nothing, so there is no queue to keep. Another key is mistaken for a ghost once in
/// some eight thousand looks, which lets it skip the window, and no more. A large table is in parts by the hash, each made with its first ghost.
/// </remarks>
internal sealed class GhostTable
{
    private const int Ways = 4;

    /// <summary>The age at which a ghost is forgotten, in units of the stamp: fine enough, and 1,000 of it go into 16 bits before stamps recur.</summary>
    private const int MaximumAge = 64;

    /// <summary>So many ghosts are made at once; of more, a part.</summary>
    private const int MostUndivided = 1 << 16;

    private const int PartBits = 6;

    private readonly uint[]?[] _parts;
    private readonly int _partShift;
    private readonly uint _partBuckets;
    private readonly uint _evictionsPerStamp;
    private uint _evictions;
    private uint _stamp = 1;

    /// <param name="capacity">How many evictions a key is remembered for.</param>
    internal GhostTable(int capacity)
    {
        _parts = new uint[]?[capacity > MostUndivided ? 1 << PartBits : 1];
        _partShift = _parts.Length == 1 ? 32 : 32 - PartBits;
        _partBuckets = (uint)((Math.Max(capacity, 1) - 1) / _parts.Length / Ways) + 1;
        _evictionsPerStamp = (uint)Math.Max(1, (capacity + MaximumAge - 1) / MaximumAge);
    }

    /// <summary>Notes an eviction.</summary>
    internal void Put(uint hash)
    {
        if (++_evictions >= _evictionsPerStamp)
        {
            _evictions = 0;
            _stamp = (_stamp + 1) & 0xFFFF;
        }

        ref var bucket = ref Bucket(hash, isToBeMade: true, out var fingerprint);
        if (Unsafe.IsNullRef(ref bucket))
        {
            return; // there was no memory for it
        }

        // Of the same key, or else an empty place, or else the oldest: without branches, which nobody could foretell.
        var ghosts = Vector128.LoadUnsafe(ref bucket);
        var ages = (Vector128.Create(_stamp) - ghosts) & Vector128.Create(0xFFFFu);
        ages = Vector128.ConditionalSelect(Vector128.Equals(ghosts, Vector128<uint>.Zero), Vector128.Create(0x1_0000u), ages);
        ages = Vector128.ConditionalSelect(Vector128.Equals(ghosts >> 16, Vector128.Create(fingerprint)), Vector128.Create(0x2_0000u), ages);
        var ranks = (ages << 2) | Vector128.Create(3u, 2u, 1u, 0u); // of equals the first
        ranks = Vector128.Max(ranks, Vector128.Shuffle(ranks, Vector128.Create(2u, 3u, 0u, 1u)));
        ranks = Vector128.Max(ranks, Vector128.Shuffle(ranks, Vector128.Create(1u, 0u, 3u, 2u)));
        Unsafe.Add(ref bucket, 3 - (ranks.ToScalar() & 3)) = fingerprint << 16 | _stamp;
    }

    /// <summary>Tells whether a key was evicted lately, and forgets it.</summary>
    internal bool Take(uint hash)
    {
        ref var bucket = ref Bucket(hash, isToBeMade: false, out var fingerprint);
        if (Unsafe.IsNullRef(ref bucket))
        {
            return false;
        }

        var matches = Vector128.Equals(Vector128.LoadUnsafe(ref bucket) >> 16, Vector128.Create(fingerprint)).ExtractMostSignificantBits();
        if (matches == 0)
        {
            return false;
        }

        ref var ghost = ref Unsafe.Add(ref bucket, BitOperations.TrailingZeroCount(matches));
        var isYoung = Age(ghost) <= MaximumAge;
        ghost = 0;
        return isYoung;
    }

    /// <summary>Has the processor fetch the places of a key that is about to be looked for. Without a lock.</summary>
    internal void Prefetch(uint hash)
    {
        ref var bucket = ref Bucket(hash, isToBeMade: false, out _);
        if (!Unsafe.IsNullRef(ref bucket))
        {
            Memory.Prefetch.Of(ref bucket);
        }
    }

    private int Age(uint ghost) => (int)(_stamp - ghost & 0xFFFF);

    /// <summary>The first place of a key's bucket; a null reference if there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref uint Bucket(uint hash, bool isToBeMade, out uint fingerprint)
    {
        var mixed = hash * 0xD6E8_FEB8_6659_FD93UL;
        fingerprint = (uint)(mixed >> 16 & 0xFFFF) | 1; // never 0, which marks an empty place
        var share = mixed >> 32;
        var part = _parts[share >> _partShift];
        if (part is null)
        {
            if (!isToBeMade || TryMake((int)_partBuckets * Ways) is not { } made)
            {
                return ref Unsafe.NullRef<uint>();
            }

            _parts[share >> _partShift] = part = made;
        }

        // Within the part, by its computation.
        var bucket = (uint)(share << 32 - _partShift) * (ulong)_partBuckets >> 32;
        return ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(part), (nint)bucket * Ways);
    }

    /// <summary>A change that is under way must not end halfway for want of memory that it can do without.</summary>
    private static uint[]? TryMake(int length)
    {
        try
        {
            return new uint[length];
        }
        catch (OutOfMemoryException)
        {
            return null;
        }
    }
}
