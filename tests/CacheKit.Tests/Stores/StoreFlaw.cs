namespace CacheKit.Tests.Stores;

/// <summary>Mistakes that a provider might make.</summary>
public enum StoreFlaw
{
    None,

    /// <summary>What a factory made is stored under the stamp of the moment it comes.</summary>
    StampTakenLate,

    /// <summary>A removal leaves nothing behind that would keep older values out.</summary>
    ForgetsFences,

    /// <summary>What happened to the tags of a value while it was made does not count.</summary>
    IgnoresTagsOfLateValues,

    /// <summary>Tags an entry once had still take it.</summary>
    KeepsOldTags,

    /// <summary>Who knows any entry is told that it is still there.</summary>
    NotModifiedAlways,

    /// <summary>An entry that replaces another counts as made now.</summary>
    ReplacesUnderAFreshStamp,

    /// <summary>The end of an entry can be moved though it was made to expire.</summary>
    RevivesWhatWasExpired,

    /// <summary>Clearing takes what is there and does not keep out what is under way.</summary>
    ClearsWithoutAFence,

    /// <summary>An entry is still returned at the instant it ends.</summary>
    EndsAnInstantLate,

    /// <summary>A removal by all of several tags takes what has any.</summary>
    TakesAllForAny,

    /// <summary>A removal by any of several tags takes what has all.</summary>
    TakesAnyForAll,

    /// <summary>Making an entry expire does nothing.</summary>
    DoesNotExpire,

    /// <summary>Keys that differ in case are one key.</summary>
    IgnoresCase,

    /// <summary>Caches of all names share their entries.</summary>
    IgnoresNames,

    /// <summary>An entry that is there counts as absent once it was invalidated by tag, and the other way round.</summary>
    AddsOverAnything,

    /// <summary>An entry that comes part by part has the stamp of its end.</summary>
    StampOfTheEnd,

    /// <summary>An entry that comes part by part is readable before it is complete.</summary>
    ShowsWhatIsNotComplete,

    /// <summary>An entry that comes part by part keeps the memory of its parts.</summary>
    KeepsPartsOfTheCaller,

    /// <summary>Who reads part by part is given the entry of the moment.</summary>
    ReadsTheEntryOfTheMoment,

    /// <summary>What comes part by part and has lost to a removal of its tags leaves what was there before.</summary>
    LeavesWhatIsOlder,

    /// <summary>A value of a stamp replaces another of that stamp.</summary>
    ReplacesEqualStamps,
}
