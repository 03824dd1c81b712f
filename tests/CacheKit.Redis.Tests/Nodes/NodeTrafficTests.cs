using System.Globalization;
using CacheKit.Redis.Tests.Rig;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Several processes use one Redis while it, the network and they themselves fail; every value they are given is judged. CACHEKIT_SOAK_SECONDS makes it longer.</summary>
[Trait("Category", "Soak")]
public sealed class NodeTrafficTests(ITestOutputHelper output)
{
    private const int Nodes = 3;

    private static readonly TimeSpan _duration = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) && seconds > 0 ? seconds : 3);

    /// <summary>
    /// Within which memory, and callers that join others, follow what another node has changed: three heartbeats of 250 ms that stay away, one more for a number that is missing, a second that it may
    /// serve what it cannot ask about, and as much again, because the processors are busy.
    /// </summary>
    private const double DeliveryMilliseconds = 4000;

    [Theory]
    [InlineData(Topology.OneServer, "redis")]
    [InlineData(Topology.OneServer, "memory")]
    [InlineData(Topology.OneServer, "disk")]
    [InlineData(Topology.Cluster, "redis")]
    [InlineData(Topology.Cluster, "memory")]
    [InlineData(Topology.Cluster, "disk")]
    public async Task Whatever_fails_no_node_serves_what_it_must_not(Topology topology, string tiers)
    {
        RedisServer.Require();
        if (topology == Topology.Cluster)
        {
            await using var cluster = await RedisCluster.StartAsync();
            await RunAsync(cluster.Nodes, cluster.Configuration, null);
        }
        else
        {
            await using var server = await RedisServer.StartAsync();
            await using var proxy = new TcpProxy(server.Port);
            await RunAsync([server], server.Configuration, proxy);
        }

        async Task RunAsync(RedisServer[] servers, string configuration, TcpProxy? proxy)
        {
            await using var group = await NodeGroup.StartAsync(
                servers, configuration, proxy, "chaos", "traffic", Nodes, ("tiers", tiers), ("delivery", DeliveryMilliseconds));
            await group.DisturbAsync(_duration, killsNodes: tiers == "disk");
            await group.StopAsync();
            output.WriteLine($"{topology}, {tiers}: {group}");
            group.Table[Counter.Violations].Should().Be(0, group.Output);
            group.Table[Counter.Exceptions].Should().Be(0, group.Output);
            group.Table[Counter.Hits].Should().BeGreaterThan(100);
        }
    }

    [Fact]
    public async Task A_stamp_taken_when_the_value_is_stored_is_found_out()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        await using var group = await NodeGroup.StartAsync(
            [server], server.Configuration, null, "control", "traffic", Nodes, ("tiers", "redis"), ("delivery", DeliveryMilliseconds), ("break", "stamp"));
        await StoreCalls.EventuallyAsync(() => Task.FromResult(group.Table[Counter.Violations] > 0), "old values are found out", seconds: 60);
        await Task.Delay(_duration - TimeSpan.FromSeconds(3)); // in a soak, for the figure
        await group.StopAsync();
        output.WriteLine(group.ToString());
        group.Table[Counter.Violations].Should().BePositive();
    }
}
