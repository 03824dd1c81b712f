namespace CacheKit.Redis.Tests.Contract;

/// <summary>What stands before Redis.</summary>
public enum Tiers
{
    /// <summary>Nothing.</summary>
    RedisAlone,

    /// <summary>Memory.</summary>
    MemoryAndRedis,

    /// <summary>Memory, and a disk.</summary>
    MemoryDiskAndRedis,
}
