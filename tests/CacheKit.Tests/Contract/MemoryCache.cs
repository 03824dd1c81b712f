using CacheKit.Engine;
using CacheKit.Testing.Contracts;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Contract;

/// <summary>Makes and checks the caches that have only memory.</summary>
internal static class MemoryCache
{
    internal static ValueTask<ICache> Build(CacheContractOptions options, TimeProvider time) =>
        new(new Cache(options.Name, options.Cache, options.Memory, time, NullLogger.Instance, [.. options.Observers], meters: null));

    internal static ValueTask Verify(ICache cache)
    {
        ((Cache)cache).Verify();
        return default;
    }
}
