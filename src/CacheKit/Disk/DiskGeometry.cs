using System.Globalization;
using System.Numerics;

namespace CacheKit.Disk;

/// <summary>The sizes of a disk cache, fixed when its files are created, and where everything is in the index that follows from them.</summary>
/// <remarks>Its values are fields, which nobody changes once it is made: whoever opens a directory waits until every accessor that is called has been compiled.</remarks>
internal sealed record DiskGeometry
{
    internal const long LeastBytes = 16L << 20;
    internal const long MostBytes = 1L << 40;
    internal const int FewestSegments = 8;
    internal const int SlotsPerBucket = 16;
    private const int EntriesPerBucket = 8;
    private const long CellsPerTag = 10;
    internal const int HeaderBytes = 4096;
    internal const long FeedOffset = HeaderBytes;

    /// <summary>A power of two, so that no address is ever divided.</summary>
    internal required long SegmentBytes;

    /// <summary>How far an address is shifted to tell its segment, counted through all rounds.</summary>
    internal int SegmentShift => BitOperations.Log2((ulong)SegmentBytes);

    internal required int SegmentCount;

    internal required long BucketCount;

    internal required long TagCells;

    internal required long FenceCells;

    internal int Conjunctions = 128;

    internal int FeedMessages = 4096;

    internal int FingerprintBits = 18;

    internal int UnitBits = 38;

    /// <summary>A longer record is stored in pieces of this size.</summary>
    internal int LargestRecord => (int)Math.Min(1 << 20, SegmentBytes / 4);

    /// <summary>How much of a value a piece holds.</summary>
    internal int PieceBytes => LargestRecord - RecordLayout.HeaderBytes;

    /// <summary>A longer value is not stored.</summary>
    internal long LargestValue => Math.Min(SegmentBytes * SegmentCount / 8, Array.MaxLength);

    internal long DataBytes => SegmentBytes * SegmentCount;

    internal long ConjunctionOffset => FeedOffset + ((long)FeedMessages * SharedFeed.MessageBytes);

    internal long TagOffset => ToPage(ConjunctionOffset + ((long)Conjunctions * Disk.Conjunctions.EntryBytes));

    internal long FenceOffset => TagOffset + (TagCells * sizeof(long));

    internal long BucketOffset => ToPage(FenceOffset + (FenceCells * sizeof(long)));

    internal long IndexBytes => ToPage(BucketOffset + (BucketCount * SlotsPerBucket * sizeof(long)));

    /// <summary>The sizes for a bound on all bytes on disk.</summary>
    internal static DiskGeometry For(long maximumBytes, int expectedEntryBytes, int? expectedTags)
    {
        var entries = Math.Max(1024, maximumBytes / expectedEntryBytes);

        // Half of the slots stay free: a bucket of 16 then overflows once in some 2,000 entries.
        var buckets = PowerOfTwo(entries / EntriesPerBucket);
        var tags = expectedTags ?? Math.Min(100_000, entries / 4);
        var index = new DiskGeometry
        {
            SegmentBytes = 0,
            SegmentCount = 0,
            BucketCount = buckets,
            TagCells = PowerOfTwo(tags * CellsPerTag),
            FenceCells = Math.Clamp(PowerOfTwo(entries / 4), 16_384, 1 << 20),
            FeedMessages = maximumBytes < 256L << 20 ? 1024 : 4096,
        };

        var data = maximumBytes - index.IndexBytes;
        var segment = Math.Clamp(PowerOfTwo(Math.Max(1, data / 64)) / 2, 1L << 20, 1L << 30);
        return index with { SegmentBytes = segment, SegmentCount = (int)(data / segment) };
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{DataBytes + IndexBytes:N0} bytes for about {BucketCount * EntriesPerBucket:N0} entries and {TagCells / CellsPerTag:N0} tags");

    private static long PowerOfTwo(long least) => (long)BitOperations.RoundUpToPowerOf2((ulong)least);

    private static long ToPage(long offset) => (offset + 4095) & ~4095L;
}
