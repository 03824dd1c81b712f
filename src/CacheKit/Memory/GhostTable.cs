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
    private readonly int _partLength;
    private readonly uint _evictionsPerStamp;
    private uint _evictions;
    private uint _stamp = 1;

    /// <param name="capacity">How many evictions a key is remembered for.</param>
    internal GhostTable(int capacity)
    {
        _parts = new uint[]?[capacity > MostUndivided ? 1 << PartBits : 1];
        _partShift = _parts.Length == 1 ? 32 : 32 - PartBits;
        _partLength = ((Math.Max(capacity, 1) - 1) / _parts.Length / Ways + 1) * Ways;
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

        var bucket = Bucket(hash, isToBeMade: true, out var fingerprint);
        if (bucket.IsEmpty)
        {
            return; // there was no memory for it
        }

        var oldest = 0;
        var oldestAge = -1;
        for (var way = 0; way < bucket.Length; way++)
        {
            var age = bucket[way] >> 16 == fingerprint ? int.MaxValue : bucket[way] == 0 ? int.MaxValue - 1 : Age(bucket[way]);
            if (age > oldestAge)
            {
                oldestAge = age;
                oldest = way;
            }
        }

        bucket[oldest] = fingerprint << 16 | _stamp;
    }

    /// <summary>Tells whether a key was evicted lately, and forgets it.</summary>
    internal bool Take(uint hash)
    {
        foreach (ref var ghost in Bucket(hash, isToBeMade: false, out var fingerprint))
        {
            if (ghost >> 16 == fingerprint)
            {
                var isYoung = Age(ghost) <= MaximumAge;
                ghost = 0;
                return isYoung;
            }
        }

        return false;
    }

    private int Age(uint ghost) => (int)(_stamp - ghost & 0xFFFF);

    private Span<uint> Bucket(uint hash, bool isToBeMade, out uint fingerprint)
    {
        var mixed = hash * 0xD6E8_FEB8_6659_FD93UL;
        fingerprint = (uint)(mixed >> 16 & 0xFFFF) | 1; // never 0, which marks an empty place
        var share = mixed >> 32;
        ref var part = ref _parts[share >> _partShift];
        if (part is null)
        {
            if (!isToBeMade || TryMake(_partLength) is not { } made)
            {
                return [];
            }

            part = made;
        }

        var bucket = (uint)(share << 32 - _partShift) * (ulong)(_partLength / Ways) >> 32;
        return part.AsSpan((int)bucket * Ways, Ways);
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
