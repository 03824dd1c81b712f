using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests;

/// <summary>The interfaces of the platform, on caches of two nodes that share a real server.</summary>
public sealed class AdapterTests(SharedServers servers)
{
    [Fact]
    public async Task Hybrid_caches_of_two_nodes_share_values_and_follow_removals()
    {
        RedisServer.Require();
        var prefix = servers.NextPrefix();
        await using ServiceProvider here = await NodeAsync(prefix, cache => cache.AsHybridCache()), there = await NodeAsync(prefix, cache => cache.AsHybridCache());
        var (one, other) = (here.GetRequiredService<HybridCache>(), there.GetRequiredService<HybridCache>());
        var runs = 0;
        ValueTask<int> GetAsync(HybridCache cache) => cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(Interlocked.Increment(ref runs)), tags: ["t"]);

        (await GetAsync(one)).Should().Be(1);
        (await GetAsync(other)).Should().Be(1);
        await one.RemoveByTagAsync("t");
        (await GetAsync(one)).Should().BeGreaterThan(1);
        await Waiting.UntilAsync(async () => await GetAsync(other) > 1, what: "memory follows a removal by tag");
        (await GetAsync(other)).Should().Be(await GetAsync(one));
        var last = runs;
        await other.RemoveByTagAsync("*");
        (await GetAsync(other)).Should().BeGreaterThan(last);
        await Waiting.UntilAsync(async () => await GetAsync(one) > last, what: "memory follows a removal of everything");
    }

    [Fact]
    public async Task Bytes_that_one_node_sets_are_those_that_another_gets()
    {
        RedisServer.Require();
        var prefix = servers.NextPrefix();
        await using ServiceProvider here = await NodeAsync(prefix, cache => cache.AsDistributedCache()), there = await NodeAsync(prefix, cache => cache.AsDistributedCache());
        var (one, other) = (here.GetRequiredService<IDistributedCache>(), there.GetRequiredService<IDistributedCache>());
        foreach (var length in new[] { 0, 1, 128, 1024, 1 << 20 })
        {
            var bytes = new byte[length];
            new Random(length).NextBytes(bytes);
            await one.SetAsync($"{length}", bytes, new() { SlidingExpiration = TimeSpan.FromMinutes(1), AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) });
            (await other.GetAsync($"{length}")).Should().Equal(bytes);
            other.Get($"{length}").Should().Equal(bytes);
        }

        await one.SetAsync("lone \ud800 surrogate", [1], new());
        await other.RefreshAsync("lone \ud800 surrogate");
        (await other.GetAsync("lone \ud800 surrogate")).Should().Equal(1);
        await one.RemoveAsync("1");
        one.Get("1").Should().BeNull();
        await Waiting.UntilAsync(async () => await other.GetAsync("1") is null, what: "memory follows a removal");
        await one.SetAsync("brief", [1], new() { AbsoluteExpirationRelativeToNow = TimeSpan.FromMilliseconds(200) });
        await Waiting.UntilAsync(async () => await other.GetAsync("brief") is null, what: "its time ends");
    }

    [Fact]
    public async Task A_response_that_one_node_has_made_is_served_by_another_until_its_tag_is_evicted()
    {
        RedisServer.Require();
        var prefix = servers.NextPrefix();
        var runs = 0;
        using IHost here = await ApplicationAsync(), there = await ApplicationAsync();
        await WarmUpAsync(here.Services.GetRequiredKeyedService<ICache>("pages"));
        await WarmUpAsync(there.Services.GetRequiredKeyedService<ICache>("pages"));

        (await GetAsync(here)).Should().Be("1");
        (await GetAsync(there)).Should().Be("1");
        await here.Services.GetRequiredService<IOutputCacheStore>().EvictByTagAsync("products", default);
        (await GetAsync(here)).Should().Be("2");
        await Waiting.UntilAsync(async () => await GetAsync(there) == "2", what: "memory follows an eviction by tag");
        runs.Should().Be(2);

        static Task<string> GetAsync(IHost host) => host.GetTestClient().GetStringAsync(new Uri("/", UriKind.Relative));

        async Task<IHost> ApplicationAsync()
        {
            var configuration = (await servers.SingleAsync()).Configuration;
            return await new HostBuilder().ConfigureWebHost(web => web
                .UseTestServer()
                .ConfigureServices(services => services
                    .AddCacheKit("pages", cache => cache.UseMemory().UseRedis(configuration, redis => redis.KeyPrefix = prefix))
                    .AddCacheKitOutputCache("pages", options => options.AddBasePolicy(policy => policy.Tag("products"))))
                .Configure(application => application
                    .UseOutputCache()
                    .Run(context => context.Response.WriteAsync($"{Interlocked.Increment(ref runs)}")))).StartAsync();
        }
    }

    private async Task<ServiceProvider> NodeAsync(string prefix, Action<CacheKitBuilder> adapt)
    {
        var configuration = (await servers.SingleAsync()).Configuration;
        var provider = new ServiceCollection()
            .AddCacheKit(cache => adapt(cache.UseMemory().UseRedis(configuration, redis => redis.KeyPrefix = prefix)))
            .BuildServiceProvider();
        await WarmUpAsync(provider.GetRequiredService<ICache>());
        return provider;
    }

    // Until the connection is there, the cache does without.
    private static Task WarmUpAsync(ICache cache) => Waiting.UntilAsync(async () =>
    {
        await cache.SetAsync("warm", 1);
        return cache.GetStatistics().Tiers.Any(tier => tier.Writes > 0);
    }, what: "Redis is used");
}
