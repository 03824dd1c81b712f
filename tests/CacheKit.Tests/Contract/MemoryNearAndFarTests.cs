using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of memory before a near and a far store.</summary>
public sealed class MemoryNearAndFar : ITiers
{
    private MemoryNearAndFar()
    {
    }

    public static bool HasMemory => true;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Store(time, "near"), TieredCache.Store(time, "far")];

    public sealed class AddTests : Tiered.AddTests<MemoryNearAndFar>;

    public sealed class CancellationTests : Tiered.CancellationTests<MemoryNearAndFar>;

    public sealed class CapacityTests : Tiered.CapacityTests<MemoryNearAndFar>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<MemoryNearAndFar>;

    public sealed class CounterTests : Tiered.CounterTests<MemoryNearAndFar>;

    public sealed class EventTests : Tiered.EventTests<MemoryNearAndFar>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<MemoryNearAndFar>;

    public sealed class ExpirationTokenTests : Tiered.ExpirationTokenTests<MemoryNearAndFar>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<MemoryNearAndFar>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<MemoryNearAndFar>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<MemoryNearAndFar>;

    public sealed class IsolationTests : Tiered.IsolationTests<MemoryNearAndFar>;

    public sealed class KeyListingTests : Tiered.KeyListingTests<MemoryNearAndFar>;

    public sealed class KeyTests : Tiered.KeyTests<MemoryNearAndFar>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<MemoryNearAndFar>;

    public sealed class ManyTests : Tiered.ManyTests<MemoryNearAndFar>;

    public sealed class RefreshAheadTests : Tiered.RefreshAheadTests<MemoryNearAndFar>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<MemoryNearAndFar>;

    public sealed class RemovalTests : Tiered.RemovalTests<MemoryNearAndFar>;

    public sealed class SharedValueTests : Tiered.SharedValueTests<MemoryNearAndFar>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<MemoryNearAndFar>;

    public sealed class TagTests : Tiered.TagTests<MemoryNearAndFar>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<MemoryNearAndFar>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<MemoryNearAndFar>;

    public sealed class ValueTests : Tiered.ValueTests<MemoryNearAndFar>;
}
