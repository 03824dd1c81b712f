using CacheKit.Disk;
using CacheKit.Stores;
using CacheKit.Testing.Contracts.Stores;

namespace CacheKit.Tests.Disk;

public sealed class DiskStoreStreamTests : StoreStreamContract
{
    private readonly ContractedDiskStores _stores;

    public DiskStoreStreamTests() => _stores = new(Clock);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options));

    protected override ValueTask VerifyAsync(ICacheStore store)
    {
        ((DiskStore)store).Verify();
        return default;
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _stores.Dispose();
    }
}
