using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.Tests.DependencyInjection;

/// <summary>Which observers a cache gets. What they are told is shown with the engine.</summary>
public sealed class ObserverRegistrationTests
{
    [Fact]
    public void Observers_belong_to_the_cache_they_were_added_to_and_keep_their_order()
    {
        var first = new Watcher();
        var second = new Watcher();
        using var provider = new ServiceCollection()
            .AddCacheKit(cache => cache.AddObserver(first))
            .AddCacheKit("products", cache => cache.AddObserver(second).AddObserver<Watcher>())
            .BuildServiceProvider();
        Observers(provider, "default").Should().Equal(first);
        var products = Observers(provider, "products");
        products.Should().HaveCount(2);
        products[0].Should().BeSameAs(second);
        products[1].Should().BeOfType<Watcher>();
    }

    [Fact]
    public void An_observer_that_is_no_service_is_created_for_each_cache_and_disposed_with_the_provider()
    {
        var provider = new ServiceCollection()
            .AddSingleton("a dependency")
            .AddCacheKit(cache => cache.AddObserver<WithDependency>())
            .AddCacheKit("products", cache => cache.AddObserver<WithDependency>())
            .BuildServiceProvider();
        var one = Observers(provider, "default").Should().ContainSingle().Which.Should().BeOfType<WithDependency>().Subject;
        var other = Observers(provider, "products").Should().ContainSingle().Which.Should().BeOfType<WithDependency>().Subject;
        one.Should().NotBeSameAs(other);
        one.Dependency.Should().Be("a dependency");
        Observers(provider, "default").Should().Equal([one], "it is a singleton");

        provider.Dispose();
        one.IsDisposed.Should().BeTrue();
    }

    [Fact]
    public void An_observer_that_is_a_service_is_that_service()
    {
        using var provider = new ServiceCollection()
            .AddSingleton<Watcher>()
            .AddCacheKit(cache => cache.AddObserver<Watcher>())
            .AddCacheKit("products", cache => cache.AddObserver<Watcher>())
            .BuildServiceProvider();
        var service = provider.GetRequiredService<Watcher>();
        Observers(provider, "default").Should().Equal(service);
        Observers(provider, "products").Should().Equal(service);
    }

    [Fact]
    public void An_observer_handed_over_as_an_object_is_not_disposed()
    {
        using var observer = new WithDependency("x");
        using (var provider = new ServiceCollection().AddCacheKit(cache => cache.AddObserver(observer)).BuildServiceProvider())
        {
            provider.GetRequiredService<ICache>();
        }

        observer.IsDisposed.Should().BeFalse();
    }

    private static List<CacheObserver> Observers(IServiceProvider provider, string cache) => [.. provider.GetKeyedServices<CacheObserver>(cache)];

    private sealed class Watcher : CacheObserver;

    private sealed class WithDependency(string dependency) : CacheObserver, IDisposable
    {
        internal string Dependency { get; } = dependency;

        internal bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
