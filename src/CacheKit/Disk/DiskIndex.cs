using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>The index of a disk cache in memory that all its processes share: the words that only grow, the cells, the slots.</summary>
/// <remarks>
/// Its memory is given back when the object is collected, not before: whoever still holds it may read it. No part of it is ever
/// accessed through the file while it is mapped, but for what it was created with and never changes.
/// </remarks>
internal sealed unsafe class DiskIndex
{
    private readonly SafeHandle _memory;
    private readonly byte* _start;

    /// <summary>Uses memory that is laid out already.</summary>
    internal DiskIndex(SafeHandle memory, DiskGeometry geometry)
    {
        _memory = memory;
        _start = (byte*)memory.DangerousGetHandle();
        Geometry = geometry;
        Slots = new(geometry.FingerprintBits, geometry.UnitBits);
        HashSeed = Header.HashSeed(_start);
        StoreId = Header.StoreId(_start);
        Tags = new((long*)(_start + geometry.TagOffset), geometry.TagCells, probes: 5);
        Fences = new((long*)(_start + geometry.FenceOffset), geometry.FenceCells, probes: 2);
        StreamMarks = new(this);
    }

    internal readonly DiskGeometry Geometry;

    internal readonly SlotFormat Slots;

    /// <summary>Seeds the hashes of keys and tags.</summary>
    internal readonly ulong HashSeed;

    /// <summary>Seeds the sums of records: those of another life of the directory do not fit.</summary>
    internal readonly ulong StoreId;

    internal readonly StampCells Tags;

    internal readonly StampCells Fences;

    internal readonly StreamMarks StreamMarks;

    /// <summary>Where the log ends: the address of the next record.</summary>
    internal ref long Tail => ref Word(512);

    /// <summary>Where the log begins: records before it are gone.</summary>
    internal ref long Begin => ref Word(576);

    /// <summary>The last stamp that was drawn.</summary>
    internal ref long Sequence => ref Word(640);

    /// <summary>The stamp of the last removal of everything.</summary>
    internal ref long Cleared => ref Word(704);

    /// <summary>Until when somebody reclaims segments.</summary>
    internal ref long ReclaimLease => ref Word(768);

    /// <summary>The stamp of the last invalidation by tag: what is newer need not be compared with cells.</summary>
    internal ref long LastTag => ref Word(832);

    /// <summary>The same of the last time that entries with a tag were made to expire.</summary>
    internal ref long LastTagExpiry => ref Word(840);

    internal ref long LastConjunction => ref Word(896);

    internal ref long ConjunctionCount => ref Word(960);

    internal ref long FeedReserved => ref Word(1024);

    internal ref long FeedHead => ref Word(1088);

    internal ref long ReinsertedRecords => ref Word(1152);

    internal ref long ReinsertedBytes => ref Word(1160);

    internal ref long DroppedSegments => ref Word(1168);

    internal ref long DeclinedWrites => ref Word(1176);

    internal ref long DisplacedEntries => ref Word(1184);

    /// <summary>1 while the disk has no room for all of the log.</summary>
    internal ref long IsShortOfRoom => ref Word(1216);

    /// <summary>How many bytes of the log it had no room for, as somebody last saw.</summary>
    internal ref long MissingBytes => ref Word(1224);

    /// <summary>How often it began to have no room.</summary>
    internal ref long Shortages => ref Word(1232);

    /// <summary>How many entries are being written part by part.</summary>
    internal ref long Streams => ref Word(1280);

    internal long* StreamPlaces => (long*)(_start + 2048);

    internal long* FeedHeadAddress => (long*)(_start + 1088);

    internal byte* Feed => _start + DiskGeometry.FeedOffset;

    internal byte* ConjunctionTable => _start + Geometry.ConjunctionOffset;

    internal byte* Start => _start;

    internal ulong* BucketAt(long number) => (ulong*)(_start + Geometry.BucketOffset) + (number * DiskGeometry.SlotsPerBucket);

    internal ulong* Bucket(ulong hash) => BucketAt((long)(hash & (ulong)(Geometry.BucketCount - 1)));

    /// <summary>Has what a change of a key touches fetched from memory while its record is made: seldom is any of it in the caches of the processor.</summary>
    internal void Prefetch(ulong hash)
    {
        if (Sse.IsSupported)
        {
            var bucket = Bucket(hash);
            Sse.Prefetch0(bucket);
            Sse.Prefetch0(bucket + (DiskGeometry.SlotsPerBucket / 2));

            // Where the change will be told.
            var message = Feed + ((Volatile.Read(ref FeedReserved) & (Geometry.FeedMessages - 1)) * SharedFeed.MessageBytes); // exact for powers of two, as there are
            Sse.Prefetch0(message);
        }

        Fences.Prefetch(hash);
    }

    /// <summary>Draws the stamp of an invalidation.</summary>
    internal long DrawStamp() => Interlocked.Increment(ref Sequence);

    /// <summary>Draws the stamp of an explicit write, and moves past it: who reads the entry can load under a later one.</summary>
    internal long DrawWriteStamp() => Interlocked.Add(ref Sequence, 2) - 1;

    /// <summary>Moves past the stamp of an entry that was loaded, for the same reason.</summary>
    internal void MovePast(long stamp)
    {
        if (Volatile.Read(ref Sequence) == stamp)
        {
            Interlocked.CompareExchange(ref Sequence, stamp + 1, stamp);
        }
    }

    internal bool IsInLog(long address) => address >= Volatile.Read(ref Begin);

    /// <summary>Raises a word that only grows.</summary>
    internal static bool Raise(ref long word, long value)
    {
        for (var seen = Volatile.Read(ref word); seen < value;)
        {
            var before = Interlocked.CompareExchange(ref word, value, seen);
            if (before == seen)
            {
                return true;
            }

            seen = before;
        }

        return false;
    }

    /// <summary>Has the system write changed pages to the file.</summary>
    internal void Flush()
    {
        if (_memory is SafeMemoryMappedViewHandle)
        {
            MappedMemory.Flush(_start, Geometry.IndexBytes);
        }
    }

    /// <summary>Has the system begin to read what of the file is not in memory yet: else the first calls after a boot wait for one page each.</summary>
    internal void Fetch()
    {
        if (_memory is SafeMemoryMappedViewHandle)
        {
            MappedMemory.Fetch(_start, Geometry.IndexBytes);
        }
    }

    /// <summary>A sum of what decides whether an entry is live, to see at the next start whether the file still says the same.</summary>
    internal ulong SumOfInvalidations()
    {
        var sum = Mix64.Of(new ReadOnlySpan<byte>(_start + 512, 1088 - 512), StoreId);
        for (var at = Geometry.ConjunctionOffset; at < Geometry.BucketOffset;)
        {
            var bytes = (int)Math.Min(1 << 20, Geometry.BucketOffset - at);
            sum = Mix64.Of(new ReadOnlySpan<byte>(_start + at, bytes), sum);
            at += bytes;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref long Word(int offset) => ref *(long*)(_start + offset);

    /// <summary>The part of the header that is written when the index is created, and when it is opened and closed.</summary>
    internal static class Header
    {
        private const ulong Magic = 0x3247_4E49_5254_4B43; // "CKTRING2"
        private const int SummedBytes = 128;

        /// <summary>Writes the header of a new index into memory that is zero.</summary>
        internal static void Write(byte* start, DiskGeometry geometry, ulong hashSeed, ulong storeId)
        {
            var words = (long*)start;
            words[0] = unchecked((long)Magic);
            words[1] = geometry.SegmentBytes;
            words[2] = geometry.SegmentCount;
            words[3] = geometry.BucketCount;
            words[4] = geometry.TagCells;
            words[5] = geometry.FenceCells;
            words[6] = geometry.Conjunctions;
            words[7] = geometry.FeedMessages;
            words[8] = geometry.FingerprintBits;
            words[9] = geometry.UnitBits;
            words[10] = unchecked((long)hashSeed);
            words[11] = unchecked((long)storeId);
            *(ulong*)(start + SummedBytes) = Mix64.Of(new ReadOnlySpan<byte>(start, SummedBytes), Magic);

            // Addresses and stamps begin above zero, which means none.
            *(long*)(start + 512) = *(long*)(start + 576) = geometry.SegmentBytes;
            *(long*)(start + 640) = 1;
        }

        /// <summary>Reads the sizes; <see langword="null"/> if this is not an index, or one that is damaged.</summary>
        internal static DiskGeometry? Read(byte* start, long length)
        {
            if (length < DiskGeometry.HeaderBytes || *(ulong*)start != Magic
                || *(ulong*)(start + SummedBytes) != Mix64.Of(new ReadOnlySpan<byte>(start, SummedBytes), Magic))
            {
                return null;
            }

            var words = (long*)start;
            var geometry = new DiskGeometry
            {
                SegmentBytes = words[1],
                SegmentCount = (int)words[2],
                BucketCount = words[3],
                TagCells = words[4],
                FenceCells = words[5],
                Conjunctions = (int)words[6],
                FeedMessages = (int)words[7],
                FingerprintBits = (int)words[8],
                UnitBits = (int)words[9],
            };
            var (tail, begin, sequence) = (*(long*)(start + 512), *(long*)(start + 576), *(long*)(start + 640));
            var isPlausible = BitOperations.IsPow2(geometry.SegmentBytes) && geometry.SegmentCount > 0 && geometry.IndexBytes <= length && begin > 0 && begin <= tail && tail - begin <= geometry.DataBytes && sequence > 0;
            return isPlausible ? geometry : null;
        }

        internal static ulong HashSeed(byte* start) => ((ulong*)start)[10];

        internal static ulong StoreId(byte* start) => ((ulong*)start)[11];

        /// <summary>Reads it from the file instead; zero if the file is too short.</summary>
        internal static ulong ReadStoreId(SafeFileHandle file)
        {
            Span<byte> header = stackalloc byte[SummedBytes];
            header.Clear();
            RandomAccess.Read(file, header, 0);
            fixed (byte* start = header)
            {
                return StoreId(start);
            }
        }

        /// <summary>A hash of the boot of the machine during which the index was last opened.</summary>
        internal static ref ulong Boot(byte* start) => ref *(ulong*)(start + 256);

        /// <summary>1 while nobody has it open and all of it is on the disk.</summary>
        internal static ref long IsClean(byte* start) => ref *(long*)(start + 264);

        /// <summary><see cref="SumOfInvalidations"/> at the time it was closed.</summary>
        internal static ref ulong CleanSum(byte* start) => ref *(ulong*)(start + 272);
    }
}
