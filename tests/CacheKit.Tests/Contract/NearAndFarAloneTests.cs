using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of two stores, one nearer than the other, that keeps nothing in memory.</summary>
public sealed class NearAndFarAlone : ITiers
{
    private NearAndFarAlone()
    {
    }

    public static bool HasMemory => false;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Store(time, "near"), TieredCache.Store(time, "far")];

    public sealed class AddTests : Tiered.AddTests<NearAndFarAlone>;

    public sealed class CancellationTests : Tiered.CancellationTests<NearAndFarAlone>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<NearAndFarAlone>;

    public sealed class CounterTests : Tiered.CounterTests<NearAndFarAlone>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<NearAndFarAlone>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<NearAndFarAlone>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<NearAndFarAlone>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<NearAndFarAlone>;

    public sealed class IsolationTests : Tiered.IsolationTests<NearAndFarAlone>;

    public sealed class KeyListingTests : Tiered.KeyListingTests<NearAndFarAlone>;

    public sealed class KeyTests : Tiered.KeyTests<NearAndFarAlone>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<NearAndFarAlone>;

    public sealed class ManyTests : Tiered.ManyTests<NearAndFarAlone>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<NearAndFarAlone>;

    public sealed class RemovalTests : Tiered.RemovalTests<NearAndFarAlone>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<NearAndFarAlone>;

    public sealed class TagTests : Tiered.TagTests<NearAndFarAlone>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<NearAndFarAlone>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<NearAndFarAlone>;

    public sealed class ValueTests : Tiered.ValueTests<NearAndFarAlone>;
}
