using System.Diagnostics;
using CacheKit.Redis.Tests.Rig;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>With the distributed lock on, many callers in many processes make a missing value once.</summary>
public sealed class StampedeTests(SharedServers servers, ITestOutputHelper output)
{
    private const int CallersPerNode = 250;

    [Fact]
    public async Task A_thousand_callers_in_four_processes_run_one_factory()
    {
        RedisServer.Require();
        var server = await servers.SingleAsync();
        await using var group = await NodeGroup.StartAsync(NodeServers.Of(server), servers.NextPrefix(), "stampede", nodes: 4);
        var began = Stopwatch.GetTimestamp();
        group.Table.MayGo = true;
        await EndAsync(group);
        output.WriteLine($"{group.Table[Counter.Callers]} callers, {group.Table[Counter.Factories]} factories, {Stopwatch.GetElapsedTime(began).TotalMilliseconds:N0} ms until all processes had ended");
        group.Table[Counter.Callers].Should().Be(4 * CallersPerNode);
        group.Table[Counter.Factories].Should().Be(1);
    }

    [Fact]
    public async Task When_the_process_that_makes_the_value_is_killed_the_others_go_on()
    {
        RedisServer.Require();
        var server = await servers.SingleAsync();
        var prefix = servers.NextPrefix();
        await using var holder = await NodeGroup.StartAsync(NodeServers.Of(server), prefix, "hold", nodes: 1);
        await using var group = await NodeGroup.StartAsync(NodeServers.Of(server), prefix, "stampede", nodes: 3);
        group.Table.MayGo = true;
        await holder.Nodes[0].KillAsync();
        var began = Stopwatch.GetTimestamp();
        await EndAsync(group);

        // The lease of a lock that nobody extends is two seconds; those who wait for it, and do not give up for ten, go on by turns.
        var took = Stopwatch.GetElapsedTime(began);
        output.WriteLine($"{group.Table[Counter.Callers]} callers, {group.Table[Counter.Factories]} factories, {took.TotalMilliseconds:N0} ms after the kill all had ended");
        group.Table[Counter.Callers].Should().Be(3 * CallersPerNode);
        group.Table[Counter.Factories].Should().Be(1);
    }

    private static async Task EndAsync(NodeGroup group)
    {
        foreach (var node in group.Nodes)
        {
            (await node.EndAsync(TimeSpan.FromSeconds(60))).Should().BeTrue(node.Output);
        }
    }
}
