using CacheKit.Testing;
using CacheKit.Testing.Contracts;

namespace CacheKit.Tests.Contract;

/// <summary>A cache of memory before a store with none of the further powers.</summary>
public static class MemoryAndPlainStore
{
    public sealed class AddTests : AddContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class CancellationTests : CancellationContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class CapacityTests : CapacityContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ConcurrencyTests : ConcurrencyContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class CounterTests : CounterContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class EventTests : EventContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ExpirationTests : ExpirationContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ExpirationTokenTests : ExpirationTokenContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class FactoryFailureTests : FactoryFailureContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class FailSafeTests : FailSafeContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class GetOrCreateTests : GetOrCreateContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class IsolationTests : IsolationContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class KeyTests : KeyContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class LifetimeTests : LifetimeContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ManyTests : ManyContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class RefreshAheadTests : RefreshAheadContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class RemovalRaceTests : RemovalRaceContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class RemovalTests : RemovalContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class SharedValueTests : SharedValueContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class StatisticsTests : StatisticsContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class TagTests : TagContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class TimeToLiveTests : TimeToLiveContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class TimeoutTests : TimeoutContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    public sealed class ValueTests : ValueContract
    {
        protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => Build(options, Clock);

        protected override ValueTask VerifyAsync(ICache cache) => TieredCache.Verify(cache);
    }

    private static ValueTask<ICache> Build(CacheContractOptions options, TimeProvider time) =>
        TieredCache.Build(options, time, hasMemory: true, InMemoryStore.Plain(TieredCache.Store(time)));
}
