using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.DependencyInjection;

/// <summary>An observer that takes the cache it is to observe would have the container create that cache for ever.</summary>
public sealed class ObserverCycleTests
{
    [Fact]
    public async Task An_observer_that_asks_for_its_own_cache_is_an_error_that_says_so()
    {
        var services = new ServiceCollection();
        services.AddCacheKit(cache => cache.AddObserver<Circular>());
        await using var provider = services.BuildServiceProvider();
        var resolve = () => Task.Run(provider.GetRequiredService<ICache>).WaitAsync(TimeSpan.FromSeconds(30));
        await resolve.Should().ThrowAsync<InvalidOperationException>().WithMessage("*'default'*asks for that same cache*IServiceProvider*");
    }

    [Fact]
    public async Task An_observer_may_ask_for_another_cache()
    {
        var services = new ServiceCollection();
        services.AddCacheKit().AddCacheKit("observed", cache => cache.AddObserver<Circular>());
        await using var provider = services.BuildServiceProvider();
        provider.GetRequiredKeyedService<ICache>("observed").Name.Should().Be("observed");
    }

    private sealed class Circular(ICache cache) : CacheObserver
    {
        public override void OnStaleServed(string cacheName, string key) => cache.Remove(key);
    }
}
