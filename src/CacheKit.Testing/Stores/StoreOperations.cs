namespace CacheKit.Testing.Stores;

/// <summary>The calls of a store, to name those that a fault concerns.</summary>
[Flags]
public enum StoreOperations
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Reading one key.</summary>
    Read = 1,

    /// <summary>Writing one key.</summary>
    Write = 1 << 1,

    /// <summary>Removing or expiring one key.</summary>
    Invalidate = 1 << 2,

    /// <summary>Removing or expiring by tag.</summary>
    InvalidateTags = 1 << 3,

    /// <summary>Clearing.</summary>
    Clear = 1 << 4,

    /// <summary>Moving the end of an entry.</summary>
    SetExpiration = 1 << 5,

    /// <summary>Reading many keys.</summary>
    ReadMany = 1 << 6,

    /// <summary>Writing many keys.</summary>
    WriteMany = 1 << 7,

    /// <summary>Removing or expiring many keys.</summary>
    InvalidateMany = 1 << 8,

    /// <summary>Counting.</summary>
    Increment = 1 << 9,

    /// <summary>Taking a lock.</summary>
    TryLock = 1 << 10,

    /// <summary>Extending a lock.</summary>
    ExtendLock = 1 << 11,

    /// <summary>Subscribing to messages.</summary>
    Subscribe = 1 << 12,

    /// <summary>Publishing a message.</summary>
    Publish = 1 << 13,

    /// <summary>Listing keys.</summary>
    EnumerateKeys = 1 << 14,

    /// <summary>Counting entries.</summary>
    GetApproximateCount = 1 << 15,

    /// <summary>All that read entries.</summary>
    Reads = Read | ReadMany,

    /// <summary>All that write entries.</summary>
    Writes = Write | WriteMany | Increment | SetExpiration,

    /// <summary>All that remove or expire entries.</summary>
    Invalidations = Invalidate | InvalidateMany | InvalidateTags | Clear,

    /// <summary>Every call.</summary>
    All = (1 << 16) - 1,
}
