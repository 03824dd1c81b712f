using System.Globalization;
using CacheKit.NodeCheck;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>What <see cref="NodeTrafficTests"/> and <see cref="AccountTests"/> are to find out they do find out. CACHEKIT_SOAK_SECONDS makes it longer, for the figures.</summary>
[Trait("Category", "Soak")]
public sealed class MistakeTests(SharedServers shared, ITestOutputHelper output)
{
    /// <summary>One that makes mistakes, and another that notices.</summary>
    private const int Nodes = 2;

    private static readonly TimeSpan _longer = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) && seconds > 0 ? seconds : 0);

    [Theory]
    [InlineData(Mistake.StampLate)]
    [InlineData(Mistake.LoadManyLate)]
    [InlineData(Mistake.SetManyButOne)]
    [InlineData(Mistake.RemoveManyButOne)]
    public async Task One_in_serving_values_is_found_out(Mistake mistake)
    {
        await using var group = await StartAsync("traffic", mistake, ("delivery", NodeTrafficTests.DeliveryMilliseconds));
        await Waiting.UntilAsync(() => group.Table[Counter.Violations] > 0, what: "it is found out");
        await Task.Delay(_longer);
        await EndAsync(group, mistake);
    }

    [Theory]
    [InlineData(Mistake.AddOver)]
    [InlineData(Mistake.CountTwice)]
    [InlineData(Mistake.CountNothing)]
    [InlineData(Mistake.LockAlways)]
    public async Task One_in_adding_counting_and_locking_is_found_out(Mistake mistake)
    {
        await using var group = await StartAsync("accounts", mistake);
        group.Table.MayGo = true;
        await Waiting.UntilAsync(() => group.Table[Counter.Violations] > 0, what: "it is found out");
        await Waiting.UntilAsync(() => mistake != Mistake.LockAlways || group.Table[Counter.Overlaps] > 0, what: "factories overlap");
        await EndAsync(group, mistake);
    }

    private async Task<NodeGroup> StartAsync(string verb, Mistake mistake, params (string, object)[] options)
    {
        RedisServer.Require();
        return await NodeGroup.StartAsync(
            NodeServers.Of(await shared.SingleAsync()), shared.NextPrefix(), verb, Nodes, [("tiers", "redis"), ("mistake", mistake), .. options]);
    }

    private async Task EndAsync(NodeGroup group, Mistake mistake)
    {
        await group.StopAsync();
        output.WriteLine($"{mistake}: {group}");
        output.WriteLine(group.Output);
    }
}
