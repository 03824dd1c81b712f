using System.Globalization;
using CacheKit.NodeCheck;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Several processes use one Redis while it, the network and they themselves fail; every value they are given is judged. CACHEKIT_SOAK_SECONDS makes it longer.</summary>
[Trait("Category", "Soak")]
public sealed class NodeTrafficTests(SharedServers shared, ITestOutputHelper output)
{
    private const int Nodes = 3;

    /// <summary>One, and another that notices.</summary>
    private const int NodesToNotice = 2;

    private static readonly bool _isSoak =
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out _soakSeconds) && _soakSeconds > 0;

    private static readonly double _soakSeconds;
    private static readonly TimeSpan _duration = TimeSpan.FromSeconds(_isSoak ? _soakSeconds : 2);

    /// <summary>
    /// Within which memory, and callers that join others, follow what another node has changed: three heartbeats of 250 ms that stay away, one more for a number that is missing, a second that it may
    /// serve what it cannot ask about, and as much again, because the processors are busy.
    /// </summary>
    private const double DeliveryMilliseconds = 4000;

    /// <summary>Of the messages of other nodes so many are not heard, though the connection stands.</summary>
    private const int LostPercent = 3;

    [Theory]
    [InlineData("redis")]
    [InlineData("memory")]
    [InlineData("disk")]
    public Task Whatever_befalls_a_server_no_node_serves_what_it_must_not(string tiers) => RunAsync(Topology.OneServer, tiers);

    [Theory]
    [InlineData("redis")]
    [InlineData("memory")]
    [InlineData("disk")]
    public Task Whatever_befalls_a_cluster_no_node_serves_what_it_must_not(string tiers) => RunAsync(Topology.Cluster, tiers);

    [Theory]
    [InlineData(Mistake.StampLate)]
    [InlineData(Mistake.LoadManyLate)]
    [InlineData(Mistake.SetManyButOne)]
    [InlineData(Mistake.RemoveManyButOne)]
    public async Task A_mistake_is_found_out(Mistake mistake)
    {
        RedisServer.Require();
        await using var servers = NodeServers.Of(await shared.SingleAsync());
        await using var group = await NodeGroup.StartAsync(
            servers, shared.NextPrefix(), "traffic", NodesToNotice, ("tiers", "redis"), ("delivery", DeliveryMilliseconds), ("mistake", mistake));
        await Waiting.UntilAsync(() => group.Table[Counter.Violations] > 0, what: "it is found out");
        await Task.Delay(_isSoak ? _duration : TimeSpan.Zero); // for the figure
        await group.StopAsync();
        output.WriteLine($"{mistake}: {group}");
        output.WriteLine(group.Output);
    }

    private async Task RunAsync(Topology topology, string tiers)
    {
        RedisServer.Require();
        await using var servers = await NodeServers.StartAsync(topology);
        await using var group = await NodeGroup.StartAsync(
            servers, "chaos", "traffic", Nodes, ("tiers", tiers), ("delivery", DeliveryMilliseconds), ("lost", LostPercent));
        await group.DisturbAsync(_duration, Harms.Losses | (tiers == "disk" ? Harms.DeathOfNodes : Harms.Interruptions), longestPause: _isSoak ? 150 : 40);
        await group.StopAsync();
        output.WriteLine($"{topology}, {tiers}: {group}");
        group.Table[Counter.Violations].Should().Be(0, group.Output);
        group.Table[Counter.Exceptions].Should().Be(0, group.Output);
        group.Table[Counter.Hits].Should().BeGreaterThan(100);
    }
}
