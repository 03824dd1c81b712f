using System.Globalization;
using CacheKit.Redis.Tests.Rig;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Redis dies under load and comes back. CACHEKIT_SOAK_SECONDS keeps it away for ten seconds.</summary>
[Trait("Category", "Soak")]
public sealed class OutageTests(ITestOutputHelper output)
{
    private static readonly bool _isSoak =
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) && seconds > 0;

    /// <summary>The cache waits 250 ms for Redis; the rest is for timers that come late, beyond the longest time a process was seen to wait for the processor.</summary>
    private const long LongestReadMicroseconds = 500_000;

    [Theory]
    [InlineData("redis")]
    [InlineData("memory")]
    public async Task Callers_see_neither_exceptions_nor_long_waits_and_afterwards_the_nodes_agree(string tiers)
    {
        const int Delivery = 4000;
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        await using var group = await NodeGroup.StartAsync(
            NodeServers.Of(server), "outage", "traffic", nodes: 3, ("tiers", tiers), ("delivery", Delivery));
        var table = group.Table;
        await StoreCalls.EventuallyAsync(() => Task.FromResult(table[Counter.Hits] > 1000), "there is traffic", seconds: 60);
        table.ResetCounter(Counter.LongestRead);
        table.ResetCounter(Counter.LongestPause);

        await server.KillAsync();
        await Task.Delay(_isSoak ? 10_000 : 3000); // the length of the outage
        var (reads, longest, pause) = (table[Counter.Reads], table[Counter.LongestRead], table[Counter.LongestPause]);
        await server.LaunchAsync();
        var delivered = table[Counter.Delivered];
        await StoreCalls.EventuallyAsync(() => Task.FromResult(table[Counter.Delivered] > delivered + 100), "Redis is told again what changes", seconds: 60);
        await StoreCalls.EventuallyAsync(() => Task.FromResult(table[Counter.Reads] > reads + 2000), "values are read", seconds: 60);
        await Task.Delay(Delivery + 1000); // so that what was changed after its return had to be followed
        await group.StopAsync();

        output.WriteLine($"{tiers}: {group}; during the outage {longest / 1000.0:N0} ms, with pauses of {pause / 1000.0:N0} ms");
        table[Counter.Exceptions].Should().Be(0, group.Output);
        table[Counter.Violations].Should().Be(0, group.Output);
        longest.Should().BeLessThan(LongestReadMicroseconds + pause);
        table[Counter.Undelivered].Should().BePositive();
    }
}
