namespace CacheKit.Stores;

/// <summary>
/// A store whose processes share memory: one look at a number there tells whether another process has changed something, so
/// that memory tiers follow without any delay.
/// </summary>
internal unsafe interface ISharedMemoryFeed : ICacheStore
{
    /// <summary>
    /// Moves before an invalidation or an explicit write of any handle on the store returns, this one's included. Stays readable as long as
    /// the store object is referenced, also after it is disposed.
    /// </summary>
    long* Head { get; }

    /// <summary>Hands over what has been published since the last call, that of this very handle excepted. Not concurrently with itself.</summary>
    /// <returns>
    /// <see langword="false"/> if something cannot be told any more (the ring has lapped, a writer died in the middle, a key is too long): then
    /// everything local is suspect. In any case everything up to the <see cref="Head"/> seen on entry is dealt with.
    /// </returns>
    bool TryDrain(ISharedMemoryFeedReader reader);
}

/// <summary>Told of what other handles on a store have changed.</summary>
internal interface ISharedMemoryFeedReader
{
    void OnKeyChanged(string key);

    void OnTagInvalidated(string tag, InvalidationKind kind);

    /// <summary>Something that affects everything: a clear, or a removal by all of several tags.</summary>
    void OnAllChanged(bool isCleared);
}
