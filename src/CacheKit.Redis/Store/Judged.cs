using CacheKit.Redis.Protocol;

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
}
