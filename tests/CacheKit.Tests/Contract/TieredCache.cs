using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using CacheKit.Testing.Contracts;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Contract;

/// <summary>Makes and checks caches that have stores.</summary>
internal static class TieredCache
{
    internal static ValueTask<ICache> Build(CacheContractOptions options, TimeProvider time, bool hasMemory, params ICacheStore[] stores) =>
        new(new Cache(
            options.Name, options.Cache, options.Memory, time, NullLogger.Instance, [.. options.Observers], meters: null,
            stores: [.. stores.Select(store => new StoreSetup(store, new CacheStoreOptions()))], hasMemory: hasMemory));

    internal static ICacheStore Store(TimeProvider time, string name = "store") => new InMemoryStore(new InMemoryStoreState(), time) { Name = name };

    internal static ValueTask Verify(ICache cache)
    {
        ((Cache)cache).Verify();
        return default;
    }
}
