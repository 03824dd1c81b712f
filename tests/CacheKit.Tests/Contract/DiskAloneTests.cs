using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache that keeps everything on disk.</summary>
public sealed class DiskAlone : ITiers
{
    private DiskAlone()
    {
    }

    public static bool HasMemory => false;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Disk(time)];

    public sealed class AddTests : Tiered.AddTests<DiskAlone>;

    public sealed class CancellationTests : Tiered.CancellationTests<DiskAlone>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<DiskAlone>;

    public sealed class CounterTests : Tiered.CounterTests<DiskAlone>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<DiskAlone>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<DiskAlone>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<DiskAlone>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<DiskAlone>;

    public sealed class IsolationTests : Tiered.IsolationTests<DiskAlone>;

    public sealed class KeyListingTests : Tiered.KeyListingTests<DiskAlone>;

    public sealed class KeyTests : Tiered.KeyTests<DiskAlone>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<DiskAlone>;

    public sealed class ManyTests : Tiered.ManyTests<DiskAlone>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<DiskAlone>;

    public sealed class RemovalTests : Tiered.RemovalTests<DiskAlone>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<DiskAlone>;

    public sealed class TagTests : Tiered.TagTests<DiskAlone>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<DiskAlone>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<DiskAlone>;

    public sealed class ValueTests : Tiered.ValueTests<DiskAlone>;
}
