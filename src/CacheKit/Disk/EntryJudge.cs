using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>Says what an entry in the log is worth: whether it is live, has expired, and whether it stands in the way of a write.</summary>
internal sealed class EntryJudge(Invalidations invalidations, TimeProvider clock)
{
    internal long Now => clock.GetUtcNow().UtcTicks;

    /// <summary>Whether the entry is live and not past the instant it is kept until.</summary>
    internal bool IsLive(in Record record) =>
        record.Kind != RecordKind.Piece && !invalidations.AreCovering(record)
        && (record.RetainUntil == DateTimeOffset.MaxValue.UtcTicks || Now < record.RetainUntil);

    /// <summary>Whether a live entry has expired, by time or on request.</summary>
    internal bool IsExpired(in Record record) => IsExpiredByTime(record) || invalidations.AreExpiring(record);

    /// <summary>When a live entry has expired: before all time if that was on request, so that no clock that is set back revives it.</summary>
    internal DateTimeOffset ExpiryOf(in Record record) =>
        invalidations.AreExpiring(record) ? DateTimeOffset.MinValue : new(record.ExpiresAt, TimeSpan.Zero);

    internal static DateTimeOffset RetentionOf(in Record record) => new(record.RetainUntil, TimeSpan.Zero);

    /// <summary>Whether a write may take the place of the entry that is there.</summary>
    /// <param name="condition">The condition of the write.</param>
    /// <param name="occupant">What is visible in the key's slot; none if it is empty or unreadable.</param>
    /// <param name="key">The key.</param>
    internal bool Admits(StoreCondition condition, in Record occupant, ReadOnlySpan<byte> key)
    {
        var isOfKey = !occupant.IsNone && occupant.Key.SequenceEqual(key);
        return condition.Kind switch
        {
            StoreConditionKind.IfCurrent => !isOfKey || occupant.Stamp < condition.Stamp,
            StoreConditionKind.IfAbsent => !isOfKey || !IsLive(occupant) || IsExpired(occupant),
            StoreConditionKind.IfUnchanged => isOfKey && occupant.Stamp == condition.Stamp && IsLive(occupant),
            _ => true,
        };
    }

    private bool IsExpiredByTime(in Record record) => record.ExpiresAt != DateTimeOffset.MaxValue.UtcTicks && Now >= record.ExpiresAt;
}
