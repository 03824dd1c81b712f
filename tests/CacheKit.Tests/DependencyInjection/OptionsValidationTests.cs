using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.DependencyInjection;

public sealed class OptionsValidationTests
{
    public static TheoryData<string, Action<MemoryOptions>> MemoryMistakes => new()
    {
        { "MemoryOptions.MaximumEntries must be from 1 to 1,000,000,000, but is 0.", memory => memory.MaximumEntries = 0 },
        { "MemoryOptions.MaximumEntries must be from 1 to 1,000,000,000, but is 1,000,000,001.", memory => memory.MaximumEntries = 1_000_000_001 },
        { "MemoryOptions.MaximumBytes must be at least 1,024, but is 1,023.", memory => memory.MaximumBytes = 1_023 },
        {
            "MemoryOptions.MaximumEntries and MaximumBytes are both set, to 5 and 4,096, but a cache has one bound. Leave one of them unset, or set it to null.",
            memory => (memory.MaximumEntries, memory.MaximumBytes) = (5, 4_096)
        },
        {
            "MemoryOptions.SizeOf is set, but would never be asked: the cache is bounded by a number of entries. Set MaximumBytes, or leave SizeOf unset.",
            memory => memory.SizeOf = (_, _) => 1
        },
        { "MemoryOptions.MemoryPressureShare must be greater than 0 and at most 1, but is 0. 1 turns shrinking off.", memory => memory.MemoryPressureShare = 0 },
        { "MemoryOptions.MemoryPressureShare must be greater than 0 and at most 1, but is 1.5. 1 turns shrinking off.", memory => memory.MemoryPressureShare = 1.5 },
        { "MemoryOptions.MemoryPressureShare must be greater than 0 and at most 1, but is NaN. 1 turns shrinking off.", memory => memory.MemoryPressureShare = double.NaN },
        { "MemoryOptions.MaintenanceInterval must be from 0:00:00.01 to 1:00:00, but is 00:00:00.0090000.", memory => memory.MaintenanceInterval = TimeSpan.FromMilliseconds(9) },
        { "MemoryOptions.MaintenanceInterval must be from 0:00:00.01 to 1:00:00, but is 01:00:01.", memory => memory.MaintenanceInterval = TimeSpan.FromSeconds(3_601) },
    };

    public static TheoryData<string, Action<CacheKitOptions>> CacheMistakes => new()
    {
        { "CacheKitOptions.DefaultEntryOptions is null. Assign new CacheEntryOptions() to have no defaults.", options => options.DefaultEntryOptions = null! },
        {
            "CacheKitOptions.DefaultEntryOptions.Expiration must be greater than zero, but is 00:00:00: nothing would ever be stored. Leave it unset for no limit.",
            options => options.DefaultEntryOptions = new() { Expiration = TimeSpan.Zero }
        },
        { "CacheKitOptions.DefaultEntryOptions.Tags has a tag that cannot be one. A tag must not be empty.", options => options.DefaultEntryOptions = new() { Tags = ["a", ""] } },
        {
            "CacheKitOptions.DefaultEntryOptions.Tags has a tag that cannot be one. '*' is not a tag. To remove every entry, call ClearAsync.",
            options => options.DefaultEntryOptions = new() { Tags = ["*"] }
        },
        { "CacheKitOptions.DefaultEntryOptions.Tags has a tag that cannot be one. A tag must not be null.", options => options.DefaultEntryOptions = new() { Tags = [null!] } },
        { "CacheKitOptions.Serialization.CompressionThreshold must be zero or more, but is -1.", options => options.Serialization.CompressionThreshold = -1 },
        { "CacheKitOptions.Serialization.MaximumDecompressedBytes must be at least 1,024, but is 1,023.", options => options.Serialization.MaximumDecompressedBytes = 1_023 },
        { "CacheKitOptions.TypeMismatch must be Throw or Miss, but is 7.", options => options.TypeMismatch = (TypeMismatch)7 },
    };

    [Theory]
    [MemberData(nameof(MemoryMistakes), DisableDiscoveryEnumeration = true)]
    public void A_mistake_in_the_memory_options_is_told_with_the_remedy(string error, Action<MemoryOptions> mistake)
    {
        using var provider = new ServiceCollection().AddCacheKit(cache => cache.UseMemory(mistake)).BuildServiceProvider();
        provider.Invoking(services => services.GetRequiredService<ICache>()).Should().Throw<OptionsValidationException>()
            .Which.Failures.Should().Equal("Cache 'default': " + error);
    }

    [Theory]
    [MemberData(nameof(CacheMistakes), DisableDiscoveryEnumeration = true)]
    public void A_mistake_in_the_options_of_a_cache_is_told_with_the_remedy(string error, Action<CacheKitOptions> mistake)
    {
        using var provider = new ServiceCollection().AddCacheKit("products", cache => cache.Configure(mistake)).BuildServiceProvider();
        provider.Invoking(services => services.GetRequiredKeyedService<ICache>("products")).Should().Throw<OptionsValidationException>()
            .Which.Failures.Should().Equal("Cache 'products': " + error);
    }

    [Fact]
    public async Task A_soft_timeout_longer_than_a_hard_one_is_refused_only_where_both_were_set_together()
    {
        var (second, minute) = (TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        FluentActions.Invoking(() => new CacheEntryOptions { SoftTimeout = minute, HardTimeout = second }).Should().Throw<ArgumentOutOfRangeException>()
            .WithMessage("The soft timeout is longer than the hard one, which is 00:00:01: *Set SoftTimeout to less*00:01:00*").WithParameterName(nameof(CacheEntryOptions.SoftTimeout));
        foreach (var soft in new[] { second, TimeSpan.MaxValue, TimeSpan.FromDays(50) })
        {
            new CacheEntryOptions { SoftTimeout = soft, HardTimeout = second }.SoftTimeout.Should().Be(soft, "it is no longer, or no limit");
        }

        foreach (var (defaults, call) in new[]
        {
            (new CacheEntryOptions { HardTimeout = second }, new CacheEntryOptions { SoftTimeout = minute }),
            (new CacheEntryOptions { SoftTimeout = minute }, new CacheEntryOptions { HardTimeout = second }),
        })
        {
            await using var provider = new ServiceCollection().AddCacheKit(cache => cache.WithDefaults(defaults)).BuildServiceProvider();
            (await provider.GetRequiredService<ICache>().GetOrCreateAsync("k", _ => new ValueTask<int>(1), call)).Should().Be(1);
        }
    }

    [Fact]
    public void The_ends_of_the_ranges_are_within()
    {
        foreach (var (entries, bytes, share, interval) in new (long?, long?, double, TimeSpan)[]
        {
            (null, null, 0.5, TimeSpan.FromSeconds(1)), (1, null, 1, TimeSpan.FromMilliseconds(10)),
            (1_000_000_000, null, double.Epsilon, TimeSpan.FromHours(1)), (null, 1_024, 1, TimeSpan.FromSeconds(1)),
        })
        {
            using var provider = new ServiceCollection().AddCacheKit(cache => cache.UseMemory(memory =>
            {
                memory.MaximumEntries = entries;
                memory.MaximumBytes = bytes;
                memory.MemoryPressureShare = share;
                memory.MaintenanceInterval = interval;
                memory.SizeOf = bytes is null ? null : (_, _) => 1;
            })).BuildServiceProvider();
            provider.GetRequiredService<IOptions<MemoryOptions>>().Invoking(options => options.Value).Should().NotThrow();
        }
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        using var provider = new ServiceCollection().AddCacheKit(cache => cache.UseMemory(memory =>
        {
            memory.MaximumEntries = -1;
            memory.MemoryPressureShare = 2;
        })).BuildServiceProvider();
        provider.Invoking(services => services.GetRequiredService<ICache>()).Should().Throw<OptionsValidationException>().Which.Failures.Should().HaveCount(2);
    }

    [Fact]
    public async Task A_host_does_not_start_with_a_mistake_in_any_cache_though_nobody_has_resolved_it()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddCacheKit().AddCacheKit("products", cache => cache.UseMemory(memory => memory.MaximumEntries = 0));
        using var host = builder.Build();
        var start = await host.Awaiting(it => it.StartAsync()).Should().ThrowAsync<OptionsValidationException>();
        start.Which.Message.Should().StartWith("Cache 'products': MemoryOptions.MaximumEntries");
    }

    [Fact]
    public async Task A_host_starts_with_good_options()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddCacheKit().AddCacheKit("products", cache => cache.UseMemory(memory => memory.MaximumBytes = 1 << 20));
        using var host = builder.Build();
        await host.StartAsync();
        await host.StopAsync();
    }
}
