using System.Globalization;
using CacheKit.NodeCheck;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Several processes use one Redis while it, the network and they themselves fail; every value they are given is judged. CACHEKIT_SOAK_SECONDS makes it longer.</summary>
[Trait("Category", "Soak")]
public abstract class NodeTrafficTests(SharedServers shared, Topology topology, ITestOutputHelper output)
{
    private const int Nodes = 3;

    private static readonly bool _isSoak =
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out _soakSeconds) && _soakSeconds > 0;

    private static readonly double _soakSeconds;
    private static readonly TimeSpan _duration = TimeSpan.FromSeconds(_isSoak ? _soakSeconds : 2);

    /// <summary>
    /// Within which memory, and callers that join others, follow what another node has changed: three heartbeats of 250 ms that stay away, one more for a number that is missing, a second that it may
    /// serve what it cannot ask about, and as much again, because the processors are busy.
    /// </summary>
    internal const double DeliveryMilliseconds = 4000;

    /// <summary>Of the messages of other nodes so many are not heard, though the connection stands.</summary>
    private const int LostPercent = 3;

    [Theory]
    [InlineData("redis")]
    [InlineData("memory")]
    [InlineData("disk")]
    public async Task Whatever_befalls_it_no_node_serves_what_it_must_not(string tiers)
    {
        RedisServer.Require();
        await using var servers = await NodeServers.StartAsync(topology, shared);
        await using var group = await NodeGroup.StartAsync(
            servers, "chaos", "traffic", Nodes, ("tiers", tiers), ("delivery", DeliveryMilliseconds), ("lost", LostPercent));
        await group.DisturbAsync(_duration, Harms.Losses | (tiers == "disk" ? Harms.DeathOfNodes : Harms.Interruptions), longestPause: _isSoak ? 150 : 40);
        await group.StopAsync();
        output.WriteLine($"{topology}, {tiers}: {group}");
        group.Table[Counter.Violations].Should().Be(0, group.Output);
        group.Table[Counter.Exceptions].Should().Be(0, group.Output);
        group.Table[Counter.Hits].Should().BeGreaterThan(100);
    }

    /// <summary>On a server of their own.</summary>
    public sealed class OnOneServer(SharedServers shared, ITestOutputHelper output) : NodeTrafficTests(shared, Topology.OneServer, output);

    /// <summary>On a cluster of their own.</summary>
    public sealed class OnCluster(SharedServers shared, ITestOutputHelper output) : NodeTrafficTests(shared, Topology.Cluster, output);
}
