using CacheKit.Redis.Tests.Rig;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>A process with a disk before Redis that was away does not serve what was removed meanwhile.</summary>
public sealed class RestartTests(SharedServers servers) : IDisposable
{
    private readonly DirectoryInfo _disk = Directory.CreateTempSubdirectory("cachekit-restart-");

    public void Dispose() => _disk.Delete(recursive: true);

    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("all of several tags")]
    [InlineData("set")]
    [InlineData("clear")]
    [InlineData("lost by Redis")]
    public async Task What_was_removed_while_a_process_was_down_is_not_served_from_its_disk(string way)
    {
        RedisServer.Require();
        await using var server = way == "lost by Redis" ? await RedisServer.StartAsync() : null;
        var configuration = (server ?? await servers.SingleAsync()).Configuration;
        var prefix = servers.NextPrefix();
        await using (var first = await TestNode.CreateAsync(configuration, prefix, _disk.FullName))
        {
            (await first.GetOrCreateAsync("k", _ => ValueTask.FromResult(1), new CacheEntryOptions { Tags = ["t", "u"] })).Should().Be(1);
            (await first.GetOrCreateAsync("stays", _ => ValueTask.FromResult(1), new CacheEntryOptions { Tags = ["t"] })).Should().Be(1);
        }

        await using (var other = await TestNode.CreateAsync(configuration, prefix))
        {
            switch (way)
            {
                case "key":
                    await other.RemoveAsync("k");
                    break;
                case "tag":
                    await other.RemoveByTagAsync("u");
                    break;
                case "all of several tags":
                    await other.RemoveByTagsAsync(["t", "u"], TagMatch.All);
                    break;
                case "set":
                    await other.SetAsync("k", 2);
                    break;
                case "clear":
                    await other.ClearAsync();
                    break;
                default:
                    await server!.SendAsync("FLUSHALL"); // started for this
                    break;
            }
        }

        await using var again = await TestNode.CreateAsync(configuration, prefix, _disk.FullName);
        (await again.GetAsync<int>("k")).GetValueOrDefault().Should().Be(way == "set" ? 2 : 0);
        (await again.GetOrCreateAsync("k", _ => ValueTask.FromResult(3))).Should().Be(way == "set" ? 2 : 3);
        var hitsOnDisk = again.GetStatistics().Tiers[0].Hits;
        (await again.GetAsync<int>("stays")).IsHit.Should().Be(way is not "clear" and not "lost by Redis");
        if (way is not "clear" and not "lost by Redis")
        {
            again.GetStatistics().Tiers[0].Hits.Should().Be(hitsOnDisk + 1, "what is still right comes from the disk");
        }
    }
}
