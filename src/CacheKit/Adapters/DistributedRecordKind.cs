namespace CacheKit.Adapters;

/// <summary>What a record of a distributed cache is.</summary>
internal enum DistributedRecordKind : byte
{
    /// <summary>An entry.</summary>
    Entry = 1,

    /// <summary>What is left of a removed entry for a while, so that other processes do not store what they began to make before.</summary>
    Tombstone = 2,

    /// <summary>When a tag, or everything, was last invalidated.</summary>
    Invalidation = 3,
}
