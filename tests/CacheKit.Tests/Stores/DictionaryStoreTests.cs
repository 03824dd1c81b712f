using CacheKit.Stores;
using CacheKit.Testing.Contracts.Stores;

namespace CacheKit.Tests.Stores;

/// <summary>The store that the page on stores of one's own shows keeps the whole contract, but for what a store may do otherwise.</summary>
public sealed class DictionaryStoreReadWriteTests : StoreReadWriteContract
{
    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}

public sealed class DictionaryStoreLifetimeTests : StoreLifetimeContract
{
    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}

public sealed class DictionaryStoreConditionTests : StoreConditionContract
{
    protected override bool ExpireRemoves => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}

public sealed class DictionaryStoreInvalidationTests : StoreInvalidationContract
{
    protected override bool ExpireRemoves => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}

public sealed class DictionaryStoreTagTests : StoreTagContract
{
    protected override bool RemovesMoreThanAsked => true;

    protected override bool ExpireRemoves => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}

public sealed class DictionaryStoreExpirationTests : StoreExpirationContract
{
    protected override bool ExpireRemoves => true;

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}

public sealed class DictionaryStoreConcurrencyTests : StoreConcurrencyContract
{
    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => new(new DictionaryStore(Clock));
}
