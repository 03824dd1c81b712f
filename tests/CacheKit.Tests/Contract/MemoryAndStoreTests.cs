using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of memory before one store.</summary>
public sealed class MemoryAndStore : ITiers
{
    private MemoryAndStore()
    {
    }

    public static bool HasMemory => true;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Store(time)];

    public sealed class AddTests : Tiered.AddTests<MemoryAndStore>;

    public sealed class CancellationTests : Tiered.CancellationTests<MemoryAndStore>;

    public sealed class CapacityTests : Tiered.CapacityTests<MemoryAndStore>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<MemoryAndStore>;

    public sealed class CounterTests : Tiered.CounterTests<MemoryAndStore>;

    public sealed class EventTests : Tiered.EventTests<MemoryAndStore>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<MemoryAndStore>;

    public sealed class ExpirationTokenTests : Tiered.ExpirationTokenTests<MemoryAndStore>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<MemoryAndStore>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<MemoryAndStore>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<MemoryAndStore>;

    public sealed class IsolationTests : Tiered.IsolationTests<MemoryAndStore>;

    public sealed class KeyListingTests : Tiered.KeyListingTests<MemoryAndStore>;

    public sealed class KeyTests : Tiered.KeyTests<MemoryAndStore>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<MemoryAndStore>;

    public sealed class ManyTests : Tiered.ManyTests<MemoryAndStore>;

    public sealed class RefreshAheadTests : Tiered.RefreshAheadTests<MemoryAndStore>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<MemoryAndStore>;

    public sealed class RemovalTests : Tiered.RemovalTests<MemoryAndStore>;

    public sealed class SharedValueTests : Tiered.SharedValueTests<MemoryAndStore>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<MemoryAndStore>;

    public sealed class TagTests : Tiered.TagTests<MemoryAndStore>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<MemoryAndStore>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<MemoryAndStore>;

    public sealed class ValueTests : Tiered.ValueTests<MemoryAndStore>;
}
