using System.Collections.Concurrent;
using CacheKit.Redis.Connection;
using StackExchange.Redis;

[assembly: AssemblyFixture(typeof(CacheKit.Redis.Tests.Rig.SharedServers))]

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Servers that tests share which neither disturb nor empty them: each takes a key prefix of its own. Started when first needed.</summary>
public sealed class SharedServers : IAsyncDisposable
{
    private readonly ServerCertificate _certificate = new();
    private readonly Lazy<Task<RedisServer>> _single;
    private readonly Lazy<Task<RedisCluster>> _cluster;
    private readonly Lazy<Task<RedisServer>> _secure;
    private readonly ConcurrentDictionary<Topology, Lazy<Task<ConnectionMultiplexer>>> _connections = [];
    private readonly Lock _gate = new();
    private Task<RedisCluster>? _nextCluster;
    private int _lastPrefix;

    /// <summary>Starts nothing.</summary>
    public SharedServers()
    {
        _single = new(() => RedisServer.StartAsync());
        _cluster = new(RedisCluster.StartAsync);
        _secure = new(() => RedisServer.StartAsync(password: "open-sesame-7", certificate: _certificate));
    }

    internal string Thumbprint => _certificate.Thumbprint;

    internal Task<RedisServer> SingleAsync() => _single.Value;

    internal Task<RedisCluster> ClusterAsync() => _cluster.Value;

    internal Task<RedisServer> SecureAsync() => _secure.Value;

    /// <summary>A cluster that the caller has to himself: he may do to it what he likes, and disposes it.</summary>
    /// <remarks>The masters of a new one take no writes for two seconds. So while one is in use, the next has begun to start.</remarks>
    internal Task<RedisCluster> TakeClusterAsync()
    {
        lock (_gate)
        {
            var taken = _nextCluster is { IsFaulted: false } next ? next : RedisCluster.StartAsync();
            _nextCluster = RedisCluster.StartAsync();
            return taken;
        }
    }

    /// <summary>A connection for all who need none of their own.</summary>
    internal Task<ConnectionMultiplexer> ConnectionAsync(Topology topology) =>
        _connections.GetOrAdd(topology, _ => new(() => ConnectAsync(topology))).Value;

    internal string NextPrefix() => $"test{Interlocked.Increment(ref _lastPrefix)}";

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections.Values)
        {
            await (await connection.Value).CloseAsync(allowCommandsToComplete: false);
        }

        if (_single.IsValueCreated)
        {
            await (await _single.Value).DisposeAsync();
        }

        if (_cluster.IsValueCreated)
        {
            await (await _cluster.Value).DisposeAsync();
        }

        if (_nextCluster is { IsFaulted: false } next)
        {
            await (await next).DisposeAsync();
        }

        if (_secure.IsValueCreated)
        {
            await (await _secure.Value).DisposeAsync();
        }
    }

    private async Task<ConnectionMultiplexer> ConnectAsync(Topology topology)
    {
        var options = topology switch
        {
            Topology.Cluster => ConfigurationOptions.Parse((await ClusterAsync()).Configuration),
            Topology.Secure => TestStores.Secure(await SecureAsync(), Thumbprint),
            _ => ConfigurationOptions.Parse((await SingleAsync()).Configuration),
        };
        var connection = await ConnectionMultiplexer.ConnectAsync(options);
        AsyncOrder.Release(connection); // as the cache does with its own
        return connection;
    }
}
