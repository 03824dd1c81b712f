using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.DependencyInjection;

public sealed class AddCacheKitTests
{
    private readonly ServiceCollection _services = [];

    [Fact]
    public void One_line_gives_a_cache()
    {
        _services.AddCacheKit().Should().BeSameAs(_services);
        using var provider = Build();
        provider.GetRequiredService<ICache>().Name.Should().Be("default");
        provider.GetRequiredService<ICache>().Should().BeSameAs(provider.GetRequiredService<ICache>());
    }

    [Fact]
    public void Named_caches_and_the_default_one_are_different_caches()
    {
        _services.AddCacheKit().AddCacheKit("products").AddCacheKit("orders");
        using var provider = Build();
        var caches = new[]
        {
            provider.GetRequiredService<ICache>(),
            provider.GetRequiredKeyedService<ICache>("products"),
            provider.GetRequiredKeyedService<ICache>("orders"),
        };
        caches.Select(cache => cache.Name).Should().Equal("default", "products", "orders");
        caches.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void A_named_cache_is_injected_by_its_name()
    {
        _services.AddCacheKit().AddCacheKit("products").AddScoped<Shop>();
        using var provider = Build();
        using var scope = provider.CreateScope();
        var shop = scope.ServiceProvider.GetRequiredService<Shop>();
        shop.Default.Name.Should().Be("default");
        shop.Products.Name.Should().Be("products");
    }

    [Fact]
    public void A_cache_nobody_registered_is_an_error_when_it_is_resolved()
    {
        _services.AddCacheKit("products");
        using var provider = Build();
        provider.Invoking(services => services.GetRequiredService<ICache>()).Should().Throw<InvalidOperationException>();
        provider.Invoking(services => services.GetRequiredKeyedService<ICache>("orders")).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void The_default_cache_has_no_key()
    {
        _services.AddCacheKit();
        using var provider = Build();
        provider.GetKeyedService<ICache>("default").Should().BeNull();
        _services.Invoking(services => services.AddCacheKit("default")).Should().Throw<ArgumentException>().WithParameterName("name")
            .WithMessage("*Call AddCacheKit without a name*");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void A_name_must_not_be_empty(string empty) =>
        _services.Invoking(services => services.AddCacheKit(empty)).Should().Throw<ArgumentException>().WithParameterName("name");

    [Fact]
    public void Calls_with_one_name_add_up_to_one_cache()
    {
        _services
            .AddCacheKit(cache => cache.UseMemory(memory => memory.MaximumEntries = 5).WithDefaults(new() { Expiration = TimeSpan.FromMinutes(1) }))
            .AddCacheKit(cache => cache.UseMemory(memory => memory.MaximumEntries *= 2).Configure(options => options.TypeMismatch = TypeMismatch.Miss))
            .AddCacheKit("products", cache => cache.UseMemory(memory => memory.MaximumEntries = 7))
            .AddCacheKit("products", cache => cache.UseMemory(memory => memory.MaintenanceInterval = TimeSpan.FromSeconds(7)));
        using var provider = Build();

        Options<MemoryOptions>(provider).MaximumEntries.Should().Be(10);
        Options<CacheKitOptions>(provider).DefaultEntryOptions.Expiration.Should().Be(TimeSpan.FromMinutes(1));
        Options<CacheKitOptions>(provider).TypeMismatch.Should().Be(TypeMismatch.Miss);
        Options<MemoryOptions>(provider, "products").MaximumEntries.Should().Be(7);
        Options<MemoryOptions>(provider, "products").MaintenanceInterval.Should().Be(TimeSpan.FromSeconds(7));
        Options<CacheKitOptions>(provider, "products").TypeMismatch.Should().Be(TypeMismatch.Throw);
        provider.GetServices<ICache>().Should().ContainSingle();
        provider.GetKeyedServices<ICache>("products").Should().ContainSingle();
    }

    [Fact]
    public void Defaults_take_the_place_of_those_before()
    {
        _services.AddCacheKit(cache => cache
            .WithDefaults(new() { Expiration = TimeSpan.FromMinutes(1), Size = 5 })
            .WithDefaults(new() { StaleFor = TimeSpan.FromMinutes(2) }));
        using var provider = Build();
        Options<CacheKitOptions>(provider).DefaultEntryOptions.Should().BeEquivalentTo(new CacheEntryOptions { StaleFor = TimeSpan.FromMinutes(2) });
    }

    [Fact]
    public void The_usual_ways_to_configure_options_reach_a_cache_by_its_name()
    {
        _services.AddCacheKit(cache => cache.UseMemory(memory => memory.MaximumEntries = 5)).AddCacheKit("products");
        _services.Configure<MemoryOptions>(memory => memory.MaximumEntries++);
        _services.Configure<MemoryOptions>("products", memory => memory.MaximumEntries = 3);
        _services.PostConfigureAll<MemoryOptions>(memory => memory.MaximumEntries *= 10);
        using var provider = Build();
        Options<MemoryOptions>(provider).MaximumEntries.Should().Be(60);
        Options<MemoryOptions>(provider, "products").MaximumEntries.Should().Be(30);
    }

    [Fact]
    public void The_builder_tells_which_cache_it_configures()
    {
        var names = new List<string>();
        _services.AddCacheKit(cache => names.Add(cache.Name)).AddCacheKit("products", cache =>
        {
            names.Add(cache.Name);
            cache.Services.Should().BeSameAs(_services);
        });
        names.Should().Equal("default", "products");
    }

    [Fact]
    public void Services_of_the_user_are_not_replaced()
    {
        var cache = new UserCache();
        var named = new UserCache();
        var time = new UserTime();
        _services.AddSingleton<ICache>(cache).AddKeyedSingleton<ICache>("products", named).AddSingleton<TimeProvider>(time);
        _services.AddCacheKit().AddCacheKit("products").AddCacheKit("orders");
        using var provider = Build();
        provider.GetRequiredService<ICache>().Should().BeSameAs(cache);
        provider.GetServices<ICache>().Should().ContainSingle();
        provider.GetRequiredKeyedService<ICache>("products").Should().BeSameAs(named);
        provider.GetRequiredKeyedService<ICache>("orders").Name.Should().Be("orders");
        provider.GetServices<TimeProvider>().Should().Equal(time);
    }

    [Fact]
    public void Without_a_time_provider_the_system_one_is_registered()
    {
        _services.AddCacheKit();
        using var provider = Build();
        provider.GetRequiredService<TimeProvider>().Should().BeSameAs(TimeProvider.System);
    }

    [Fact]
    public void The_provider_disposes_the_caches()
    {
        _services.AddCacheKit().AddCacheKit("products");
        var provider = Build();
        var caches = new[] { provider.GetRequiredService<ICache>(), provider.GetRequiredKeyedService<ICache>("products") };
        caches.Should().OnlyContain(cache => cache.GetStatistics() != null);
        provider.Dispose();
        caches.Should().OnlyContain(cache => IsDisposed(cache));
    }

    [Fact]
    public async Task The_provider_disposes_the_caches_asynchronously_too()
    {
        _services.AddCacheKit();
        var provider = Build();
        var cache = provider.GetRequiredService<ICache>();
        await provider.DisposeAsync();
        IsDisposed(cache).Should().BeTrue();
    }

    [Fact]
    public void The_end_of_a_scope_does_not_dispose_a_cache()
    {
        _services.AddCacheKit();
        using var provider = Build();
        ICache cache;
        using (var scope = provider.CreateScope())
        {
            cache = scope.ServiceProvider.GetRequiredService<ICache>();
        }

        IsDisposed(cache).Should().BeFalse();
    }

    [Fact]
    public void Two_providers_of_one_collection_have_caches_of_their_own()
    {
        _services.AddCacheKit();
        using var one = Build();
        using var two = Build();
        one.GetRequiredService<ICache>().Should().NotBeSameAs(two.GetRequiredService<ICache>());
    }

    [Fact]
    public void Nulls_are_refused_at_once()
    {
        FluentActions.Invoking(() => default(IServiceCollection)!.AddCacheKit()).Should().Throw<ArgumentNullException>().WithParameterName("services");
        _services.Invoking(services => services.AddCacheKit(default(string)!)).Should().Throw<ArgumentNullException>().WithParameterName("name");
        _services.AddCacheKit(cache =>
        {
            cache.Invoking(it => it.Configure(null!)).Should().Throw<ArgumentNullException>();
            cache.Invoking(it => it.WithDefaults(null!)).Should().Throw<ArgumentNullException>();
            cache.Invoking(it => it.Bind(null!)).Should().Throw<ArgumentNullException>();
            cache.Invoking(it => it.AddObserver(null!)).Should().Throw<ArgumentNullException>();
        });
    }

    private static T Options<T>(IServiceProvider provider, string? name = null)
        where T : class => provider.GetRequiredService<IOptionsMonitor<T>>().Get(name);

    private static bool IsDisposed(ICache cache)
    {
        try
        {
            cache.GetStatistics();
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private ServiceProvider Build() => _services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });

    private sealed class Shop(ICache cache, [FromKeyedServices("products")] ICache products)
    {
        internal ICache Default { get; } = cache;

        internal ICache Products { get; } = products;
    }

    private sealed class UserTime : TimeProvider;
}
