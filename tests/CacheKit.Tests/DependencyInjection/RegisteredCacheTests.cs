using System.Diagnostics;
using System.Diagnostics.Metrics;
using CacheKit.Testing;
using CacheKit.Testing.Stores;
using CacheKit.Tests.Diagnostics;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CacheKit.Tests.DependencyInjection;

/// <summary>What was registered is what the cache works with.</summary>
public sealed class RegisteredCacheTests
{
    private readonly ServiceCollection _services = [];

    [Theory(Timeout = 30_000)]
    [InlineData(null)]
    [InlineData("files")]
    public async Task A_store_that_does_not_answer_is_known_soon_after_the_start_of_the_host_though_nobody_asks(string? name)
    {
        var store = FaultyStore.Wrap(new InMemoryStore(TimeProvider.System), StoreCapabilities.None); // which sends nothing by itself
        store.Inject(StoreOperations.All, StoreFault.Fail());
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        Action<CacheKitBuilder> configure = cache => cache.UseMemory().UseStore(_ => store, options => options.OpenFor = TimeSpan.FromMilliseconds(20));
        _ = name is null ? builder.Services.AddCacheKit(configure) : builder.Services.AddCacheKit(name, configure);
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        var cache = name is null ? host.Services.GetRequiredService<ICache>() : host.Services.GetRequiredKeyedService<ICache>(name);
        await Waiting.UntilAsync(() => cache.GetStatistics().Tiers[0].FailuresInARow >= 2, what: "it is tried again");
    }

    [Fact]
    public async Task Named_caches_and_the_default_one_share_nothing()
    {
        _services.AddCacheKit().AddCacheKit("products").AddCacheKit("orders");
        await using var provider = _services.BuildServiceProvider();
        var standard = provider.GetRequiredService<ICache>();
        var products = provider.GetRequiredKeyedService<ICache>("products");
        var orders = provider.GetRequiredKeyedService<ICache>("orders");
        foreach (var cache in new[] { standard, products, orders })
        {
            await cache.SetAsync("k", cache.Name, new() { Tags = ["t"] });
        }

        await products.RemoveByTagAsync("t");
        (await products.GetAsync<string>("k")).IsHit.Should().BeFalse();
        (await standard.GetAsync<string>("k")).Value.Should().Be("default");
        (await orders.GetAsync<string>("k")).Value.Should().Be("orders");

        await orders.ClearAsync();
        (await orders.GetAsync<string>("k")).IsHit.Should().BeFalse();
        (await standard.GetAsync<string>("k")).Value.Should().Be("default");
        standard.GetStatistics().Misses.Should().Be(0);
        orders.GetStatistics().Misses.Should().Be(1);
    }

    [Fact]
    public async Task Options_and_the_time_provider_reach_the_cache()
    {
        var time = new ManualTimeProvider();
        _services.AddSingleton<TimeProvider>(time).AddCacheKit(cache => cache
            .UseMemory(memory => memory.MaximumEntries = 10)
            .Configure(options => options.TypeMismatch = TypeMismatch.Miss)
            .WithDefaults(new() { Expiration = TimeSpan.FromMinutes(1) }));
        await using var provider = _services.BuildServiceProvider();
        var cache = provider.GetRequiredService<ICache>();
        for (var i = 0; i < 100; i++)
        {
            await cache.SetAsync($"k{i}", i);
        }

        cache.GetStatistics().Entries.Should().BeInRange(1, 10);
        await cache.SetAsync("k", 5);
        (await cache.GetAsync<string>("k")).IsHit.Should().BeFalse();
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
        time.Advance(TimeSpan.FromMinutes(1));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Observers_are_told_of_their_own_cache_only()
    {
        var told = new Recorder();
        _services.AddCacheKit().AddCacheKit("products", cache => cache.AddObserver(told));
        await using var provider = _services.BuildServiceProvider();
        var products = provider.GetRequiredKeyedService<ICache>("products");
        foreach (var cache in new[] { provider.GetRequiredService<ICache>(), products })
        {
            await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(1));
            await cache.RemoveAsync("k");
        }

        told.Events.Should().Equal("products succeeded k", "products ended k 1 Removed");
    }

    [Fact]
    public async Task An_observer_that_throws_breaks_nothing_and_is_logged_once()
    {
        var logger = new RecordingLogger();
        using var loggers = new RecordingLoggerProvider(logger);
        _services.AddLogging(logging => logging.AddProvider(loggers)).AddCacheKit(cache => cache.AddObserver(new Failing()));
        await using var provider = _services.BuildServiceProvider();
        var cache = provider.GetRequiredService<ICache>();
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(1))).Should().Be(1);
        await cache.SetAsync("k", 2);
        (await cache.RemoveAsync("k")).Should().BeTrue();

        loggers.Categories.Should().Contain("CacheKit.Cache");
        logger.Messages.Should().ContainSingle(message => message.Id == 4).Which.Message.Should().Contain("'default'").And.Contain(nameof(Failing));
    }

    [Fact(Timeout = 30_000)]
    public async Task A_log_sink_that_throws_breaks_nothing()
    {
        using var loggers = new ThrowingLoggerProvider();
        var time = new ManualTimeProvider();
        _services.AddSingleton<TimeProvider>(time).AddLogging(logging => logging.AddProvider(loggers)).AddCacheKit(cache => cache
            .WithDefaults(new() { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromMinutes(1) })
            .AddObserver(new Failing()));
        await using var provider = _services.BuildServiceProvider();
        var cache = provider.GetRequiredService<ICache>();
        await cache.SetAsync("k", 1);
        time.Advance(TimeSpan.FromMinutes(1));
        (await cache.GetOrCreateAsync<int>("k", _ => throw new TimeoutException())).Should().Be(1);
    }

    [Fact]
    public async Task Two_caches_report_to_the_meter_of_the_services_under_their_names()
    {
        _services.AddMetrics().AddCacheKit().AddCacheKit("products");
        var provider = _services.BuildServiceProvider();
        using var log = new MeasurementLog(provider.GetRequiredService<IMeterFactory>());
        var standard = provider.GetRequiredService<ICache>();
        var products = provider.GetRequiredKeyedService<ICache>("products");
        await standard.GetOrCreateAsync("k", _ => ValueTask.FromResult(1));
        await products.SetAsync("k", 1);
        await products.GetAsync<int>("k");
        await products.GetAsync<int>("k");

        log.Collect("cachekit.requests", "default").Should().Equal(new Dictionary<string, double>
        {
            ["cachekit.result=hit"] = 0,
            ["cachekit.result=join"] = 0,
            ["cachekit.result=miss"] = 1,
        });
        log.Collect("cachekit.requests", "products")["cachekit.result=hit"].Should().Be(2);
        log.Collect("cachekit.factory.runs", "default")["cachekit.trigger=request"].Should().Be(1);
        log.Collect("cachekit.entries", "products")[""].Should().Be(1);
        log.Collect("cachekit.weight", "products").Should().BeEmpty("it is bounded by a number of entries");

        await provider.DisposeAsync();
        log.Collect("cachekit.requests", "products").Should().BeEmpty();
    }

    [Fact]
    public async Task A_factory_is_timed_by_the_meter()
    {
        var time = new ManualTimeProvider();
        _services.AddMetrics().AddSingleton<TimeProvider>(time).AddCacheKit();
        await using var provider = _services.BuildServiceProvider();
        using var log = new MeasurementLog(provider.GetRequiredService<IMeterFactory>());
        await provider.GetRequiredService<ICache>().GetOrCreateAsync("k", _ =>
        {
            time.Advance(TimeSpan.FromSeconds(3));
            return ValueTask.FromResult(1);
        });
        log.Collect("cachekit.factory.duration", "default").Should().Equal(new Dictionary<string, double> { ["cachekit.outcome=success"] = 3 });
    }

    [Fact(Timeout = 30_000)]
    public async Task A_listener_of_metrics_that_throws_breaks_nothing()
    {
        _services.AddMetrics().AddCacheKit();
        await using var provider = _services.BuildServiceProvider();
        var meters = provider.GetRequiredService<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "CacheKit" && instrument.Meter.Scope == meters)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => throw new InvalidOperationException("listener"));
        listener.Start();
        (await provider.GetRequiredService<ICache>().GetOrCreateAsync("k", _ => ValueTask.FromResult(1))).Should().Be(1);
    }

    [Fact]
    public async Task A_factory_runs_in_an_activity_of_its_caller()
    {
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "CacheKit",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        _services.AddCacheKit("products");
        await using var provider = _services.BuildServiceProvider();
        using var request = new Activity("request").Start();
        var activity = await provider.GetRequiredKeyedService<ICache>("products").GetOrCreateAsync("k", _ => ValueTask.FromResult(Activity.Current));

        activity!.OperationName.Should().Be("cachekit.factory");
        activity.ParentId.Should().Be(request.Id);
        activity.GetTagItem("cachekit.cache").Should().Be("products");
        activity.GetTagItem("cachekit.background").Should().Be(false);
        Activity.Current.Should().BeSameAs(request);
    }

    [Fact]
    public async Task A_disposed_provider_leaves_a_cache_that_says_so()
    {
        _services.AddCacheKit();
        var provider = _services.BuildServiceProvider();
        var cache = provider.GetRequiredService<ICache>();
        await cache.SetAsync("k", 1);
        await provider.DisposeAsync();
        await cache.Awaiting(it => it.SetAsync("k", 2).AsTask()).Should().ThrowAsync<ObjectDisposedException>();
        await cache.Awaiting(it => it.GetAsync<int>("k").AsTask()).Should().ThrowAsync<ObjectDisposedException>();
    }

    private sealed class Recorder : CacheObserver
    {
        internal List<string> Events { get; } = [];

        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => Events.Add($"{cacheName} ended {key} {value} {reason}");

        public override void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed) => Events.Add($"{cacheName} succeeded {key}");
    }

    private sealed class Failing : CacheObserver
    {
        public override void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason) => throw new InvalidOperationException("observer");

        public override void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed) => throw new InvalidOperationException("observer");

        public override void OnFactoryFailed(string cacheName, string key, Exception exception, TimeSpan elapsed) => throw new InvalidOperationException("observer");

        public override void OnStaleServed(string cacheName, string key) => throw new InvalidOperationException("observer");
    }

    private sealed class ThrowingLoggerProvider : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => new ThrowingLogger();

        public void Dispose()
        {
        }
    }
}
