using CacheKit.Stores;
using CacheKit.Testing.Contracts.Stores;
using CacheKit.Testing.Stores;

namespace CacheKit.Tests.Stores;

public sealed class InMemoryStreamStoreTests : StoreStreamContract
{
    private readonly InMemoryStoreState _state = new();

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new InMemoryStreamStore(_state, Clock, options.CacheName));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) =>
        new(new InMemoryStreamStore(_state, Clock, options.CacheName));

    protected override ValueTask VerifyAsync(ICacheStore store)
    {
        _state.OpenLookups.Should().Be(0);
        return default;
    }
}
