using CacheKit.DependencyInjection;
using CacheKit.Stores;
using CacheKit.Tests.Disk;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.DependencyInjection;

/// <summary>UseDisk adds a store with the options given, and tells mistakes in them at the start.</summary>
public sealed class DiskRegistrationTests : IDisposable
{
    private readonly DiskFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_disk_is_added_behind_the_tiers_before_it_with_how_to_use_it()
    {
        var provider = Provide(cache => cache.UseDisk(_folder.Root, disk =>
        {
            disk.MaximumBytes = 32 << 20;
            disk.Store.MinimumEntryBytes = 7;
        }));
        var registration = Stores(provider).Should().ContainSingle().Which;
        registration.Options.MinimumEntryBytes.Should().Be(7);
        await using var store = Create(provider, registration);
        store.Name.Should().Be("disk");
        await store.Set("key", [1]);
        await using var inspector = DiskCacheInspector.Open(_folder.Root);
        inspector.GetStatistics().MaximumBytes.Should().BeInRange(24 << 20, 32 << 20);
    }

    [Fact]
    public void Configuration_and_later_calls_set_options_one_by_one()
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["CacheKit:Disk:MaximumBytes"] = "67108864",
            ["CacheKit:Disk:ExpectedTags"] = "1000",
            ["CacheKit:Disk:IsShared"] = "false",
        }).Build().GetSection("CacheKit");
        var services = new ServiceCollection();
        services.AddCacheKit(section, cache => cache.UseDisk(_folder.Root, disk => disk.ExpectedEntryBytes = 4096));
        services.Configure<DiskOptions>(disk => disk.ExpectedTags = 2000);
        var options = services.BuildServiceProvider().GetRequiredService<IOptions<DiskOptions>>().Value;
        (options.Path, options.MaximumBytes, options.ExpectedEntryBytes, options.ExpectedTags, options.IsShared)
            .Should().Be((_folder.Root, 64 << 20, 4096, 2000, false));
    }

    [Fact]
    public void An_unknown_name_in_the_configuration_is_told()
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["CacheKit:Disk:MaximumByte"] = "1" }).Build().GetSection("CacheKit");
        var provider = new ServiceCollection().AddCacheKit(section, cache => cache.UseDisk(_folder.Root)).BuildServiceProvider();
        provider.Invoking(it => it.GetRequiredService<IOptions<DiskOptions>>().Value).Should().Throw<OptionsValidationException>().WithMessage("*CacheKit:Disk:MaximumByte*MaximumBytes*");
    }

    [Fact]
    public void Without_a_disk_a_section_for_one_is_checked_all_the_same()
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["CacheKit:Disk:MaximumByte"] = "1" }).Build().GetSection("CacheKit");
        var provider = new ServiceCollection().AddCacheKit(section).BuildServiceProvider();
        provider.Invoking(it => it.GetRequiredService<ICache>()).Should().Throw<OptionsValidationException>().WithMessage("*CacheKit:Disk:MaximumByte*MaximumBytes*");
    }

    [Theory]
    [InlineData("CacheKit:Disk:MaximumByte", "1")]
    [InlineData("CacheKit:Disk:MaximumBytes", "1000")]
    [InlineData("CacheKit:Memory", "big")]
    [InlineData("CacheKit:Memory:MaximumEntrys", "1")]
    [InlineData("CacheKit", "x")]
    public async Task A_mistake_is_told_once_when_the_host_starts(string path, string value)
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { [path] = value }).Build().GetSection("CacheKit");
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        builder.Services.AddCacheKit(section, cache => cache.UseMemory().UseDisk(_folder.Root));
        using var host = builder.Build();
        (await host.Awaiting(it => it.StartAsync()).Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().ContainSingle();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("files")]
    public async Task A_host_does_not_start_with_a_directory_that_cannot_be_used(string? name)
    {
        var file = Path.Combine(Directory.CreateDirectory(_folder.Root).FullName, "file");
        File.WriteAllText(file, "");
        var builder = Host.CreateEmptyApplicationBuilder(settings: null);
        _ = name is null ? builder.Services.AddCacheKit(cache => cache.UseDisk(file)) : builder.Services.AddCacheKit(name, cache => cache.UseDisk(file));
        using var host = builder.Build();
        (await host.Awaiting(it => it.StartAsync()).Should().ThrowAsync<CacheStoreException>()).Which.Message.Should().Contain(file);
    }

    [Theory]
    [InlineData("Path", "is empty")]
    [InlineData("MaximumBytes", "16 MiB")]
    [InlineData("ExpectedEntryBytes", "from 64 to")]
    [InlineData("ExpectedTags", "from 100 to")]
    [InlineData("IndexTooLarge", "leaves too little for entries")]
    public void A_mistake_is_told_with_the_option_the_value_and_the_remedy(string mistake, string expected)
    {
        var provider = Provide(cache => cache.UseDisk(_folder.Root, disk =>
        {
            switch (mistake)
            {
                case "Path": disk.Path = " "; break;
                case "MaximumBytes": disk.MaximumBytes = 1 << 20; break;
                case "ExpectedEntryBytes": disk.ExpectedEntryBytes = 1; break;
                case "ExpectedTags": disk.ExpectedTags = 1; break;
                default: (disk.MaximumBytes, disk.ExpectedTags) = (16 << 20, 1_000_000); break;
            }
        }));
        provider.Invoking(it => it.GetRequiredService<IOptions<DiskOptions>>().Value).Should().Throw<OptionsValidationException>()
            .WithMessage($"Cache 'default': DiskOptions.{(mistake == "IndexTooLarge" ? "MaximumBytes" : mistake)}*{expected}*");
        Directory.Exists(_folder.Root).Should().BeFalse();
    }

    [Fact]
    public void A_path_is_needed_and_a_second_disk_refused()
    {
        var builder = new CacheKitBuilder("default", new ServiceCollection());
        builder.Invoking(it => it.UseDisk("")).Should().Throw<ArgumentException>();
        builder.UseDisk(_folder.Root);
        builder.Invoking(it => it.UseDisk(_folder.Root)).Should().Throw<InvalidOperationException>();
    }

    [Theory]
    [InlineData(16 << 20)]
    [InlineData(100 << 20)]
    [InlineData(1L << 30)]
    [InlineData(1L << 40)]
    public void The_sizes_fit_into_the_bound_and_waste_little_of_it(long maximumBytes)
    {
        var geometry = CacheKit.Disk.DiskGeometry.For(maximumBytes, 1024, null);
        (geometry.DataBytes + geometry.IndexBytes).Should().BeInRange(maximumBytes / 8 * 7, maximumBytes);
        geometry.SegmentCount.Should().BeInRange(8, 1024);
        geometry.DataBytes.Should().BeLessThan(new CacheKit.Disk.SlotFormat(geometry.FingerprintBits, geometry.UnitBits).AddressRange / 2);
    }

    private static ServiceProvider Provide(Action<CacheKitBuilder> configure) => new ServiceCollection().AddCacheKit(configure).BuildServiceProvider();

    private static IReadOnlyList<StoreRegistration> Stores(IServiceProvider provider) => provider.GetRequiredService<IOptions<StoreRegistrations>>().Value.Stores;

    private static ICacheStore Create(IServiceProvider provider, StoreRegistration registration) =>
        registration.Create(new("default", TimeProvider.System, NullLoggerFactory.Instance, provider));
}
