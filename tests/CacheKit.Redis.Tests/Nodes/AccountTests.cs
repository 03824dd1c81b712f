using System.Globalization;
using CacheKit.NodeCheck;
using CacheKit.Redis.Tests.Rig;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Several processes add, count and lock: what comes out is exact while nothing fails, and within bounds while something does. CACHEKIT_SOAK_SECONDS makes it longer.</summary>
[Trait("Category", "Soak")]
public sealed class AccountTests(SharedServers shared, ITestOutputHelper output)
{
    private const int Nodes = 3;

    private static readonly TimeSpan _duration = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) && seconds > 0 ? seconds : 1.5);

    [Theory]
    [InlineData(Topology.OneServer, "redis")]
    [InlineData(Topology.OneServer, "memory")]
    [InlineData(Topology.Cluster, "disk")]
    public async Task What_is_added_counted_and_locked_comes_out_exactly(Topology topology, string tiers)
    {
        RedisServer.Require();
        await using var servers = await NodeServers.StartAsync(topology, shared);
        await using var group = await NodeGroup.StartAsync(servers, "exact", "accounts", Nodes, ("tiers", tiers), ("patience", 10_000));
        group.Table.MayGo = true;
        await Task.Delay(_duration);
        await group.StopAsync();
        output.WriteLine($"{topology}, {tiers}: {group}");
        Judge(group);
        group.Table[Counter.Failures].Should().Be(0, "else it would have been judged by bounds");
        group.Table[Counter.Overlaps].Should().Be(0, "nodes take turns");
        for (var number = 0; number < AccountTable.Numbers; number++)
        {
            group.Accounts.Counted(number).Should().BePositive().And.Be(group.Accounts.Tried(number));
            group.Accounts.Greatest(number).Should().Be(group.Accounts.Tried(number), "each is counted once");
        }
    }

    [Theory]
    [InlineData(Topology.OneServer)]
    [InlineData(Topology.Cluster)]
    public async Task While_connections_fail_it_stays_within_bounds(Topology topology)
    {
        RedisServer.Require();
        await using var servers = await NodeServers.StartAsync(topology, shared);

        // Who was given a turn and is cut off before he can end it keeps the others waiting for its lease: not for longer than the test goes on.
        await using var group = await NodeGroup.StartAsync(servers, "bounds", "accounts", Nodes, ("tiers", "redis"), ("patience", 1_000), ("lease", 1_000));
        group.Table.MayGo = true;
        await group.DisturbAsync(_duration, Harms.Interruptions, longestPause: 150);
        await group.StopAsync();
        output.WriteLine($"{topology}: {group}");
        Judge(group);
        for (var number = 0; number < AccountTable.Numbers; number++)
        {
            output.WriteLine($"number {number}: tried {group.Accounts.Tried(number)} times, answered {group.Accounts.Counted(number)} times, greatest {group.Accounts.Greatest(number)}");
            group.Accounts.Greatest(number).Should().BeInRange(group.Accounts.Counted(number), group.Accounts.Tried(number));
        }
    }

    private static void Judge(NodeGroup group)
    {
        group.Table[Counter.Violations].Should().Be(0, group.Output);
        group.Table[Counter.Exceptions].Should().Be(0, group.Output);
        group.Table[Counter.Changes].Should().BePositive();
        group.Table[Counter.Counts].Should().BePositive();
        group.Table[Counter.Locks].Should().BePositive();
    }
}
