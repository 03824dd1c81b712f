using CacheKit.Stores;
using CacheKit.Testing.Contracts;

namespace CacheKit.Tests.Contract;

/// <summary>The contracts, each for a cache of any tiers: a combination derives from those that apply to it.</summary>
public static class Tiered
{
    public abstract class AddTests<TTiers> : AddContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class CancellationTests<TTiers> : CancellationContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class CapacityTests<TTiers> : CapacityContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class ConcurrencyTests<TTiers> : ConcurrencyContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class CounterTests<TTiers> : CounterContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class EventTests<TTiers> : EventContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class ExpirationTests<TTiers> : ExpirationContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class ExpirationTokenTests<TTiers> : ExpirationTokenContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class FactoryFailureTests<TTiers> : FactoryFailureContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class FailSafeTests<TTiers> : FailSafeContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class GetOrCreateTests<TTiers> : GetOrCreateContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class IsolationTests<TTiers> : IsolationContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class KeyListingTests<TTiers> : KeyListingContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class KeyTests<TTiers> : KeyContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class LifetimeTests<TTiers> : LifetimeContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class ManyTests<TTiers> : ManyContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class RefreshAheadTests<TTiers> : RefreshAheadContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class RemovalRaceTests<TTiers> : RemovalRaceContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class RemovalTests<TTiers> : RemovalContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class SharedValueTests<TTiers> : SharedValueContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class StatisticsTests<TTiers> : StatisticsContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class TagTests<TTiers> : TagContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class TimeToLiveTests<TTiers> : TimeToLiveContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class TimeoutTests<TTiers> : TimeoutContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public abstract class ValueTests<TTiers> : ValueContract
        where TTiers : ITiers
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => TTiers.HasMemory;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => TieredCache.Build(options, Clock, TTiers.HasMemory, TTiers.CreateStores(Clock));

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }
}
