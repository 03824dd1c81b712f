using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache that keeps nothing in memory.</summary>
public sealed class StoreAlone : ITiers
{
    private StoreAlone()
    {
    }

    public static bool HasMemory => false;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Store(time)];

    public sealed class AddTests : Tiered.AddTests<StoreAlone>;

    public sealed class CancellationTests : Tiered.CancellationTests<StoreAlone>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<StoreAlone>;

    public sealed class CounterTests : Tiered.CounterTests<StoreAlone>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<StoreAlone>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<StoreAlone>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<StoreAlone>;

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<StoreAlone>;

    public sealed class IsolationTests : Tiered.IsolationTests<StoreAlone>;

    public sealed class KeyListingTests : Tiered.KeyListingTests<StoreAlone>;

    public sealed class KeyTests : Tiered.KeyTests<StoreAlone>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<StoreAlone>;

    public sealed class ManyTests : Tiered.ManyTests<StoreAlone>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<StoreAlone>;

    public sealed class RemovalTests : Tiered.RemovalTests<StoreAlone>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<StoreAlone>;

    public sealed class TagTests : Tiered.TagTests<StoreAlone>;

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<StoreAlone>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<StoreAlone>;

    public sealed class ValueTests : Tiered.ValueTests<StoreAlone>;
}
