using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

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
    [InlineData(CircuitState.Open, 5, 7, "*goes on without redis, which failed: nobody is there.")]
    [InlineData(CircuitState.HalfOpen, 5, 7, "*goes on without redis, which failed: nobody is there.")]
    [InlineData(CircuitState.Closed, 3, 7, "*the last 3 calls of redis failed: nobody is there.")]
    [InlineData(CircuitState.Closed, 1, 0, "*the last call of redis failed: nobody is there.")]
    [InlineData(CircuitState.Closed, 0, 7, "*redis has not been told of 7 changes yet.")]
    [InlineData(CircuitState.Closed, 0, 1, "*redis has not been told of 1 change yet.")]
    [InlineData(CircuitState.Closed, 0, 0, null)]
    public async Task A_cache_of_which_a_store_is_in_trouble_is_degraded(CircuitState circuit, int failuresInARow, int pendingRecoveries, string? description)
    {
        _services.AddSingleton(FixedCache.With(new CacheStatistics
        {
            Tiers =
            [
                new() { Name = "disk" },
                new() { Name = "redis", Circuit = circuit, Failures = 2, Timeouts = 3, FailuresInARow = failuresInARow, PendingRecoveries = pendingRecoveries, LastFailure = failuresInARow > 0 ? "nobody is there." : null },
            ],
        }));
        _services.AddHealthChecks().AddCacheKit();
        var entry = (await CheckAsync()).Entries["cachekit"];
        entry.Status.Should().Be(description is null ? HealthStatus.Healthy : HealthStatus.Degraded);
        entry.Data.Should().Contain("disk.circuit", "Closed").And.Contain("redis.circuit", circuit.ToString())
            .And.Contain("redis.failures", 5L).And.Contain("redis.pendingRecoveries", (long)pendingRecoveries);
        if (description is not null)
        {
            entry.Description.Should().Match(description).And.NotContain("disk");
        }
    }

    [Theory]
    [InlineData(CircuitState.Closed, ": redis is in trouble: nobody listens there.")]
    [InlineData(CircuitState.Open, ": it goes on without redis, which failed: nobody listens there.")]
    public async Task What_a_store_says_of_itself_is_told(CircuitState circuit, string description)
    {
        _services.AddSingleton(FixedCache.With(new CacheStatistics
        {
            Tiers = [new() { Name = "redis", Circuit = circuit, Trouble = "nobody listens there", LastFailure = circuit == CircuitState.Open ? "it took longer" : null }],
        }));
        _services.AddHealthChecks().AddCacheKit();
        var entry = (await CheckAsync()).Entries["cachekit"];
        entry.Status.Should().Be(HealthStatus.Degraded);
        entry.Description.Should().EndWith(description);
    }

    [Fact]
    public async Task A_cache_with_a_full_disk_is_degraded()
    {
        _services.AddSingleton(FixedCache.With(new CacheStatistics { Tiers = [new() { Name = "disk", MissingBytes = 4096 }, new() { Name = "redis" }] }));
        _services.AddHealthChecks().AddCacheKit();
        var entry = (await CheckAsync()).Entries["cachekit"];
        entry.Status.Should().Be(HealthStatus.Degraded);
        entry.Description.Should().EndWith(": disk has 4,096 bytes fewer than it was given, because the disk, or its user's share of it, is full.");
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
        using (var host = new HostBuilder().ConfigureServices(services =>
        {
            foreach (var service in _services)
            {
                services.Add(service);
            }
        }).Build())
        {
            await host.Awaiting(it => it.StartAsync()).Should().ThrowAsync<OptionsValidationException>().WithMessage(message);
        }

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
