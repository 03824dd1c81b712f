using CacheKit.Testing.Stores;
using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of memory before a store with none of the further powers.</summary>
public sealed class MemoryAndPlainStore : ITiers
{
    private MemoryAndPlainStore()
    {
    }

    public static bool HasMemory => true;

    public static ICacheStore[] CreateStores(TimeProvider time) => [new PlainStore(TieredCache.Store(time))];

    public sealed class AddTests : Tiered.AddTests<MemoryAndPlainStore>;

    public sealed class CancellationTests : Tiered.CancellationTests<MemoryAndPlainStore>;

    public sealed class CapacityTests : Tiered.CapacityTests<MemoryAndPlainStore>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<MemoryAndPlainStore>;

    public sealed class CounterTests : Tiered.CounterTests<MemoryAndPlainStore>;

    public sealed class EventTests : Tiered.EventTests<MemoryAndPlainStore>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<MemoryAndPlainStore>;

    public sealed class ExpirationTokenTests : Tiered.ExpirationTokenTests<MemoryAndPlainStore>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<MemoryAndPlainStore>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<MemoryAndPlainStore>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<MemoryAndPlainStore>;

    public sealed class IsolationTests : Tiered.IsolationTests<MemoryAndPlainStore>;

    public sealed class KeyTests : Tiered.KeyTests<MemoryAndPlainStore>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<MemoryAndPlainStore>;

    public sealed class ManyTests : Tiered.ManyTests<MemoryAndPlainStore>;

    public sealed class RefreshAheadTests : Tiered.RefreshAheadTests<MemoryAndPlainStore>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<MemoryAndPlainStore>;

    public sealed class RemovalTests : Tiered.RemovalTests<MemoryAndPlainStore>;

    public sealed class SharedValueTests : Tiered.SharedValueTests<MemoryAndPlainStore>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<MemoryAndPlainStore>;

    public sealed class TagTests : Tiered.TagTests<MemoryAndPlainStore>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<MemoryAndPlainStore>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<MemoryAndPlainStore>;

    public sealed class ValueTests : Tiered.ValueTests<MemoryAndPlainStore>;
}
