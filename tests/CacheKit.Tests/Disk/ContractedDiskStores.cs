using CacheKit.Disk;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Contracts.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Disk;

/// <summary>Makes the disk stores of a contract's test, each cache in a folder of its own below one directory.</summary>
internal sealed class ContractedDiskStores(ManualTimeProvider clock) : IDisposable
{
    private readonly DiskFolder _folder = new();

    public ICacheStore Open(StoreContractOptions options) => new DiskStore(new()
    {
        Path = _folder.Root,
        CacheName = options.CacheName,
        Geometry = DiskGeometry.For(64 << 20, 1024, null),
        HashSeed = DiskFolder.SeedWithoutCollisions,
        TimeProvider = clock,
        Logger = NullLogger.Instance,
    });

    public void Dispose() => _folder.Dispose();
}
