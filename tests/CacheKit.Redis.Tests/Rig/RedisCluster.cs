using System.Diagnostics;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Three masters that share the slots among them.</summary>
internal sealed class RedisCluster : IAsyncDisposable
{
    private RedisCluster(RedisServer[] nodes) => Nodes = nodes;

    internal RedisServer[] Nodes { get; }

    internal string Configuration => string.Join(',', Nodes.Select(node => $"127.0.0.1:{node.Port}")) + ",connectTimeout=2000";

    internal static async Task<RedisCluster> StartAsync()
    {
        string[] arguments = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"];
        var nodes = new RedisServer[3];
        for (var i = 0; i < nodes.Length; i++)
        {
            nodes[i] = await RedisServer.StartAsync(arguments);
        }

        (int First, int Last)[] slots = [(0, 5460), (5461, 10922), (10923, 16383)];
        for (var i = 0; i < nodes.Length; i++)
        {
            await nodes[i].SendAsync("CLUSTER", "ADDSLOTSRANGE", slots[i].First, slots[i].Last);
            await nodes[i].SendAsync("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
        }

        for (var i = 1; i < nodes.Length; i++)
        {
            await nodes[i].SendAsync("CLUSTER", "MEET", "127.0.0.1", nodes[0].Port);
        }

        var began = Stopwatch.GetTimestamp();
        foreach (var node in nodes)
        {
            while ((string?)await node.SendAsync("CLUSTER", "INFO") is not { } info
                || !info.Contains("cluster_state:ok", StringComparison.Ordinal) || !info.Contains("cluster_known_nodes:3", StringComparison.Ordinal))
            {
                if (Stopwatch.GetElapsedTime(began) > TimeSpan.FromSeconds(30))
                {
                    throw new TimeoutException("The cluster has not come together.");
                }

                await Task.Delay(50);
            }
        }

        return new(nodes);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }
    }
}
