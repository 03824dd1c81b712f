using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A combination of tiers that the contracts are tried on.</summary>
public interface ITiers
{
    /// <summary>Whether values are kept in memory.</summary>
    static abstract bool HasMemory { get; }

    /// <summary>The stores of one cache, near to far.</summary>
    /// <param name="time">The clock of the test.</param>
    static abstract ICacheStore[] CreateStores(TimeProvider time);
}
