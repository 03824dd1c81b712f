using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.Adapters;

/// <summary>Which cache an application gets for which interface and key.</summary>
public sealed class AdapterRegistrationTests
{
    private readonly ServiceCollection _services = [];

    [Fact]
    public async Task A_named_cache_stands_in_under_its_name_beside_the_default_one()
    {
        _services.AddCacheKit(cache => cache.AsDistributedCache()).AddCacheKit("products", cache => cache.AsDistributedCache()).AddCacheKit("orders");
        await using var provider = _services.BuildServiceProvider();
        provider.GetRequiredService<IDistributedCache>().Set("k", [1], new());
        provider.GetRequiredKeyedService<IDistributedCache>("products").Set("k", [2], new());

        (await provider.GetRequiredService<ICache>().GetAsync<byte[]>("k")).Value.Should().Equal(1);
        (await provider.GetRequiredKeyedService<ICache>("products").GetAsync<byte[]>("k")).Value.Should().Equal(2);
        provider.GetRequiredKeyedService<IBufferDistributedCache>("products").Get("k").Should().Equal(2);
        provider.GetKeyedService<IDistributedCache>("orders").Should().BeNull("nobody asked for it");
    }

    [Fact]
    public async Task Hybrid_caches_stand_side_by_side_too_each_with_its_own_options()
    {
        _services
            .AddCacheKit(cache => cache.AsHybridCache(options => options.MaximumKeyLength = 3))
            .AddCacheKit("products", cache => cache.AsHybridCache());
        await using var provider = _services.BuildServiceProvider();
        var (first, second) = (provider.GetRequiredService<HybridCache>(), provider.GetRequiredKeyedService<HybridCache>("products"));
        await first.SetAsync("k", 1, tags: ["t"]);
        await second.SetAsync("k", 2, tags: ["t"]);
        await first.SetAsync("long", 1);
        await second.SetAsync("long", 2);
        await first.RemoveByTagAsync("t");
        (await first.GetOrCreateAsync("k", _ => ValueTask.FromResult(3))).Should().Be(3);
        (await second.GetOrCreateAsync("k", _ => ValueTask.FromResult(3))).Should().Be(2);
        (await first.GetOrCreateAsync("long", _ => ValueTask.FromResult(3))).Should().Be(3, "it is too long for this one");
        (await second.GetOrCreateAsync("long", _ => ValueTask.FromResult(3))).Should().Be(2);
        await second.RemoveByTagAsync("*");
        (await first.GetOrCreateAsync("k", _ => ValueTask.FromResult(4))).Should().Be(3);
    }

    [Fact]
    public async Task One_cache_stands_in_for_both_interfaces_at_once()
    {
        _services.AddCacheKit(cache => cache.AsHybridCache().AsDistributedCache());
        await using var provider = _services.BuildServiceProvider();
        provider.GetRequiredService<IDistributedCache>().Set("k", [1], new());
        (await provider.GetRequiredService<HybridCache>().GetOrCreateAsync("k", _ => ValueTask.FromResult<byte[]>([2]))).Should().Equal(1);
        await provider.GetRequiredService<HybridCache>().RemoveByTagAsync("*");
        provider.GetRequiredService<IDistributedCache>().Get("k").Should().BeNull();
    }

    [Fact]
    public async Task The_distributed_cache_that_is_registered_serves_a_cache_that_stands_in_under_its_name()
    {
        _services.AddDistributedMemoryCache();
        _services.AddCacheKit("products", cache => cache.UseDistributedCache().AsDistributedCache().AsHybridCache());
        await using var provider = _services.BuildServiceProvider();
        provider.GetRequiredKeyedService<IDistributedCache>("products").Set("k", [1], new());
        provider.GetRequiredService<IDistributedCache>().Should().BeOfType<MemoryDistributedCache>();
        (await provider.GetRequiredService<IDistributedCache>().GetAsync("cachekit:products:e:k")).Should().NotBeNull();
    }

    [Fact]
    public async Task A_named_cache_alone_leaves_the_unkeyed_service_alone()
    {
        _services.AddCacheKit("products", cache => cache.AsDistributedCache());
        await using var provider = _services.BuildServiceProvider();
        provider.GetService<IDistributedCache>().Should().BeNull();
    }

    [Fact]
    public async Task It_is_what_is_injected_wherever_the_platforms_own_is_registered()
    {
        _services.AddSingleton<IDistributedCache>(new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions())));
        _services.AddCacheKit(cache => cache.AsDistributedCache());
        _services.AddDistributedMemoryCache();
        await using var provider = _services.BuildServiceProvider();
        provider.GetRequiredService<IDistributedCache>().Should().NotBeOfType<MemoryDistributedCache>();
    }

    [Fact]
    public async Task Asked_for_twice_it_is_still_one()
    {
        _services.AddCacheKit(cache => cache.AsDistributedCache().AsDistributedCache());
        await using var provider = _services.BuildServiceProvider();
        provider.GetServices<IDistributedCache>().Distinct().Should().ContainSingle();
    }

    [Fact]
    public async Task It_does_not_own_the_cache()
    {
        _services.AddCacheKit(cache => cache.AsDistributedCache());
        var provider = _services.BuildServiceProvider();
        var adapter = provider.GetRequiredService<IDistributedCache>();
        adapter.Should().NotBeAssignableTo<IDisposable>().And.NotBeAssignableTo<IAsyncDisposable>();
        await provider.DisposeAsync();
        adapter.Invoking(cache => cache.Get("k")).Should().Throw<ObjectDisposedException>();
    }
}
