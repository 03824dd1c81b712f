using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>What a store can do beyond what every store can.</summary>
[Flags]
public enum StoreCapabilities
{
    /// <summary>Nothing more.</summary>
    None = 0,

    /// <summary><see cref="IBatchStore"/>.</summary>
    Batches = 1,

    /// <summary><see cref="ICounterStore"/>.</summary>
    Counters = 2,

    /// <summary><see cref="ILockStore"/>.</summary>
    Locks = 4,

    /// <summary><see cref="IInvalidationTransport"/>.</summary>
    Transport = 8,

    /// <summary><see cref="IEnumerableStore"/>.</summary>
    Enumeration = 16,

    /// <summary>All of it.</summary>
    All = Batches | Counters | Locks | Transport | Enumeration,
}
