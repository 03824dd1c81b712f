using CacheKit.Redis.Tests.Rig;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>The Redis of a group of nodes, and the network before it.</summary>
/// <remarks>
/// Before a single server, the first node has a proxy of its own, and the others none: what happens to it does not happen to them. Before each master of a cluster there is one
/// for all nodes, since a cluster tells its clients one address of each.
/// </remarks>
internal sealed class NodeServers : IAsyncDisposable
{
    private readonly IAsyncDisposable? _owned;
    private readonly string _configuration;

    private NodeServers(RedisServer[] servers, TcpProxy[] proxies, string configuration, IAsyncDisposable? owned)
    {
        (Servers, Proxies, _configuration, _owned) = (servers, proxies, configuration, owned);
    }

    internal RedisServer[] Servers { get; }

    internal TcpProxy[] Proxies { get; }

    internal bool IsCluster => Servers.Length > 1;

    internal static async Task<NodeServers> StartAsync(Topology topology, SharedServers shared)
    {
        if (topology == Topology.OneServer)
        {
            var server = await RedisServer.StartAsync();
            return new([server], [new(server.Port)], server.Configuration, server);
        }

        var cluster = await shared.TakeClusterAsync();
        var proxies = Array.ConvertAll(cluster.Nodes, node => new TcpProxy(node.Port));
        for (var i = 0; i < proxies.Length; i++)
        {
            cluster.Nodes[i].AnnouncedPort = proxies[i].Port;
            await cluster.Nodes[i].SendAsync("CONFIG", "SET", "cluster-announce-port", proxies[i].Port);
        }

        return new(cluster.Nodes, proxies, string.Join(',', proxies.Select(proxy => $"127.0.0.1:{proxy.Port}")) + ",connectTimeout=2000", cluster);
    }

    /// <summary>One that others use as well.</summary>
    internal static NodeServers Of(RedisServer server) => new([server], [], server.Configuration, null);

    internal string ConfigurationOf(int node) => !IsCluster && node == 0 && Proxies is [var proxy] ? proxy.Configuration : _configuration;

    public async ValueTask DisposeAsync()
    {
        foreach (var proxy in Proxies)
        {
            await proxy.DisposeAsync();
        }

        if (_owned is not null)
        {
            await _owned.DisposeAsync();
        }
    }
}
