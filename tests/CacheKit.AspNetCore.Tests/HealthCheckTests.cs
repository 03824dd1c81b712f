using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace CacheKit.AspNetCore.Tests;

/// <summary>What a monitor is told of a cache.</summary>
public sealed class HealthCheckTests
{
    private readonly ServiceCollection _services = [];

    [Fact]
    public async Task A_cache_with_all_of_its_tiers_is_healthy()
    {
        _services.AddCacheKit();
        _services.AddHealthChecks().AddCacheKit();
        var report = await CheckAsync(async provider =>
        {
            var cache = provider.GetRequiredService<ICache>();
            await cache.SetAsync("k", 1);
            await cache.GetAsync<int>("k");
        });
        report.Status.Should().Be(HealthStatus.Healthy);
        report.Entries["cachekit"].Data.Should().Contain("cache", "default").And.Contain("entries", 1L).And.Contain("hitRatio", 1.0);
    }

    [Theory]
    [InlineData(CircuitState.Open, HealthStatus.Degraded)]
    [InlineData(CircuitState.HalfOpen, HealthStatus.Degraded)]
    [InlineData(CircuitState.Closed, HealthStatus.Healthy)]
    public async Task A_cache_that_leaves_a_store_alone_is_degraded(CircuitState circuit, HealthStatus status)
    {
        _services.AddSingleton(FixedCache.With(new CacheStatistics
        {
            Tiers =
            [
                new() { Name = "disk" },
                new() { Name = "redis", Circuit = circuit, Failures = 2, Timeouts = 3, PendingRecoveries = 7 },
            ],
        }));
        _services.AddHealthChecks().AddCacheKit();
        var entry = (await CheckAsync()).Entries["cachekit"];
        entry.Status.Should().Be(status);
        entry.Data.Should().Contain("disk.circuit", "Closed").And.Contain("redis.circuit", circuit.ToString())
            .And.Contain("redis.failures", 5L).And.Contain("redis.pendingRecoveries", 7L);
        if (status == HealthStatus.Degraded)
        {
            entry.Description.Should().Contain("redis").And.NotContain("disk");
        }
    }

    [Fact]
    public async Task A_cache_with_a_full_disk_is_degraded()
    {
        _services.AddSingleton(FixedCache.With(new CacheStatistics { Tiers = [new() { Name = "disk", MissingBytes = 4096 }, new() { Name = "redis" }] }));
        _services.AddHealthChecks().AddCacheKit();
        var entry = (await CheckAsync()).Entries["cachekit"];
        entry.Status.Should().Be(HealthStatus.Degraded);
        entry.Description.Should().EndWith(" goes on with less room in disk than it was given: the disk is full.");
        entry.Data.Should().Contain("disk.missingBytes", 4096L).And.Contain("redis.missingBytes", 0L);
    }

    [Fact]
    public async Task Named_caches_have_checks_of_their_own()
    {
        _services.AddCacheKit().AddCacheKit("products");
        _services.AddHealthChecks().AddCacheKit().AddCacheKit("products", tags: ["ready"]).AddCacheKit("products", name: "mine");
        var report = await CheckAsync();
        report.Entries.Keys.Should().BeEquivalentTo("cachekit", "cachekit:products", "mine");
        report.Entries["cachekit:products"].Data["cache"].Should().Be("products");
        report.Entries["cachekit:products"].Tags.Should().Equal("ready");
    }

    [Fact]
    public async Task A_cache_that_cannot_be_asked_has_failed()
    {
        _services.AddCacheKit();
        _services.AddHealthChecks().AddCacheKit(failureStatus: HealthStatus.Unhealthy);
        var report = await CheckAsync(provider => ((IAsyncDisposable)provider.GetRequiredService<ICache>()).DisposeAsync().AsTask());
        report.Status.Should().Be(HealthStatus.Unhealthy);
    }

    [Theory]
    [InlineData(null, "*default cache*AddCacheKit()*")]
    [InlineData("pages", "*'pages'*AddCacheKit(\"pages\")*")]
    [InlineData("default", "*'default'*leave the name out*")]
    public async Task A_cache_that_was_not_added_is_told_of(string? name, string message)
    {
        _services.AddCacheKit("page");
        _services.AddHealthChecks().AddCacheKit(name);
        await this.Awaiting(it => it.CheckAsync()).Should().ThrowAsync<InvalidOperationException>().WithMessage(message);
        _services.Invoking(services => services.AddHealthChecks().AddCacheKit(" ")).Should().Throw<ArgumentException>().WithParameterName("cacheName");
    }

    private async Task<HealthReport> CheckAsync(Func<IServiceProvider, Task>? before = null)
    {
        _services.AddLogging();
        await using var provider = _services.BuildServiceProvider();
        await (before?.Invoke(provider) ?? Task.CompletedTask);
        return await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();
    }

    /// <summary>A cache of which there is only a name and statistics.</summary>
    public class FixedCache : DispatchProxy
    {
        private CacheStatistics? _statistics;

        internal static ICache With(CacheStatistics statistics)
        {
            var cache = Create<ICache, FixedCache>();
            ((FixedCache)cache)._statistics = statistics;
            return cache;
        }

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod?.Name switch
        {
            nameof(ICache.GetStatistics) => _statistics,
            "get_Name" => "fixed",
            _ => throw new NotSupportedException(targetMethod?.Name),
        };
    }
}
