using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>What a node did not hear of while its connection was bad it does not go on serving from memory.</summary>
public sealed class InterruptionTests : IAsyncLifetime
{
    private RedisServer _server = null!;
    private TcpProxy _proxy = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
        _proxy = new(_server.Port);
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("cut", 10_000)]
    [InlineData("cut", 0)]
    [InlineData("half-open", 10_000)]
    [InlineData("half-open", 0)]
    [InlineData("subscription killed", 0)]
    public async Task What_was_removed_meanwhile_is_gone_once_the_connection_is_there_again(string how, int logLength)
    {
        await using var cutOff = await TestNode.CreateAsync(_proxy.Configuration, "p", logLength: logLength, isPatient: false);
        await using var other = await TestNode.CreateAsync(_server.Configuration, "p", logLength: logLength);
        await other.SetAsync("removed", 1);
        await other.SetAsync("tagged", 1, new CacheEntryOptions { Tags = ["t"] });
        await other.SetAsync("stays", 1);
        string[] keys = ["removed", "tagged", "stays"];
        await Waiting.UntilAsync(
            async () =>
            {
                var before = cutOff.GetStatistics().Tiers[^1].Hits;
                var isThere = true;
                foreach (var key in keys)
                {
                    isThere &= (await cutOff.GetAsync<int>(key)).IsHit;
                }

                return isThere && cutOff.GetStatistics().Tiers[^1].Hits == before;
            }, what: "all is in memory, and trusted");

        switch (how)
        {
            case "cut":
                _proxy.IsClosed = true;
                _proxy.Cut();
                break;
            case "half-open":
                _proxy.HalfOpen();
                break;
            default:
                await _server.SendAsync("CLIENT", "KILL", "TYPE", "pubsub");
                break;
        }

        await other.RemoveAsync("removed");
        await other.RemoveByTagAsync("t");
        _proxy.IsClosed = false;

        // Long before it need not serve any more what it cannot ask about: so it was asked about.
        await Waiting.UntilAsync(
            async () => !(await cutOff.GetAsync<int>("removed")).IsHit && !(await cutOff.GetAsync<int>("tagged")).IsHit, what: "it follows");
        await Waiting.UntilAsync(async () => (await cutOff.GetAsync<int>("stays")).IsHit, what: "what was not removed is confirmed");
    }
}
