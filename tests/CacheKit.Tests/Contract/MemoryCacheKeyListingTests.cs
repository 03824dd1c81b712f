using CacheKit.Testing.Contracts;

namespace CacheKit.Tests.Contract;

public sealed class MemoryCacheKeyListingTests : KeyListingContract
{
    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => MemoryCache.Build(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => MemoryCache.Verify(cache);
}
