namespace CacheKit.Stores;

/// <summary>What a reader knows already, and what it does not need.</summary>
public readonly struct StoreReadOptions
{
    /// <summary>
    /// Tags the entry probably carries, so that a store can fetch what it knows of them in the same round trip. Only a hint: the tags
    /// that count are those the entry was stored with. <see langword="null"/>: none known.
    /// </summary>
    public IReadOnlyList<string>? TagHints { get; init; }

    /// <summary>
    /// The stamp of the entry that the reader holds. If the live entry has it, the store may answer
    /// <see cref="StoreLookupStatus.NotModified"/> and spare the bytes; if not, it must not.
    /// </summary>
    public long? KnownStamp { get; init; }

    /// <summary>
    /// To be told whenever a part of a large entry has come: the cache waits for each part as long as for a small entry. A store that fetches entries at once need
    /// not look at it. <see langword="null"/>: nobody asks.
    /// </summary>
    public StoreReadProgress? Progress { get; init; }

    /// <summary>Whether the bytes are not needed: the lookup may have an empty payload.</summary>
    public bool WithoutPayload { get; init; }
}
