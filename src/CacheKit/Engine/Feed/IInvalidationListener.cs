using CacheKit.Stores;

namespace CacheKit.Engine.Feed;

/// <summary>Told by an <see cref="InvalidationFeed"/> what other nodes have changed, and when that may be incomplete. Called under no lock; must not block.</summary>
internal interface IInvalidationListener
{
    /// <summary>Entries of the key older than the stamp are outdated.</summary>
    void OnKeyChanged(string key, KeyChange change, long stamp);

    /// <summary>Entries older than the stamp that carry any, or all, of the tags are outdated.</summary>
    void OnTagsInvalidated(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, long stamp);

    /// <summary>All entries older than the stamp are outdated.</summary>
    void OnCleared(long stamp);

    /// <summary>The store has a value for the key now: whoever waits for another node to make one may look.</summary>
    void OnKeyFilled(string key);

    /// <summary>Something may have been missed: anything held from before now may be outdated until the authority was asked.</summary>
    void OnSuspect();

    /// <summary>From now on messages may be missed.</summary>
    void OnDisconnected();

    /// <summary>From now on messages come. Follows <see cref="OnSuspect"/>, unless all that was missed will be delivered.</summary>
    void OnReconnected();
}

/// <summary>What has happened to a key on another node.</summary>
internal enum KeyChange
{
    /// <summary>Removed: there is nothing to be served.</summary>
    Removed,

    /// <summary>Expired on request: a stale value may still stand in.</summary>
    Expired,

    /// <summary>Given another value, which the store has.</summary>
    Set,
}
