using CacheKit.Stores;

namespace CacheKit.Tests.Contract;

/// <summary>A cache that keeps everything in the platform's own distributed cache.</summary>
public sealed class DistributedCacheAlone : ITiers
{
    private DistributedCacheAlone()
    {
    }

    public static bool HasMemory => false;

    public static ICacheStore[] CreateStores(TimeProvider time) => [TieredCache.Distributed(time)];

    public sealed class AddTests : Tiered.AddTests<DistributedCacheAlone>;

    public sealed class CancellationTests : Tiered.CancellationTests<DistributedCacheAlone>;

    public sealed class ConcurrencyTests : Tiered.ConcurrencyTests<DistributedCacheAlone>;

    public sealed class CounterTests : Tiered.CounterTests<DistributedCacheAlone>;

    public sealed class ExpirationTests : Tiered.ExpirationTests<DistributedCacheAlone>;

    public sealed class FactoryFailureTests : Tiered.FactoryFailureTests<DistributedCacheAlone>;

    public sealed class FailSafeTests : Tiered.FailSafeTests<DistributedCacheAlone>
    {
        protected override bool ExpireRemoves => true;
    }

    public sealed class GetOrCreateTests : Tiered.GetOrCreateTests<DistributedCacheAlone>;

    public sealed class IsolationTests : Tiered.IsolationTests<DistributedCacheAlone>;

    public sealed class KeyTests : Tiered.KeyTests<DistributedCacheAlone>;

    public sealed class LifetimeTests : Tiered.LifetimeTests<DistributedCacheAlone>;

    public sealed class ManyTests : Tiered.ManyTests<DistributedCacheAlone>;

    public sealed class RemovalRaceTests : Tiered.RemovalRaceTests<DistributedCacheAlone>
    {
        protected override bool RemovesMoreThanAsked => true;
    }

    public sealed class RemovalTests : Tiered.RemovalTests<DistributedCacheAlone>;

    public sealed class StatisticsTests : Tiered.StatisticsTests<DistributedCacheAlone>;

    public sealed class TagTests : Tiered.TagTests<DistributedCacheAlone>
    {
        protected override bool RemovesMoreThanAsked => true;
    }

    public sealed class TimeToLiveTests : Tiered.TimeToLiveTests<DistributedCacheAlone>;

    public sealed class TimeoutTests : Tiered.TimeoutTests<DistributedCacheAlone>;

    public sealed class ValueTests : Tiered.ValueTests<DistributedCacheAlone>;
}
