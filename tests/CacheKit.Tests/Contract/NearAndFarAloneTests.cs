using CacheKit.Testing.Contracts;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of two stores, one nearer than the other, that keeps nothing in memory.</summary>
public static class NearAndFarAlone
{
    public sealed class AddTests : AddContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class CancellationTests : CancellationContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ConcurrencyTests : ConcurrencyContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class CounterTests : CounterContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ExpirationTests : ExpirationContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class FactoryFailureTests : FactoryFailureContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class FailSafeTests : FailSafeContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class GetOrCreateTests : GetOrCreateContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class IsolationTests : IsolationContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class KeyListingTests : KeyListingContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class KeyTests : KeyContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class LifetimeTests : LifetimeContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ManyTests : ManyContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class RemovalRaceTests : RemovalRaceContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class RemovalTests : RemovalContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class StatisticsTests : StatisticsContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class TagTests : TagContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class TimeToLiveTests : TimeToLiveContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class TimeoutTests : TimeoutContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ValueTests : ValueContract
    {
        protected override bool HasStores => true;

        protected override bool HasMemory => false;

        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    private static ValueTask<ICache> Build(CacheContractOptions options, TimeProvider time) =>
        TieredCache.Build(options, time, hasMemory: false, TieredCache.Store(time, "near"), TieredCache.Store(time, "far"));
}
