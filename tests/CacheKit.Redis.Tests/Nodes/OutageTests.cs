using System.Globalization;
using CacheKit.NodeCheck;
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

    /// <summary>Those with memory and those without live through the same outage.</summary>
    [Fact]
    public async Task Callers_see_neither_exceptions_nor_long_waits_and_afterwards_the_nodes_agree()
    {
        const int Delivery = 4000;
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        var starting = new[] { "memory", "redis" }.Select(
            tiers => NodeGroup.StartAsync(NodeServers.Of(server), tiers, "traffic", nodes: 2, ("tiers", tiers), ("delivery", Delivery), ("limit", 20_000))).ToList();
        var groups = await Task.WhenAll(starting);
        await using var first = groups[0];
        await using var second = groups[1];
        await AllAsync(groups, static table => table[Counter.Hits] > 1000, "there is traffic");
        foreach (var group in groups)
        {
            Array.ForEach([Counter.Gets, Counter.SlowGets, Counter.LongestRead, Counter.LongestPause], group.Table.ResetCounter);
        }

        await server.KillAsync();
        await Task.Delay(_outage);
        var outages = Array.ConvertAll(groups, static group => new Outage(group.Table));
        await server.LaunchAsync();
        var delivered = groups.ToDictionary(static group => group.Table, static group => group.Table[Counter.Delivered]);
        await AllAsync(groups, table => table[Counter.Delivered] > delivered[table] + 100, "Redis is told again what changes");
        var reads = groups.ToDictionary(static group => group.Table, static group => group.Table[Counter.Reads]);
        await AllAsync(groups, table => table[Counter.Reads] > reads[table] + 2000, "values are read");
        await Task.Delay(Delivery + 1000); // so that what was changed after its return had to be followed
        foreach (var (group, outage) in groups.Zip(outages))
        {
            await group.StopAsync();
            output.WriteLine($"{group}; during the outage {outage}");
            group.Table[Counter.Exceptions].Should().Be(0, group.Output);
            group.Table[Counter.Violations].Should().Be(0, group.Output);
            outage.LongestRead.Should().BeLessThan(LongestReadMicroseconds + outage.LongestPause);

            // A machine that leaves whole processes waiting makes more of them slow.
            (outage.SlowGets * (outage.LongestPause < LongestReadMicroseconds / 8 ? 100 : 10)).Should().BeLessThan(outage.Gets);
            group.Table[Counter.Undelivered].Should().BePositive();
        }
    }

    private static Task AllAsync(NodeGroup[] groups, Func<NodeTable, bool> holds, string what) =>
        Waiting.UntilAsync(() => Array.TrueForAll(groups, group => holds(group.Table)), what: what);

    /// <summary>How callers fared while it lasted.</summary>
    private sealed record Outage(long Gets, long SlowGets, long LongestRead, long LongestPause)
    {
        internal Outage(NodeTable table)
            : this(table[Counter.Gets], table[Counter.SlowGets], table[Counter.LongestRead], table[Counter.LongestPause])
        {
        }

        public override string ToString() => $"{SlowGets} of {Gets} gets slow, the longest {LongestRead / 1000.0:N0} ms, with pauses of {LongestPause / 1000.0:N0} ms";
    }
}
