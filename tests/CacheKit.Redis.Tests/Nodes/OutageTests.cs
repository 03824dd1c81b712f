using System.Globalization;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>Redis dies under load and comes back. CACHEKIT_SOAK_SECONDS keeps it away for ten seconds.</summary>
[Trait("Category", "Soak")]
public sealed class OutageTests(ITestOutputHelper output)
{
    private static readonly bool _isSoak =
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) && seconds > 0;

    /// <summary>How long Redis is away.</summary>
    private static readonly TimeSpan _outage = TimeSpan.FromSeconds(_isSoak ? 10 : 3);

    /// <summary>
    /// The cache waits 250 ms for Redis. Whoever waited for anything else would wait until it is back, or for the client's limit, which is longer; and it would not be one in a hundred. What is in between is
    /// for processors that have other things to do, beyond the longest time a process was seen to wait for one.
    /// </summary>
    private const long LongestReadMicroseconds = 2_000_000;

    [Theory]
    [InlineData("redis")]
    [InlineData("memory")]
    public async Task Callers_see_neither_exceptions_nor_long_waits_and_afterwards_the_nodes_agree(string tiers)
    {
        const int Delivery = 4000;
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        await using var group = await NodeGroup.StartAsync(
            NodeServers.Of(server), "outage", "traffic", nodes: 3, ("tiers", tiers), ("delivery", Delivery), ("limit", 20_000));
        var table = group.Table;
        await Waiting.UntilAsync(() => table[Counter.Hits] > 1000, what: "there is traffic");
        Counter[] measured = [Counter.Gets, Counter.SlowGets, Counter.LongestRead, Counter.LongestPause];
        Array.ForEach(measured, table.ResetCounter);

        await server.KillAsync();
        await Task.Delay(_outage);
        var (reads, gets, slow, longest, pause) = (table[Counter.Reads], table[Counter.Gets], table[Counter.SlowGets], table[Counter.LongestRead], table[Counter.LongestPause]);
        await server.LaunchAsync();
        var delivered = table[Counter.Delivered];
        await Waiting.UntilAsync(() => table[Counter.Delivered] > delivered + 100, what: "Redis is told again what changes");
        await Waiting.UntilAsync(() => table[Counter.Reads] > reads + 2000, what: "values are read");
        await Task.Delay(Delivery + 1000); // so that what was changed after its return had to be followed
        await group.StopAsync();

        output.WriteLine($"{tiers}: {group}; during the outage {slow} of {gets} gets slow, the longest {longest / 1000.0:N0} ms, with pauses of {pause / 1000.0:N0} ms");
        table[Counter.Exceptions].Should().Be(0, group.Output);
        table[Counter.Violations].Should().Be(0, group.Output);
        longest.Should().BeLessThan(LongestReadMicroseconds + pause);
        (slow * 100).Should().BeLessThan(gets);
        table[Counter.Undelivered].Should().BePositive();
    }
}
