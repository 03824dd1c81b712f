using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.DependencyInjection;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests;

/// <summary>Applications as users write them: memory before Redis, several nodes.</summary>
public sealed class EndToEndTests(SharedServers servers)
{
    [Theory]
    [InlineData(Topology.OneServer)]
    [InlineData(Topology.Cluster)]
    public async Task What_one_node_changes_the_others_see(Topology topology)
    {
        RedisServer.Require();
        var prefix = servers.NextPrefix();
        var configuration = topology == Topology.Cluster ? (await servers.ClusterAsync()).Configuration : (await servers.SingleAsync()).Configuration;
        await using var here = Node();
        await using var there = Node();
        var (one, other) = (here.GetRequiredService<ICache>(), there.GetRequiredService<ICache>());
        await WarmUpAsync(one);
        await WarmUpAsync(other);

        (await one.GetOrCreateAsync("k", _ => new ValueTask<string>("1"), new CacheEntryOptions { Tags = ["t"] })).Should().Be("1");
        (await other.GetOrCreateAsync("k", _ => new ValueTask<string>("never"))).Should().Be("1");

        await one.SetAsync("k", "2", new CacheEntryOptions { Tags = ["t"] });
        await Waiting.UntilAsync(async () => (await other.GetAsync<string>("k")).GetValueOrDefault() == "2", what: "memory follows a set");

        await one.RemoveByTagAsync("t");
        await Waiting.UntilAsync(async () => !(await other.GetAsync<string>("k")).IsHit, what: "memory follows a removal by tag");

        await one.SetAsync("k", "3");
        await Waiting.UntilAsync(async () => (await other.GetAsync<string>("k")).GetValueOrDefault() == "3", what: "it is there again");
        await other.RemoveAsync("k");
        await Waiting.UntilAsync(async () => !(await one.GetAsync<string>("k")).IsHit, what: "memory follows a removal");

        await one.SetAsync("k", "4");
        await Waiting.UntilAsync(async () => (await other.GetAsync<string>("k")).GetValueOrDefault() == "4", what: "it is there again");
        await other.ClearAsync();
        await Waiting.UntilAsync(async () => !(await one.GetAsync<string>("k")).IsHit, what: "memory follows a clear");

        (await one.IncrementAsync("n")).Should().Be(1);
        (await other.IncrementAsync("n")).Should().Be(2);

        ServiceProvider Node() => new ServiceCollection()
            .AddCacheKit(cache => cache.UseMemory().UseRedis(configuration, redis => redis.KeyPrefix = prefix))
            .BuildServiceProvider();

        // Until the connection is there, the cache does without.
        Task WarmUpAsync(ICache cache) => Waiting.UntilAsync(async () =>
        {
            await cache.SetAsync("warm", 1);
            return cache.GetStatistics().Tiers.Any(tier => tier.Writes > 0);
        }, what: "Redis is used");
    }

    [Fact]
    public async Task An_application_without_redis_works_all_the_same()
    {
        await using var provider = new ServiceCollection()
            .AddCacheKit(cache => cache.UseRedis($"127.0.0.1:{RedisServer.FreePort()},connectTimeout=500"))
            .BuildServiceProvider();
        var cache = provider.GetRequiredService<ICache>();
        (await cache.GetOrCreateAsync("k", _ => new ValueTask<int>(42))).Should().Be(42);
        (await cache.GetOrCreateAsync("k", _ => new ValueTask<int>(43))).Should().Be(42);
    }
}
