using System.Globalization;

namespace CacheKit;

/// <summary>What reading every entry of a disk cache has shown.</summary>
public sealed class DiskCheckResult
{
    internal DiskCheckResult(long liveEntries, long liveBytes, long deadEntries, long damagedEntries)
    {
        LiveEntries = liveEntries;
        LiveBytes = liveBytes;
        DeadEntries = deadEntries;
        DamagedEntries = damagedEntries;
    }

    /// <summary>Entries that are whole and would be served.</summary>
    public long LiveEntries { get; }

    /// <summary>The bytes of these on disk.</summary>
    public long LiveBytes { get; }

    /// <summary>Entries that are whole, but were removed by tag or are past their time. Their space comes back as the log turns.</summary>
    public long DeadEntries { get; }

    /// <summary>Entries whose bytes are not those that were written. Each is a miss when it is read.</summary>
    public long DamagedEntries { get; }

    /// <summary>A line to read.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{LiveEntries} live entries of {LiveBytes:N0} bytes, {DeadEntries} dead, {DamagedEntries} damaged");
}
