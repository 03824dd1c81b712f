using System.Globalization;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;

namespace CacheKit.Redis.Tests.Consistency;

/// <summary>No hit is older than what was invalidated before it, on several nodes, whatever gets lost.</summary>
[Trait("Category", "Soak")]
public sealed class StaleReadTests(SharedServers servers, ITestOutputHelper output)
{
    private static readonly bool _isSoak =
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out _soakSeconds) && _soakSeconds > 0;

    private static readonly double _soakSeconds;
    private static readonly TimeSpan _duration = TimeSpan.FromSeconds(_isSoak ? _soakSeconds : 4);

    [Theory]
    [InlineData(Topology.OneServer, false)]
    [InlineData(Topology.OneServer, true)]
    [InlineData(Topology.Cluster, false)]
    [InlineData(Topology.Cluster, true)]
    public async Task No_hit_is_stale(Topology topology, bool isChaotic)
    {
        var check = await RunAsync(topology, isChaotic, takesStampLate: false, _duration);
        check.Hits.Should().BeGreaterThan(1000);
        check.Populated.Should().BeGreaterThan(100);
        check.Stale.Should().Be(0);
    }

    [Fact]
    public async Task A_stamp_that_is_taken_after_the_factory_is_found_out()
    {
        var check = await RunAsync(Topology.OneServer, isChaotic: false, takesStampLate: true, _isSoak ? _duration : TimeSpan.FromMinutes(1), endsWhenFound: !_isSoak); // in a soak, for the figure
        check.Stale.Should().BePositive();
    }

    private async Task<StaleReadCheck> RunAsync(Topology topology, bool isChaotic, bool takesStampLate, TimeSpan duration, bool endsWhenFound = false)
    {
        RedisServer.Require();
        var prefix = servers.NextPrefix();
        var stores = new RedisStore[3];
        for (var i = 0; i < stores.Length; i++)
        {
            stores[i] = await TestStores.CreateAsync(servers, topology, prefix, TestStores.Context());
        }

        RedisServer[] nodes = topology == Topology.Cluster ? (await servers.ClusterAsync()).Nodes : [await servers.SingleAsync()];
        var clients = new List<RespClient>();
        foreach (var node in nodes)
        {
            clients.Add(await node.ConnectAsync());
        }

        try
        {
            var check = new StaleReadCheck(stores, command => BreakAsync(clients, command), isChaotic, takesStampLate);
            await check.RunAsync(duration, endsWhenFound);
            output.WriteLine($"{topology}, {(isChaotic ? "with losses" : "undisturbed")}{(takesStampLate ? ", stamp taken late" : "")}: {check}");
            return check;
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
            foreach (var store in stores)
            {
                await store.DisposeAsync();
            }
        }
    }

    private static async Task BreakAsync(List<RespClient> clients, object[] command)
    {
        foreach (var client in clients)
        {
            try
            {
                await client.SendAsync(command);
            }
            catch (InvalidOperationException)
            {
                // Another node has that key.
            }
        }
    }
}
