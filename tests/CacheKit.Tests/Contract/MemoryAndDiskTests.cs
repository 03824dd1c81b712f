using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of memory before a disk.</summary>
public sealed class MemoryAndDisk : ITiers
{
    private MemoryAndDisk()
    {
    }

    public static bool HasMemory => true;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Disk(time)];

    public sealed class AddTests : Tiered.AddTests<MemoryAndDisk>;

    public sealed class CancellationTests : Tiered.CancellationTests<MemoryAndDisk>;

    public sealed class CapacityTests : Tiered.CapacityTests<MemoryAndDisk>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<MemoryAndDisk>;

    public sealed class CounterTests : Tiered.CounterTests<MemoryAndDisk>;

    public sealed class EventTests : Tiered.EventTests<MemoryAndDisk>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<MemoryAndDisk>;

    public sealed class ExpirationTokenTests : Tiered.ExpirationTokenTests<MemoryAndDisk>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<MemoryAndDisk>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<MemoryAndDisk>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<MemoryAndDisk>;

    public sealed class IsolationTests : Tiered.IsolationTests<MemoryAndDisk>;

    public sealed class KeyListingTests : Tiered.KeyListingTests<MemoryAndDisk>;

    public sealed class KeyTests : Tiered.KeyTests<MemoryAndDisk>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<MemoryAndDisk>;

    public sealed class ManyTests : Tiered.ManyTests<MemoryAndDisk>;

    public sealed class RefreshAheadTests : Tiered.RefreshAheadTests<MemoryAndDisk>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<MemoryAndDisk>;

    public sealed class RemovalTests : Tiered.RemovalTests<MemoryAndDisk>;

    public sealed class SharedValueTests : Tiered.SharedValueTests<MemoryAndDisk>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<MemoryAndDisk>;

    public sealed class TagTests : Tiered.TagTests<MemoryAndDisk>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<MemoryAndDisk>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<MemoryAndDisk>;

    public sealed class ValueTests : Tiered.ValueTests<MemoryAndDisk>;
}
