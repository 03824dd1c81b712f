using CacheKit.Adapters;
using CacheKit.Stores;
using CacheKit.Testing.Contracts.Stores;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.Adapters;

/// <summary>Makes stores on the platform's own distributed cache in memory; those of one test share it.</summary>
internal sealed class DistributedStores
{
    private readonly MemoryDistributedCache _cache = new(Options.Create(new MemoryDistributedCacheOptions()));

    internal ICacheStore Open(StoreContractOptions options, TimeProvider time) => new DistributedCacheStore(_cache, options.CacheName + ":", time);
}

public sealed class DistributedCacheStoreReadWriteTests : StoreReadWriteContract
{
    private readonly DistributedStores _stores = new();

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}

public sealed class DistributedCacheStoreConditionTests : StoreConditionContract
{
    private readonly DistributedStores _stores = new();

    protected override bool ExpireRemoves => true;

    protected override bool RemovesMoreThanAsked => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}

public sealed class DistributedCacheStoreExpirationTests : StoreExpirationContract
{
    private readonly DistributedStores _stores = new();

    protected override bool ExpireRemoves => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}

public sealed class DistributedCacheStoreInvalidationTests : StoreInvalidationContract
{
    private readonly DistributedStores _stores = new();

    protected override bool ExpireRemoves => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}

public sealed class DistributedCacheStoreTagTests : StoreTagContract
{
    private readonly DistributedStores _stores = new();

    protected override bool ExpireRemoves => true;

    protected override bool RemovesMoreThanAsked => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}

public sealed class DistributedCacheStoreLifetimeTests : StoreLifetimeContract
{
    private readonly DistributedStores _stores = new();

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}

public sealed class DistributedCacheStoreConcurrencyTests : StoreConcurrencyContract
{
    private readonly DistributedStores _stores = new();

    protected override bool ExpireRemoves => true;

    protected override bool RemovesMoreThanAsked => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));

    protected override ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => new(_stores.Open(options, Clock));
}
