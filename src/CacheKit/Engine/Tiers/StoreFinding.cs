using CacheKit.Memory;

namespace CacheKit.Engine.Tiers;

/// <summary>What a look through the stores has come to.</summary>
internal enum StoreFindingKind
{
    /// <summary>The last store has no unexpired entry.</summary>
    Missing,

    /// <summary>No unexpired entry was found, but the last store could not be asked.</summary>
    Unknown,

    /// <summary>There is an unexpired entry.</summary>
    Found,

    /// <summary>The entry that memory holds still stands at the last store.</summary>
    Confirmed,
}

/// <summary>What a look through the stores has come to.</summary>
/// <param name="Kind">How it ended.</param>
/// <param name="Entry">The entry found; else one past its expiration that may stand in, if there is one. Not in memory yet.</param>
/// <param name="ExpiresAt">For a confirmed entry, when it expires, in ticks of the cache's clock.</param>
/// <param name="StaleForTicks">For a confirmed entry, for how long it may stand in afterwards.</param>
/// <param name="FitsMemory">Whether memory may keep the entry found.</param>
internal readonly record struct StoreFinding(
    StoreFindingKind Kind, MemoryEntry? Entry, long ExpiresAt = 0, long StaleForTicks = 0, bool FitsMemory = true);
