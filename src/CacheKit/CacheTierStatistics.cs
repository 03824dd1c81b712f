using System.Globalization;
using CacheKit.Diagnostics;

namespace CacheKit;

/// <summary>What a cache has done with one of its stores since it was created, as of one moment.</summary>
/// <remarks>
/// Calls that the store has answered are counted by what they were; the others as a failure, a timeout or a refusal. Calls whose own
/// caller gave them up are in none of these numbers.
/// </remarks>
public sealed class CacheTierStatistics
{
    /// <summary>What the store calls itself: <c>"disk"</c>, <c>"redis"</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Keys that were read and found, expired ones included.</summary>
    public long Hits { get; init; }

    /// <summary>Keys that were read and not found.</summary>
    public long Misses { get; init; }

    /// <summary>Writes, one for each key, whether the store kept the entry or found it overtaken; counters and renewed lifetimes included.</summary>
    public long Writes { get; init; }

    /// <summary>Removals and expirations: by key (one for each), by tag, or of everything.</summary>
    public long Removals { get; init; }

    /// <summary>Calls that ended with an error.</summary>
    public long Failures { get; init; }

    /// <summary>Calls that took longer than they may, and were given up.</summary>
    public long Timeouts { get; init; }

    /// <summary>
    /// How many of the last calls, one after the other, ended with an error or were given up: 0 once the store has done what it was asked for.
    /// </summary>
    public long FailuresInARow { get; init; }

    /// <summary>Why the last of these did, in a line, as the store says it; <see langword="null"/> once the store has done what it was asked for.</summary>
    public string? LastFailure { get; init; }

    /// <summary>
    /// What the store itself says is wrong with it now, in a line: that Redis cannot be reached and why, that the directory of a disk cache is gone. <see langword="null"/> while it knows of nothing, and
    /// for stores that do not tell.
    /// </summary>
    public string? Trouble { get; init; }

    /// <summary>Calls that were not made, because the circuit was open.</summary>
    public long Refusals { get; init; }

    /// <summary>Time spent waiting for reads, summed; those that failed or timed out included.</summary>
    public TimeSpan ReadTime { get; init; }

    /// <summary>Time spent waiting for all other calls, summed; those that failed or timed out included.</summary>
    public TimeSpan WriteTime { get; init; }

    /// <summary>Whether the store is used at all at this moment.</summary>
    public CircuitState Circuit { get; init; }

    /// <summary>Changes that the store could not be told yet, and that are kept to be sent when it answers again.</summary>
    public long PendingRecoveries { get; init; }

    /// <summary>
    /// Bytes that a disk store was given and cannot use, because the disk, or its user's share of it, is full: it goes on with less, and new entries displace older ones sooner. Zero in other
    /// stores, and while nothing is missing. As it was last seen, at most some seconds ago if somebody asks all the time: asking waits for no disk.
    /// </summary>
    public long MissingBytes { get; init; }

    /// <summary>A line to read.</summary>
    public override string ToString()
    {
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"{Name}: {Circuit}, {Hits} hits, {Misses} misses, {Writes} writes, {Removals} removals, {Failures} failures, {Timeouts} timeouts, {Refusals} refusals");
        if (PendingRecoveries > 0)
        {
            line += $", {new ChangeCount(PendingRecoveries)} not told yet";
        }

        if (MissingBytes > 0)
        {
            line += string.Create(CultureInfo.InvariantCulture, $", {MissingBytes:N0} bytes missing");
        }

        return (Trouble ?? LastFailure) is { } reason ? $"{line}; {reason}" : line;
    }
}
