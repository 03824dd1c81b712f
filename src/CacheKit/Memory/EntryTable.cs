using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CacheKit.Memory;

// The idea. A chained hash table whose nodes are the entries themselves: a hit costs the bucket, the entry and its key,
// and an entry costs a bucket and two fields. Readers take no lock and write nothing; there is one writer at a time.
// The table is in 64 segments, by the low bits of the hash, each with an array of buckets of its own, which doubles when
// it is full: so no insertion waits for more than a sixty-fourth of the entries to be moved. When a segment has become nearly
// empty, whoever keeps the table up has it shrink.
//
// What holds.
//  - An entry is published once, complete, by one release write. One that has left is never put again and its Next is
//    never touched: readers may stand on it, and go on from there into the living chain.
//  - A found entry needs no proof: its key is its proof. It was there at some instant during the search.
//  - Newcomers go to the head of a chain. A replacement takes the place of the old entry by one write; at the head it
//    would be missed by a reader who is past the head already and finds the old one gone.
//  - A segment grows by relinking its entries, head of the old chain first, into chains of a new array. A new link then
//    always leads to an entry relinked before, an old one to an entry relinked later, and release order makes whoever
//    follows a new link see only new ones from there on. So readers always come to an end, but perhaps to the end of
//    the wrong chain: a hit is served while the segment grows, a miss must be validated. All of it holds of a segment that
//    shrinks as well, where several old chains become one: only the order in which entries are relinked matters.
//  - Beside each bucket is a byte of tags: for each entry in it one bit of seven, by its hash. Who looks for a key whose tag is not there has missed
//    without touching an entry: entries that nobody has read for long are fetched for few of the misses, and so are those that share a
//    bucket with one that leaves. The eighth bit says that entries have a tag in common; only then the rest of the chain is looked through
//    to know which tags remain when one is taken out.
//  - A tag is there before its entry is, and as long as an entry with it is in the bucket. So a missing tag proves what the end of a chain
//    proves, and must be validated alike. A segment's new tags are there before its new buckets, and a search reads the buckets' array first:
//    if that is still the one when the miss is validated, the tags that were read were those that go with it. So the bucket's number, by the size
//    of the array, may be taken for the tags as well, provided it is within them.
//  - A miss is true if, after the last read, the segment is not growing and then its array is still the one the search began
//    with. In that order: the other way round a growth could complete in between. Otherwise the search is repeated
//    under the lock that growth takes.
//  - The hash can change once, from the rules' to the runtime's, if a newcomer has to pass suspiciously many entries:
//    the same procedure as growth, of all segments and with new hashes. From then on Find's first search fails, as it has
//    the wrong hash, and its miss is never taken for true: the second search knows the hash. So hits do not pay for the
//    possibility.
//  - Count is one number, so that it is exact at every instant; it lies apart from what readers load.
//
// Scan goes through the segments and their buckets in order, and its position keeps the size that they have at the start of
// the round: one bucket of that size is every size-th bucket of a larger array. Nothing moves between them when a segment
// grows, and a round comes to its end however fast the table does. A segment that has shrunk below that size meanwhile is begun again.
// It holds the lock of growth; other writes disturb it no more than they disturb a search.
//
// Cost: expected one or two entries passed for each search that finds something, and none as a rule for one that does not; growth O(entries / 64), during which misses in that segment wait.
// Sources: readers without locks beside a writer are Lea's (java.util.concurrent.ConcurrentHashMap, 2004); moving
// shared nodes under readers follows Triplett, McKenney and Walpole, Resizable, Scalable, Concurrent Hash Tables via
// Relativistic Programming (USENIX ATC 2011), but validates misses instead of waiting for readers to leave.

/// <summary>The table of the memory tier. Readers take no lock; a hit allocates nothing and writes nothing.</summary>
/// <param name="expectedCount">How many entries to make room for at once, within reason; beyond that the table grows.</param>
internal sealed class EntryTable(int expectedCount = 0) : EntryTable<TableRules>(expectedCount);

/// <summary>The table by given rules; <see cref="EntryTable"/> is the one in use.</summary>
internal abstract class EntryTable<TRules> : IEntryTable
    where TRules : struct, ITableRules
{
    internal const int Segments = 1 << SegmentBits;

    private const int SegmentBits = 6;

    /// <summary>A cache with a huge bound may never fill: what it is given at once is half a megabyte.</summary>
    private const int MostBucketsAtOnce = 1 << 16;

    private const int MostBuckets = 1 << (30 - SegmentBits);

    /// <summary>A segment shrinks when it has so many times as many buckets as entries; it then has at least two for each, and is far from growing again.</summary>
    private const int SparseFactor = 8;

    /// <summary>The tag that says that two entries of the bucket have the same.</summary>
    private const int Shared = 1 << Tags;

    private const int Tags = 7;

    private const int None = -1;
    private const int All = Segments;

    private SegmentArray _segments; // set by growth alone
    private readonly int[] _counts = new int[Segments];
    private readonly Lock _growth = new();

    /// <summary>The size that a segment began with, and keeps at least.</summary>
    private readonly int _leastSize;

    /// <summary>The segment that is growing, <see cref="All"/> while they are rehashed, else <see cref="None"/>.</summary>
    private volatile int _moving = None;
    private volatile bool _isRehashed;
    private PaddedCount _count;

    private protected EntryTable(int expectedCount)
    {
        var buckets = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(expectedCount, Segments, MostBucketsAtOnce));
        _leastSize = buckets / Segments;
        for (var segment = 0; segment < Segments; segment++)
        {
            _segments[segment].Buckets = new MemoryEntry?[_leastSize];
            _segments[segment].Tags = new byte[_leastSize];
        }
    }

    public int Count => Volatile.Read(ref _count.Value);

    internal int BucketCount
    {
        get
        {
            var count = 0;
            foreach (var segment in _segments)
            {
                count += segment.Buckets.Length;
            }

            return count;
        }
    }

    /// <summary>Whether the hash of the rules was given up for the runtime's.</summary>
    internal bool IsRehashed => _isRehashed;

    public MemoryEntry? Find(string key) => Find(this, key);

    /// <summary>The same for who knows that there is a table, and need not have that checked.</summary>
    /// <remarks>
    /// Compiled by itself, once for all types of values, so that it finds registers for all it works with; whatever is rare goes on elsewhere.
    /// </remarks>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static MemoryEntry? Find(EntryTable<TRules> table, string key)
    {
        var hash = TRules.Hash(key);
        ref var segment = ref table.SegmentOf(hash);
        var buckets = Volatile.Read(ref segment.Buckets);
        var tags = Volatile.Read(ref segment.Tags);
        var bucket = hash >> SegmentBits & (uint)(buckets.Length - 1);

        // Tags of another length go with an array that was not there yet: if they hide an entry, that is found out like any other miss that is not true.
        if (bucket >= (uint)tags.Length || (Volatile.Read(ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(tags), bucket)) & TagOf(hash)) != 0)
        {
            ref var head = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(buckets), bucket);
            for (var entry = Volatile.Read(ref head); entry is not null; entry = Volatile.Read(ref entry.Next))
            {
                if (entry.Hash != hash || entry.Key is var other && other.Length != key.Length)
                {
                    continue;
                }

                var length = (nuint)(uint)key.Length;
                if (length > 16)
                {
                    if (length > 32)
                    {
                        return table.FindLong(key, hash, buckets);
                    }

                    if (KeyEquality.AreLongEqual(other, key, length))
                    {
                        return entry;
                    }
                }
                else if (length >= 8)
                {
                    if (KeyEquality.AreMediumEqual(other, key, length))
                    {
                        return entry;
                    }
                }
                else if (KeyEquality.AreShortEqual(other, key, length))
                {
                    return entry;
                }
            }
        }

        // The hashes were read without order; they too must be older than what proves the miss.
        Volatile.ReadBarrier();
        return !TRules.ValidatesMisses || table.IsTrueMiss(hash, buckets) ? null : table.FindAgain(key);
    }

    /// <summary>The search for a key that the runtime's comparison is best for; of the same buckets.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private MemoryEntry? FindLong(string key, uint hash, MemoryEntry?[] buckets)
    {
        if (Search(buckets, hash, key) is { } entry)
        {
            return entry;
        }

        Volatile.ReadBarrier(); // as in Find
        return !TRules.ValidatesMisses || IsTrueMiss(hash, buckets) ? null : FindAgain(key);
    }

    /// <summary>Whether there is no entry that a search of these buckets, by the hash of the rules, has not come upon.</summary>
    private bool IsTrueMiss(uint hash, MemoryEntry?[] buckets) =>
        !IsMoving(hash) && !_isRehashed && ReferenceEquals(Volatile.Read(ref SegmentOf(hash).Buckets), buckets);

    public void Expect(uint hash) => Prefetch.Of(ref BucketOf(Volatile.Read(ref SegmentOf(hash).Buckets), hash));

    public MemoryEntry? Prepare(MemoryEntry entry)
    {
        while (true)
        {
            if (entry.Hash == 0 || _isRehashed)
            {
                entry.Hash = Hash(entry.Key, _isRehashed);
            }

            var hash = entry.Hash;
            if (!MayHold(hash))
            {
                return null;
            }

            var passed = 0;
            var other = BucketOf(SegmentOf(hash).Buckets, hash);
            while (other is not null && !(other.Hash == hash && AreEqual(other.Key, entry.Key)))
            {
                passed++;
                other = other.Next;
            }

            if (other is not null || passed <= TRules.LongestWalk || _isRehashed || !TryRehash())
            {
                return other;
            }
        }
    }

    public void Add(MemoryEntry entry)
    {
        Debug.Assert(!entry.HasLeft, "An entry that has left must not come back: readers may still stand on it.");
        var hash = entry.Hash;
        var buckets = SegmentOf(hash).Buckets;
        ref var head = ref BucketOf(buckets, hash);
        AddTag(SegmentOf(hash).Tags, hash);
        entry.Next = head;
        Volatile.Write(ref head, entry);
        Volatile.Write(ref _count.Value, _count.Value + 1);

        // By a quarter more than buckets: with as many, segments that chance has filled a little sooner would double for nothing.
        if (++_counts[hash & (Segments - 1)] is var count && count > buckets.Length + (buckets.Length / 4))
        {
            Grow((int)(hash & (Segments - 1)));
        }
    }

    public void Replace(MemoryEntry old, MemoryEntry entry)
    {
        Debug.Assert(!entry.HasLeft, "An entry that has left must not come back: readers may still stand on it.");
        ref var head = ref BucketOf(SegmentOf(entry.Hash).Buckets, entry.Hash);
        ref var link = ref head;
        while (!ReferenceEquals(link, old))
        {
            link = ref link!.Next; // the old entry is in this chain
        }

        if (TRules.ReplacesInPlace)
        {
            entry.Next = old.Next;
            Volatile.Write(ref link, entry);
        }
        else
        {
            var isHead = ReferenceEquals(head, old);
            entry.Next = head;
            Volatile.Write(ref head, entry);
            Volatile.Write(ref isHead ? ref entry.Next : ref link, old.Next);
        }

        old.HasLeft = true;
    }

    public bool Remove(MemoryEntry entry)
    {
        var hash = entry.Hash;
        ref var head = ref BucketOf(SegmentOf(hash).Buckets, hash);
        ref var link = ref head;
        while (link is { } other)
        {
            if (ReferenceEquals(other, entry))
            {
                Volatile.Write(ref link, entry.Next);
                ref var tags = ref TagsOf(SegmentOf(hash).Tags, hash);
                tags = (byte)((tags & Shared) == 0 || !TRules.MindsSharedTags ? tags & ~TagOf(hash) : TagsOfChain(head));
                entry.HasLeft = true;
                _counts[hash & (Segments - 1)]--;
                Volatile.Write(ref _count.Value, _count.Value - 1);
                return true;
            }

            link = ref other.Next;
        }

        return false;
    }

    public void Scan(ref long position, int count, List<MemoryEntry> visited)
    {
        lock (_growth)
        {
            var at = new ScanPosition(position);
            if (at.IsRehashed != _isRehashed)
            {
                at = new ScanPosition { IsRehashed = _isRehashed }; // all have moved: begin again
            }

            at.Most = at.Most == 0 ? _segments[0].Buckets.Length : at.Most;

            // Empty buckets are work too.
            var most = Math.Max(1, visited.Count + (long)count);
            var buckets = 16L * Math.Max(1, count);
            while (at.Segment < Segments && visited.Count < most && buckets > 0)
            {
                var segment = _segments[at.Segment].Buckets;
                at.Size = at.Size == 0 ? Math.Min(segment.Length, at.Most) : at.Size;
                if (at.Size > segment.Length)
                {
                    // What was still to come may lie among what has been gone through.
                    at.Size = segment.Length;
                    at.Index = 0;
                }

                for (; at.Index < at.Size && visited.Count < most && buckets > 0; at.Index++, buckets--)
                {
                    for (var bucket = at.Index; bucket < segment.Length; bucket += at.Size)
                    {
                        for (var entry = Volatile.Read(ref segment[bucket]); entry is not null; entry = Volatile.Read(ref entry.Next))
                        {
                            visited.Add(entry);
                        }
                    }
                }

                if (at.Index == at.Size)
                {
                    at = new ScanPosition { IsRehashed = at.IsRehashed, Most = at.Most, Segment = at.Segment + 1 };
                }
            }

            position = at.Segment == Segments ? 0 : at.ToInt64();
        }
    }

    public bool TrimExcess()
    {
        for (var number = 0; number < Segments; number++)
        {
            var (count, size) = (_counts[number], _segments[number].Buckets.Length);
            if (size > _leastSize && count < size / SparseFactor)
            {
                return Resize(number, (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(2 * count, _leastSize)));
            }
        }

        return false;
    }

    public void Verify()
    {
        Check(_growth.TryEnter(TimeSpan.FromSeconds(10)), "The lock of growth was never released.");
        _growth.Exit();
        Check(_moving == None, "The table still takes itself to be growing.");
        var keys = new HashSet<string>(StringComparer.Ordinal);
        for (var number = 0; number < Segments; number++)
        {
            var buckets = _segments[number].Buckets;
            Check(BitOperations.IsPow2(buckets.Length), "A segment's size is no power of two.");
            Check(_counts[number] <= buckets.Length + (buckets.Length / 4) || buckets.Length == MostBuckets, "A segment did not grow.");
            Check(_segments[number].Tags.Length == buckets.Length, "A segment has not as many tags as buckets.");
            var before = keys.Count;
            for (var index = 0; index < buckets.Length; index++)
            {
                var tags = 0;
                for (var entry = buckets[index]; entry is not null; entry = entry.Next)
                {
                    Check(keys.Add(entry.Key), "A key is there twice, or a chain is a ring.");
                    Check(entry.Hash == Hash(entry.Key, _isRehashed), "An entry's hash is not its key's.");
                    Check((int)(entry.Hash & (Segments - 1)) == number, "An entry is in a segment that is not its own.");
                    Check((int)(entry.Hash >> SegmentBits & (uint)(buckets.Length - 1)) == index, "An entry is in a bucket that is not its own.");
                    Check(!entry.HasLeft, "An entry that has left is still there.");
                    tags = WithTag(tags, entry.Hash);
                }

                Check(_segments[number].Tags[index] == tags, "A bucket's tags are not those of its entries.");
            }

            Check(keys.Count - before == _counts[number], $"A segment holds {keys.Count - before} entries but counts {_counts[number]}.");
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

    /// <summary>For whatever is slower than <see cref="Find(string)"/>; there the hash is compiled in place.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint Hash(string key, bool isRehashed) => isRehashed ? (uint)key.GetHashCode() : TRules.Hash(key);

    // No check of bounds, as the index is masked; and none of the array's type.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Segment SegmentOf(uint hash) =>
        ref Unsafe.Add(ref Unsafe.As<SegmentArray, Segment>(ref _segments), hash & (Segments - 1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref MemoryEntry? BucketOf(MemoryEntry?[] buckets, uint hash) =>
        ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(buckets), (nint)(hash >> SegmentBits & (uint)(buckets.Length - 1)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref byte TagsOf(byte[] tags, uint hash) =>
        ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(tags), (nint)(hash >> SegmentBits & (uint)(tags.Length - 1)));

    /// <summary>Whether the bucket of a hash has its tag: if not, no key with this hash is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool MayHold(uint hash) => (Volatile.Read(ref TagsOf(Volatile.Read(ref SegmentOf(hash).Tags), hash)) & TagOf(hash)) != 0;

    /// <remarks>By the upper bits, which differ between the entries of one bucket unless a segment is huge.</remarks>
    private static int TagOf(uint hash) => 1 << (int)((hash >> 16) * Tags >> 16);

    private static int WithTag(int tags, uint hash) => TagOf(hash) is var tag && (tags & tag) == 0 ? tags | tag : tags | Shared;

    private static void AddTag(byte[] segmentTags, uint hash)
    {
        ref var tags = ref TagsOf(segmentTags, hash);
        tags = (byte)WithTag(tags, hash);
    }

    private static int TagsOfChain(MemoryEntry? entry)
    {
        var tags = 0;
        for (; entry is not null; entry = entry.Next)
        {
            tags = WithTag(tags, entry.Hash);
        }

        return tags;
    }

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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsMoving(uint hash) => _moving is var moving && moving != None && (moving == All || moving == (int)(hash & (Segments - 1)));

    /// <summary>The search for a key not found at once, while or after its segment grew, or after the table was rehashed.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private MemoryEntry? FindAgain(string key)
    {
        while (true)
        {
            var isRehashed = _isRehashed;
            var hash = Hash(key, isRehashed);
            if (isRehashed)
            {
                var buckets = Volatile.Read(ref SegmentOf(hash).Buckets);
                if (Search(buckets, hash, key) is { } entry)
                {
                    return entry;
                }

                Volatile.ReadBarrier();
                if (!IsMoving(hash) && ReferenceEquals(Volatile.Read(ref SegmentOf(hash).Buckets), buckets))
                {
                    return null;
                }
            }

            lock (_growth)
            {
                if (_isRehashed == isRehashed)
                {
                    return Search(SegmentOf(hash).Buckets, hash, key);
                }
            }
        }
    }

    private void Grow(int number)
    {
        var size = _segments[number].Buckets.Length;
        if (size < MostBuckets)
        {
            Resize(number, 2 * size);
        }
    }

    /// <summary>Gives a segment an array of another size.</summary>
    private bool Resize(int number, int size)
    {
        var old = _segments[number].Buckets;
        MemoryEntry?[] buckets;
        byte[] tags;
        try
        {
            buckets = new MemoryEntry?[size];
            tags = new byte[size];
        }
        catch (OutOfMemoryException)
        {
            return false; // longer chains are slower but not wrong, and room that is too much is no worse
        }

        lock (_growth)
        {
            _moving = number;

            // Every write that a reader could notice is a release, and so comes after the one above.
            foreach (var head in old)
            {
                for (var entry = head; entry is not null;)
                {
                    entry = MoveTo(buckets, tags, entry);
                }
            }

            Volatile.Write(ref _segments[number].Tags, tags); // before the buckets
            Volatile.Write(ref _segments[number].Buckets, buckets);
            _moving = None;
        }

        return true;
    }

    /// <summary>Gives every entry the runtime's hash and the place that goes with it.</summary>
    private bool TryRehash()
    {
        var segments = new MemoryEntry?[Segments][];
        var tags = new byte[Segments][];
        try
        {
            // Where the entries will come to lie, nobody knows; there is room for all as if they spread evenly.
            var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(Count / Segments, BucketCount / Segments));
            for (var number = 0; number < Segments; number++)
            {
                segments[number] = new MemoryEntry?[size];
                tags[number] = new byte[size];
            }
        }
        catch (OutOfMemoryException)
        {
            return false; // as above; the next long walk tries again
        }

        lock (_growth)
        {
            _moving = All;
            Array.Clear(_counts);
            foreach (var old in _segments)
            {
                foreach (var head in old.Buckets)
                {
                    for (var entry = head; entry is not null;)
                    {
                        var hash = Hash(entry.Key, isRehashed: true);
                        Volatile.Write(ref entry.Hash, hash);
                        _counts[hash & (Segments - 1)]++;
                        entry = MoveTo(segments[hash & (Segments - 1)], tags[hash & (Segments - 1)], entry);
                    }
                }
            }

            // Before the arrays: who finds a new one must know that its hash is another.
            _isRehashed = true;
            for (var number = 0; number < Segments; number++)
            {
                Volatile.Write(ref _segments[number].Tags, tags[number]);
                Volatile.Write(ref _segments[number].Buckets, segments[number]);
            }

            _moving = None;
        }

        for (var number = 0; number < Segments; number++)
        {
            while (_counts[number] > _segments[number].Buckets.Length + (_segments[number].Buckets.Length / 4) && _segments[number].Buckets.Length < MostBuckets)
            {
                Grow(number);
            }
        }

        return true;
    }

    /// <summary>Links an entry into a bucket of a new array; gives the one that came after it in the old chain.</summary>
    private static MemoryEntry? MoveTo(MemoryEntry?[] buckets, byte[] tags, MemoryEntry entry)
    {
        var next = entry.Next;
        AddTag(tags, entry.Hash);
        ref var head = ref BucketOf(buckets, entry.Hash);
        Volatile.Write(ref entry.Next, head);
        head = entry;
        return next;
    }

    /// <summary>The buckets of a segment and the tags of each; the two arrays are as long as each other.</summary>
    private struct Segment
    {
        internal MemoryEntry?[] Buckets;
        internal byte[] Tags;
    }

    /// <summary>All segments, in the table itself: an array of them would be one more place to go through.</summary>
    [InlineArray(Segments)]
    private struct SegmentArray
    {
        private Segment _first;
    }

    /// <summary>Where a scan stands.</summary>
    private struct ScanPosition
    {
        private const int SegmentShift = 32;
        private const int MostShift = 40;
        private const int RehashedShift = 48;

        internal bool IsRehashed;

        /// <summary>The size of a segment when the round began; 0 if it has not. A power of two, as is <see cref="Size"/>.</summary>
        internal int Most;
        internal int Segment;

        /// <summary>As how large the segment is gone through; 0 if it was not begun.</summary>
        internal int Size;

        /// <summary>The next bucket.</summary>
        internal int Index;

        internal ScanPosition(long position)
        {
            IsRehashed = position >> RehashedShift != 0;
            Most = position == 0 ? 0 : 1 << (int)(position >> MostShift & 0x1F);
            Segment = (int)(position >> SegmentShift & 0xFF);
            var low = (int)position;
            Size = low == 0 ? 0 : 1 << BitOperations.Log2((uint)low);
            Index = low - Size;
        }

        internal readonly long ToInt64() =>
            (IsRehashed ? 1L << RehashedShift : 0) | (long)BitOperations.Log2((uint)Most) << MostShift | (long)Segment << SegmentShift | (uint)(Size + Index);
    }
}
