using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Memory;

// The idea. A chained hash table whose nodes are the entries themselves: a hit costs the bucket, the entry and its key,
// and an entry costs a bucket and two fields. Readers take no lock and write nothing.
//
// What holds.
//  - A bucket belongs to one stripe at every size, since both are low bits of the hash. Links and hashes in a bucket
//    change only under its stripe's lock; the array and the hash function only under the locks of all stripes. Holding
//    any one of them therefore keeps the table from growing.
//  - An entry is published once, complete, by one release write. One that has left is never put again and its Next is
//    never touched: readers may stand on it, and go on from there into the living chain.
//  - A found entry needs no proof: its key is its proof. It was there at some instant during the search.
//  - Newcomers go to the head of a chain. A replacement takes the place of the old entry by one write; at the head it
//    would be missed by a reader who is past the head already and finds the old one gone.
//  - The table grows by relinking its entries, head of the old chain first, into chains of a new array. A new link then
//    always leads to an entry relinked before, an old one to an entry relinked later, and release order makes whoever
//    follows a new link see only new ones from there on. So readers always come to an end, but perhaps to the end of
//    the wrong chain: a hit is served while the table grows, a miss must be validated.
//  - A miss is true if, after the last read, no growth is under way and then the array is still the one the search began
//    with. In that order: the other way round a growth could complete in between. Otherwise the search is repeated
//    under the stripe's lock.
//  - The hash can change once, from the rules' to the runtime's, if a newcomer has to pass suspiciously many entries:
//    the same procedure as growth, with new hashes. From then on Find's first search fails, as it has the wrong hash,
//    and its miss is never taken for true, as the condition stays other than none: the second search knows the hash.
//    So hits do not pay for the possibility. Writers ask for the hash again once they have the lock.
//  - Count is one shared number, so that it is exact at every instant; it lies apart from what readers load.
//
// Scan goes through the buckets in order, and its position keeps the size of the array at the start of the round: one
// bucket of that size is every size-th bucket of a larger array. Nothing moves between them when the table grows.
//
// Lock order: the stripes in ascending order. Nothing is called under them, and growth begins after its insertion has
// released its own.
//
// Cost: expected one or two entries passed for each search; growth O(entries), during which writers and misses wait.
// Sources: the split of readers and striped writers is Lea's (java.util.concurrent.ConcurrentHashMap, 2004); moving
// shared nodes under readers follows Triplett, McKenney and Walpole, Resizable, Scalable, Concurrent Hash Tables via
// Relativistic Programming (USENIX ATC 2011), but validates misses instead of waiting for readers to leave.

/// <summary>The table of the memory tier. Readers take no lock; a hit allocates nothing and writes nothing.</summary>
/// <param name="expectedCount">How many entries to make room for at once, within reason; beyond that the table grows.</param>
internal sealed class EntryTable(int expectedCount = 0) : EntryTable<TableRules>(expectedCount);

/// <summary>The table by given rules; <see cref="EntryTable"/> is the one in use.</summary>
internal abstract class EntryTable<TRules> : IEntryTable
    where TRules : struct, ITableRules
{
    private const int FewestBuckets = 64;

    /// <summary>A cache with a huge bound may never fill: what it is given at once is half a megabyte.</summary>
    private const int MostBucketsAtOnce = 1 << 16;

    /// <summary>So that a scan's position, up to twice as large, leaves room for a mark.</summary>
    private const int MostBuckets = 1 << 29;

    private const int RehashedPosition = 1 << 30;

    private MemoryEntry?[] _buckets;
    private volatile Condition _condition;
    private readonly Stripes _stripes = new(most: FewestBuckets);

    private protected EntryTable(int expectedCount) =>
        _buckets = new MemoryEntry?[(int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(expectedCount, FewestBuckets, MostBucketsAtOnce))];

    [Flags]
    private enum Condition : byte
    {
        None = 0,
        Moving = 1,
        Rehashed = 2,
    }

    public int Count => Volatile.Read(ref _stripes.EntryCount);

    internal int BucketCount => Volatile.Read(ref _buckets).Length;

    /// <summary>Whether the hash of the rules was given up for the runtime's.</summary>
    internal bool IsRehashed => (_condition & Condition.Rehashed) != 0;

    public MemoryEntry? Find(string key)
    {
        var hash = TRules.Hash(key);
        var buckets = Volatile.Read(ref _buckets);
        if (Search(buckets, hash, key) is { } entry)
        {
            return entry;
        }

        // The hashes were read without order; they too must be older than what proves the miss.
        Volatile.ReadBarrier();
        return !TRules.ValidatesMisses || (_condition == Condition.None && ReferenceEquals(Volatile.Read(ref _buckets), buckets))
            ? null
            : FindAgain(key);
    }

    public MemoryEntry? Put(MemoryEntry entry)
    {
        Debug.Assert(!entry.HasLeft, "An entry that has left must not come back: readers may still stand on it.");
        while (true)
        {
            var isRehashed = IsRehashed;
            var hash = Hash(entry.Key, isRehashed);
            MemoryEntry?[] buckets;
            int count;
            var passed = 0;
            lock (_stripes.Of(hash))
            {
                if (IsRehashed != isRehashed)
                {
                    continue;
                }

                buckets = _buckets;
                ref var head = ref BucketOf(buckets, hash);
                ref var link = ref head;
                while (link is { } other)
                {
                    if (other.Hash == hash && AreEqual(other.Key, entry.Key))
                    {
                        entry.Hash = hash;
                        Replace(ref head, ref link, other, entry);
                        other.HasLeft = true;
                        return other;
                    }

                    passed++;
                    link = ref other.Next;
                }

                entry.Hash = hash;
                entry.Next = head;
                Volatile.Write(ref head, entry);
                count = Interlocked.Increment(ref _stripes.EntryCount);
            }

            if (count > buckets.Length)
            {
                Grow(buckets);
            }
            else if (passed > TRules.LongestWalk && !isRehashed)
            {
                Rehash();
            }

            return null;
        }
    }

    public bool Remove(MemoryEntry entry)
    {
        while (true)
        {
            var hash = Volatile.Read(ref entry.Hash);
            lock (_stripes.Of(hash))
            {
                if (entry.Hash != hash)
                {
                    continue; // the table was rehashed meanwhile
                }

                ref var link = ref BucketOf(_buckets, hash);
                while (link is { } other)
                {
                    if (ReferenceEquals(other, entry))
                    {
                        Volatile.Write(ref link, entry.Next);
                        entry.HasLeft = true;
                        Interlocked.Decrement(ref _stripes.EntryCount);
                        return true;
                    }

                    link = ref other.Next;
                }

                return false;
            }
        }
    }

    public void Scan(ref int position, int count, List<MemoryEntry> visited)
    {
        // Any stripe's lock keeps the table from growing; writers to the other stripes disturb a walk no more than they
        // disturb readers.
        lock (_stripes.Of(0))
        {
            var buckets = _buckets;
            var mark = IsRehashed ? RehashedPosition : 0;
            var isBegun = position != 0 && (position & RehashedPosition) == mark; // else all have moved: begin again
            var unmarked = position & ~RehashedPosition;
            var size = isBegun ? 1 << BitOperations.Log2((uint)unmarked) : buckets.Length;
            var index = isBegun ? unmarked - size : 0;

            // Empty buckets are work too.
            var most = Math.Max(1, visited.Count + (long)count);
            var last = Math.Min(size, index + (16L * Math.Max(1, count)));
            for (; index < last && visited.Count < most; index++)
            {
                for (var bucket = index; bucket < buckets.Length; bucket += size)
                {
                    for (var entry = Volatile.Read(ref buckets[bucket]); entry is not null; entry = Volatile.Read(ref entry.Next))
                    {
                        visited.Add(entry);
                    }
                }
            }

            position = index == size ? 0 : mark | size | index;
        }
    }

    public void Verify()
    {
        Check(_stripes.AreFree(), "A stripe's lock was never released.");

        var buckets = _buckets;
        Check((_condition & Condition.Moving) == 0, "The table still takes itself to be growing.");
        Check(BitOperations.IsPow2(buckets.Length) && buckets.Length >= _stripes.Count, "A bucket belongs to no single stripe.");
        Check(Count <= buckets.Length || buckets.Length == MostBuckets, "The table did not grow.");
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < buckets.Length; index++)
        {
            for (var entry = buckets[index]; entry is not null; entry = entry.Next)
            {
                Check(keys.Add(entry.Key), "A key is there twice, or a chain is a ring.");
                Check(entry.Hash == Hash(entry.Key, IsRehashed), "An entry's hash is not its key's.");
                Check((int)(entry.Hash & (uint)(buckets.Length - 1)) == index, "An entry is in a bucket that is not its own.");
                Check(!entry.HasLeft, "An entry that has left is still there.");
            }
        }

        Check(keys.Count == Count, $"The table holds {keys.Count} entries but counts {Count}.");

        static void Check(bool holds, string failure)
        {
            if (!holds)
            {
                throw new InvalidOperationException(failure);
            }
        }
    }

    /// <summary>For whatever is slower than <see cref="Find"/>; there the hash is compiled in place.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint Hash(string key, bool isRehashed) => isRehashed ? (uint)key.GetHashCode() : TRules.Hash(key);

    /// <summary>No check of bounds, as the index is masked; and none of the array's type, whose elements are not sealed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref MemoryEntry? BucketOf(MemoryEntry?[] buckets, uint hash) =>
        ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(buckets), (nint)(hash & (uint)(buckets.Length - 1)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static MemoryEntry? Search(MemoryEntry?[] buckets, uint hash, string key)
    {
        var entry = Volatile.Read(ref BucketOf(buckets, hash));
        while (entry is not null && !(entry.Hash == hash && AreEqual(entry.Key, key)))
        {
            entry = Volatile.Read(ref entry.Next);
        }

        return entry;
    }

    /// <remarks>Lengths are compared in place and unequal hashes never get here; string.Equals takes two calls more.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool AreEqual(string a, string b) => a.AsSpan().SequenceEqual(b);

    private static void Replace(ref MemoryEntry? head, ref MemoryEntry? link, MemoryEntry old, MemoryEntry entry)
    {
        if (TRules.ReplacesInPlace)
        {
            entry.Next = old.Next;
            Volatile.Write(ref link, entry);
            return;
        }

        var isHead = ReferenceEquals(head, old);
        entry.Next = head;
        Volatile.Write(ref head, entry);
        Volatile.Write(ref isHead ? ref entry.Next : ref link, old.Next);
    }

    /// <summary>The search for a key not found at once, while or after the table grew, or after it was rehashed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private MemoryEntry? FindAgain(string key)
    {
        while (true)
        {
            var isRehashed = IsRehashed;
            var hash = Hash(key, isRehashed);
            if (isRehashed)
            {
                var buckets = Volatile.Read(ref _buckets);
                if (Search(buckets, hash, key) is { } entry)
                {
                    return entry;
                }

                Volatile.ReadBarrier();
                if ((_condition & Condition.Moving) == 0 && ReferenceEquals(Volatile.Read(ref _buckets), buckets))
                {
                    return null;
                }
            }

            lock (_stripes.Of(hash))
            {
                if (IsRehashed == isRehashed)
                {
                    return Search(_buckets, hash, key);
                }
            }
        }
    }

    private void Grow(MemoryEntry?[] seen)
    {
        _stripes.EnterAll();
        try
        {
            if (ReferenceEquals(_buckets, seen) && seen.Length < MostBuckets)
            {
                MoveTo(new MemoryEntry?[2 * seen.Length], isRehash: false);
            }
        }
        catch (OutOfMemoryException)
        {
            // The entry is in; longer chains are slower but not wrong.
        }
        finally
        {
            _stripes.ExitAll();
        }
    }

    private void Rehash()
    {
        _stripes.EnterAll();
        try
        {
            if (!IsRehashed)
            {
                MoveTo(new MemoryEntry?[_buckets.Length], isRehash: true);
            }
        }
        catch (OutOfMemoryException)
        {
            // As above; the next long walk tries again.
        }
        finally
        {
            _stripes.ExitAll();
        }
    }

    /// <summary>Relinks all entries into a new array. The caller holds all stripes.</summary>
    private void MoveTo(MemoryEntry?[] buckets, bool isRehash)
    {
        var condition = _condition;
        _condition = condition | Condition.Moving;

        // Every write that a reader could notice is a release, and so comes after the one above.
        foreach (var head in _buckets)
        {
            var entry = head;
            while (entry is not null)
            {
                var next = entry.Next;
                if (isRehash)
                {
                    Volatile.Write(ref entry.Hash, Hash(entry.Key, isRehashed: true));
                }

                ref var newHead = ref BucketOf(buckets, entry.Hash);
                Volatile.Write(ref entry.Next, newHead);
                newHead = entry;
                entry = next;
            }
        }

        Volatile.Write(ref _buckets, buckets);
        _condition = isRehash ? Condition.Rehashed : condition;
    }
}
