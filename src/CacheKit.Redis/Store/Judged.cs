using System.Buffers.Binary;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;

namespace CacheKit.Redis.Store;

/// <summary>What a read has found, and under which stamp a value may be loaded now.</summary>
internal readonly struct Judged
{
    private Judged(bool isFound, EntryRecord record, bool isWhole, Verdict verdict, long latest, long loadStamp, bool isAtOnce)
    {
        IsFound = isFound;
        Record = record;
        IsWhole = isWhole;
        Verdict = verdict;
        Latest = latest;
        LoadStamp = isAtOnce ? Math.Max(loadStamp, latest) : loadStamp;
        IsToBeReadAgain = latest > LoadStamp;
    }

    internal bool IsFound { get; }

    internal EntryRecord Record { get; }

    /// <summary>Whether the record has all bytes of the entry, not the beginning only.</summary>
    internal bool IsWhole { get; }

    internal Verdict Verdict { get; }

    /// <summary>The latest stamp in what it was judged by.</summary>
    private long Latest { get; }

    internal long LoadStamp { get; }

    /// <summary>Whether something has a later stamp than a value would be loaded under, so that it would be dead on arrival.</summary>
    internal bool IsToBeReadAgain { get; }

    /// <summary>The same, with a stamp to load under that was taken before, too, and may be later.</summary>
    internal Judged Since(long stamp) => new(IsFound, Record, IsWhole, Verdict, Latest, Math.Max(LoadStamp, stamp), isAtOnce: false);

    internal static Judged Missing(long latest, long loadStamp, bool isAtOnce) => new(false, default, false, default, latest, loadStamp, isAtOnce);

    internal static Judged Found(EntryRecord record, bool isWhole, Verdict verdict, long latest, long loadStamp, bool isAtOnce) =>
        new(true, record, isWhole, verdict, latest, loadStamp, isAtOnce);

    /// <summary>Makes of it what the caller gets.</summary>
    /// <returns><see langword="null"/> if more of the entry must be read for that.</returns>
    internal StoreLookup? ToLookup(StoreReadOptions options)
    {
        if (!IsFound)
        {
            return StoreLookup.Missing(LoadStamp);
        }

        var record = Record;
        var retainUntil = Instant(record.RetainUntilTicks);
        var isExpired = (record.Flags & EntryFlags.Expired) != 0;
        var expiresAt = isExpired || Verdict == Verdict.Expired ? DateTimeOffset.MinValue : Instant(record.ExpiresAtTicks);
        DateTimeOffset? expiredAt = isExpired ? Instant(record.ExpiresAtTicks) : null;
        if (options.KnownStamp == record.Stamp)
        {
            return StoreLookup.NotModified(LoadStamp, record.Stamp, expiresAt, retainUntil) with { ExpiredAt = expiredAt };
        }

        if ((record.Flags & EntryFlags.Counter) != 0)
        {
            if (!IsWhole && record.Payload.Length < 8)
            {
                return null;
            }

            if (record.Payload.Length != 8)
            {
                return StoreLookup.Missing(LoadStamp);
            }

            var number = BinaryPrimitives.ReadInt64BigEndian(record.Payload.Span);
            return StoreLookup.Counter(LoadStamp, record.Stamp, number, expiresAt, retainUntil) with { ExpiredAt = expiredAt };
        }

        if (options.WithoutPayload)
        {
            return StoreLookup.Found(LoadStamp, record.Stamp, default, expiresAt, retainUntil) with { ExpiredAt = expiredAt };
        }

        return IsWhole
            ? StoreLookup.Found(LoadStamp, record.Stamp, record.Payload, expiresAt, retainUntil) with { ExpiredAt = expiredAt }
            : null;
    }

    private static DateTimeOffset Instant(long ticks) =>
        ticks >= DateTimeOffset.MaxValue.UtcTicks ? DateTimeOffset.MaxValue : new(Math.Max(ticks, 0), TimeSpan.Zero);
}
