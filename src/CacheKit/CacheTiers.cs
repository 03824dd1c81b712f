namespace CacheKit;

/// <summary>Which tiers a call reads from and writes to. Removals always reach all of them.</summary>
/// <remarks>
/// The stores of a cache are those between memory and the last (near), and the last (far), which is the authority. In a cache
/// with one store, that one is the far one; in a cache with memory alone, what is said of stores has no effect.
/// </remarks>
[Flags]
public enum CacheTiers
{
    /// <summary>No tier: the factory runs, once for all who ask meanwhile, and nothing is stored.</summary>
    None = 0,

    /// <summary>Look into memory.</summary>
    ReadMemory = 1,

    /// <summary>Keep the value in memory.</summary>
    WriteMemory = 2,

    /// <summary>Read the near stores.</summary>
    ReadNear = 4,

    /// <summary>Write to the near stores.</summary>
    WriteNear = 8,

    /// <summary>Read the last store.</summary>
    ReadFar = 16,

    /// <summary>Write to the last store.</summary>
    WriteFar = 32,

    /// <summary>Memory, read and written.</summary>
    Memory = ReadMemory | WriteMemory,

    /// <summary>All stores, read and written.</summary>
    Stores = ReadNear | WriteNear | ReadFar | WriteFar,

    /// <summary>All tiers, read and written.</summary>
    All = Memory | Stores,
}
