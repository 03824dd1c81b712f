using System.Globalization;

namespace CacheKit;

/// <summary>What a disk cache holds and has done, over all processes that use it, since it was last empty.</summary>
public sealed class DiskStatistics
{
    internal DiskStatistics()
    {
    }

    /// <summary>The most bytes its files ever take.</summary>
    public long MaximumBytes { get; internal init; }

    /// <summary>The bytes its files take now. They are taken segment by segment, and not given back.</summary>
    public long BytesOnDisk { get; internal init; }

    /// <summary>The bytes of the index, which processes share in memory.</summary>
    public long IndexBytes { get; internal init; }

    /// <summary>The bytes of the log that may hold live entries, and also hold those that were replaced or removed since.</summary>
    public long BytesInUse { get; internal init; }

    /// <summary>The bytes written in all: entries, and entries carried on.</summary>
    public long BytesWritten { get; internal init; }

    /// <summary>The bytes of one segment, the unit in which space is taken and old entries are evicted.</summary>
    public long SegmentBytes { get; internal init; }

    /// <summary>The number of segments on disk.</summary>
    public int Segments { get; internal init; }

    /// <summary>The number of entries; those that have expired or were removed by tag, but not evicted yet, are counted.</summary>
    public long Entries { get; internal init; }

    /// <summary>Entries that were in use when their segment came to be evicted, and were carried on instead.</summary>
    public long ReinsertedEntries { get; internal init; }

    /// <summary>The bytes of these.</summary>
    public long ReinsertedBytes { get; internal init; }

    /// <summary>Segments that were evicted whole because nobody had gone through them in time: writes come faster than upkeep.</summary>
    public long DroppedSegments { get; internal init; }

    /// <summary>Entries that were evicted for want of room in the index. Many of them: set <see cref="DiskOptions.ExpectedEntryBytes"/> to less.</summary>
    public long DisplacedEntries { get; internal init; }

    /// <summary>Entries that were too large, or for which the disk had no room.</summary>
    public long DeclinedWrites { get; internal init; }

    /// <summary>Whether other processes may share it, and it outlives them.</summary>
    public bool IsShared { get; internal init; }

    /// <summary>A line to read.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Entries} entries, {BytesInUse:N0} bytes in use, {BytesOnDisk:N0} of {MaximumBytes:N0} bytes on disk (index: {IndexBytes:N0}), {BytesWritten:N0} bytes written, "
        + $"{ReinsertedEntries} entries carried on, {DroppedSegments} segments dropped, {DisplacedEntries} entries displaced, {DeclinedWrites} writes declined, {(IsShared ? "shared" : "of one process alone")}");
}
