using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of memory before the platform's own distributed cache.</summary>
public sealed class MemoryAndDistributedCache : ITiers
{
    private MemoryAndDistributedCache()
    {
    }

    public static bool HasMemory => true;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Distributed(time)];

    public sealed class AddTests : Tiered.AddTests<MemoryAndDistributedCache>;

    public sealed class CancellationTests : Tiered.CancellationTests<MemoryAndDistributedCache>;

    public sealed class CapacityTests : Tiered.CapacityTests<MemoryAndDistributedCache>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<MemoryAndDistributedCache>;

    public sealed class CounterTests : Tiered.CounterTests<MemoryAndDistributedCache>;

    public sealed class EventTests : Tiered.EventTests<MemoryAndDistributedCache>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<MemoryAndDistributedCache>;

    public sealed class ExpirationTokenTests : Tiered.ExpirationTokenTests<MemoryAndDistributedCache>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<MemoryAndDistributedCache>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<MemoryAndDistributedCache>
    {
        protected override bool ExpireRemovesAtStore => true;
    }

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<MemoryAndDistributedCache>;

    public sealed class IsolationTests : Tiered.IsolationTests<MemoryAndDistributedCache>;

    public sealed class KeyTests : Tiered.KeyTests<MemoryAndDistributedCache>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<MemoryAndDistributedCache>;

    public sealed class ManyTests : Tiered.ManyTests<MemoryAndDistributedCache>;

    public sealed class RefreshAheadTests : Tiered.RefreshAheadTests<MemoryAndDistributedCache>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<MemoryAndDistributedCache>
    {
        protected override bool RemovesMoreThanAsked => true;
    }

    public sealed class RemovalTests : Tiered.RemovalTests<MemoryAndDistributedCache>;

    public sealed class SharedValueTests : Tiered.SharedValueTests<MemoryAndDistributedCache>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<MemoryAndDistributedCache>;

    public sealed class TagTests : Tiered.TagTests<MemoryAndDistributedCache>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<MemoryAndDistributedCache>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<MemoryAndDistributedCache>;

    public sealed class ValueTests : Tiered.ValueTests<MemoryAndDistributedCache>;
}
