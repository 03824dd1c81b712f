using CacheKit.Redis.Tests.Rig;
using CacheKit.Testing.Contracts;

namespace CacheKit.Redis.Tests.Contract;

/// <inheritdoc/>
public abstract class RedisAddTests(SharedServers servers, Tiers tiers, Topology topology) : AddContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisAddTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisAddTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisAddTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisAddTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisAddTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);

    public sealed class MemoryAndSecureRedis(SharedServers servers) : RedisAddTests(servers, Tiers.MemoryAndRedis, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisCancellationTests(SharedServers servers, Tiers tiers, Topology topology) : CancellationContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisCancellationTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisCancellationTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisCancellationTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisCancellationTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisCancellationTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisCapacityTests(SharedServers servers, Tiers tiers, Topology topology) : CapacityContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisCapacityTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisCapacityTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisCapacityTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisConcurrencyTests(SharedServers servers, Tiers tiers, Topology topology) : ConcurrencyContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisConcurrencyTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisConcurrencyTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisConcurrencyTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisConcurrencyTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisConcurrencyTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisCounterTests(SharedServers servers, Tiers tiers, Topology topology) : CounterContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisCounterTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisCounterTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisCounterTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisCounterTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisCounterTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);

    public sealed class MemoryAndSecureRedis(SharedServers servers) : RedisCounterTests(servers, Tiers.MemoryAndRedis, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisEventTests(SharedServers servers, Tiers tiers, Topology topology) : EventContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisEventTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisEventTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisEventTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisExpirationTests(SharedServers servers, Tiers tiers, Topology topology) : ExpirationContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisExpirationTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisExpirationTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisExpirationTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisExpirationTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisExpirationTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisExpirationTokenTests(SharedServers servers, Tiers tiers, Topology topology) : ExpirationTokenContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisExpirationTokenTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisExpirationTokenTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisExpirationTokenTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisFactoryFailureTests(SharedServers servers, Tiers tiers, Topology topology) : FactoryFailureContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisFactoryFailureTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisFactoryFailureTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisFactoryFailureTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisFactoryFailureTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisFactoryFailureTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisFailSafeTests(SharedServers servers, Tiers tiers, Topology topology) : FailSafeContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisFailSafeTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisFailSafeTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisFailSafeTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisFailSafeTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisFailSafeTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisGetOrCreateTests(SharedServers servers, Tiers tiers, Topology topology) : GetOrCreateContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override bool AsksStoresFirst => true;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisGetOrCreateTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisGetOrCreateTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisGetOrCreateTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisGetOrCreateTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisGetOrCreateTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);

    public sealed class MemoryAndSecureRedis(SharedServers servers) : RedisGetOrCreateTests(servers, Tiers.MemoryAndRedis, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisIsolationTests(SharedServers servers, Tiers tiers, Topology topology) : IsolationContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisIsolationTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisIsolationTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisIsolationTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisIsolationTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisIsolationTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisKeyListingTests(SharedServers servers, Tiers tiers, Topology topology) : KeyListingContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisKeyListingTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisKeyListingTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisKeyListingTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisKeyListingTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisKeyListingTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisKeyTests(SharedServers servers, Tiers tiers, Topology topology) : KeyContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisKeyTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisKeyTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisKeyTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisKeyTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisKeyTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisLifetimeTests(SharedServers servers, Tiers tiers, Topology topology) : LifetimeContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisLifetimeTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisLifetimeTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisLifetimeTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisLifetimeTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisLifetimeTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisManyTests(SharedServers servers, Tiers tiers, Topology topology) : ManyContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisManyTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisManyTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisManyTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisManyTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisManyTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);

    public sealed class MemoryAndSecureRedis(SharedServers servers) : RedisManyTests(servers, Tiers.MemoryAndRedis, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisRefreshAheadTests(SharedServers servers, Tiers tiers, Topology topology) : RefreshAheadContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisRefreshAheadTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisRefreshAheadTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisRefreshAheadTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisRemovalRaceTests(SharedServers servers, Tiers tiers, Topology topology) : RemovalRaceContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisRemovalRaceTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisRemovalRaceTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisRemovalRaceTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisRemovalRaceTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisRemovalRaceTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);

    public sealed class MemoryAndSecureRedis(SharedServers servers) : RedisRemovalRaceTests(servers, Tiers.MemoryAndRedis, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisRemovalTests(SharedServers servers, Tiers tiers, Topology topology) : RemovalContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisRemovalTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisRemovalTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisRemovalTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisRemovalTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisRemovalTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisSharedValueTests(SharedServers servers, Tiers tiers, Topology topology) : SharedValueContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisSharedValueTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisSharedValueTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisSharedValueTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisStatisticsTests(SharedServers servers, Tiers tiers, Topology topology) : StatisticsContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisStatisticsTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisStatisticsTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisStatisticsTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisStatisticsTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisStatisticsTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisTagTests(SharedServers servers, Tiers tiers, Topology topology) : TagContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisTagTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisTagTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisTagTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisTagTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisTagTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);

    public sealed class MemoryAndSecureRedis(SharedServers servers) : RedisTagTests(servers, Tiers.MemoryAndRedis, Topology.Secure);
}

/// <inheritdoc/>
public abstract class RedisTimeToLiveTests(SharedServers servers, Tiers tiers, Topology topology) : TimeToLiveContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisTimeToLiveTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisTimeToLiveTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisTimeToLiveTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisTimeToLiveTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisTimeToLiveTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisTimeoutTests(SharedServers servers, Tiers tiers, Topology topology) : TimeoutContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisTimeoutTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisTimeoutTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisTimeoutTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisTimeoutTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisTimeoutTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}

/// <inheritdoc/>
public abstract class RedisValueTests(SharedServers servers, Tiers tiers, Topology topology) : ValueContract
{
    private readonly ContractCaches _caches = new(servers, tiers, topology);

    protected override bool HasStores => true;

    protected override bool HasMemory => _caches.HasMemory;

    protected override int Rounds(int wanted) => _caches.Rounds(wanted);

    protected override ValueTask<ICache> BuildAsync(CacheContractOptions options) => _caches.BuildAsync(options, Clock);

    protected override ValueTask VerifyAsync(ICache cache) => ContractCaches.VerifyAsync(cache);

    public sealed class RedisAlone(SharedServers servers) : RedisValueTests(servers, Tiers.RedisAlone, Topology.OneServer);

    public sealed class MemoryAndRedis(SharedServers servers) : RedisValueTests(servers, Tiers.MemoryAndRedis, Topology.OneServer);

    public sealed class MemoryDiskAndRedis(SharedServers servers) : RedisValueTests(servers, Tiers.MemoryDiskAndRedis, Topology.OneServer);

    public sealed class ClusterAlone(SharedServers servers) : RedisValueTests(servers, Tiers.RedisAlone, Topology.Cluster);

    public sealed class MemoryAndCluster(SharedServers servers) : RedisValueTests(servers, Tiers.MemoryAndRedis, Topology.Cluster);
}
