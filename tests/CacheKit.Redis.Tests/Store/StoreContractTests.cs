using CacheKit.Redis.Protocol;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Contracts.Stores;

namespace CacheKit.Redis.Tests.Store;

/// <summary>Makes the stores of a contract's test, on a server that it shares with others under a prefix of its own.</summary>
internal sealed class ContractStores(SharedServers servers, Topology topology)
{
    private readonly string _prefix = servers.NextPrefix();

    private KeyLayout? _layout;

    internal async ValueTask<ICacheStore> BuildAsync(StoreContractOptions options, ManualTimeProvider clock)
    {
        var store = await TestStores.CreateAsync(servers, topology, _prefix, options.CreateContext(clock));
        _layout = store.Layout;
        return store;
    }

    /// <summary>The server keeps leases by its own clock, which no test can move: what it would drop within that time is dropped.</summary>
    internal async ValueTask LetLeaseEndAsync(string key, TimeSpan within)
    {
        var database = (await servers.ConnectionAsync(topology)).GetDatabase();
        var name = _layout!.Lock(key); // of a store that was built
        if (await database.KeyTimeToLiveAsync(name) <= within)
        {
            await database.KeyDeleteAsync(name);
        }
    }
}

/// <inheritdoc/>
public abstract class RedisReadWriteContract(SharedServers servers, Topology topology) : StoreReadWriteContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisReadWriteContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisReadWriteContract(servers, Topology.Cluster);

    public sealed class OverTls(SharedServers servers) : RedisReadWriteContract(servers, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisConditionContract(SharedServers servers, Topology topology) : StoreConditionContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisConditionContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisConditionContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisInvalidationContract(SharedServers servers, Topology topology) : StoreInvalidationContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisInvalidationContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisInvalidationContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisTagContract(SharedServers servers, Topology topology) : StoreTagContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisTagContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisTagContract(servers, Topology.Cluster);

    public sealed class OverTls(SharedServers servers) : RedisTagContract(servers, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisExpirationContract(SharedServers servers, Topology topology) : StoreExpirationContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisExpirationContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisExpirationContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisLifetimeContract(SharedServers servers, Topology topology) : StoreLifetimeContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisLifetimeContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisLifetimeContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisConcurrencyContract(SharedServers servers, Topology topology) : StoreConcurrencyContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisConcurrencyContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisConcurrencyContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisBatchContract(SharedServers servers, Topology topology) : StoreBatchContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisBatchContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisBatchContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisCounterContract(SharedServers servers, Topology topology) : StoreCounterContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisCounterContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisCounterContract(servers, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisEnumerationContract(SharedServers servers, Topology topology) : StoreEnumerationContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    // With few keys on the server the count is exact; with many it is an estimate, off by more the fewer of them are the cache's.
    public sealed class OnSingleServer(QuietServers quiet) : RedisEnumerationContract(quiet.Servers, Topology.OneServer), IClassFixture<QuietServers>;

    public sealed class OnCluster(QuietServers quiet) : RedisEnumerationContract(quiet.Servers, Topology.Cluster), IClassFixture<QuietServers>;
}

/// <inheritdoc/>
public abstract class RedisLockContract(SharedServers servers, Topology topology) : StoreLockContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask LetLeaseEndAsync() => _stores.LetLeaseEndAsync("k", LeaseThatEnds);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisLockContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisLockContract(servers, Topology.Cluster);

    public sealed class OverTls(SharedServers servers) : RedisLockContract(servers, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisTransportContract(SharedServers servers, Topology topology) : StoreTransportContract
{
    private readonly ContractStores _stores = new(servers, topology);

    protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => _stores.BuildAsync(options, Clock);

    protected override async ValueTask<ICacheStore?> BuildAnotherHandleAsync(StoreContractOptions options) => await _stores.BuildAsync(options, Clock);

    public sealed class OnSingleServer(SharedServers servers) : RedisTransportContract(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : RedisTransportContract(servers, Topology.Cluster);

    public sealed class OverTls(SharedServers servers) : RedisTransportContract(servers, Topology.Secure);
}
