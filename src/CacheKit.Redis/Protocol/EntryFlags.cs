namespace CacheKit.Redis.Protocol;

/// <summary>What the third byte of an entry says.</summary>
[Flags]
internal enum EntryFlags : byte
{
    None = 0,

    /// <summary>The payload is a number.</summary>
    Counter = 0x10,

    /// <summary>It was made to expire on request: at the instant that stands where otherwise that of its expiry does.</summary>
    Expired = 0x40,

    /// <summary>There is no entry; the record refuses values made before.</summary>
    Tombstone = 0x80,
}
