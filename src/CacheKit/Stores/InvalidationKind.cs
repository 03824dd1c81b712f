namespace CacheKit.Stores;

/// <summary>What an invalidation leaves of an entry.</summary>
public enum InvalidationKind
{
    /// <summary>Nothing: the entry is a miss at once and for good.</summary>
    Remove,

    /// <summary>A stale value: its <see cref="StoreEntry.ExpiresAt"/> has passed, and it may stand in until <see cref="StoreEntry.RetainUntil"/>.</summary>
    Expire,
}
