using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.AspNetCore.Tests;

/// <summary>Responses in memory.</summary>
public sealed class OutputCacheInMemoryTests : OutputCacheMiddlewareContract
{
    protected override void Configure(CacheKitBuilder cache)
    {
    }
}

/// <summary>Responses on disk alone, or behind memory.</summary>
public abstract class OutputCacheOnDiskContract(bool hasMemory) : OutputCacheMiddlewareContract
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cachekit-pages").FullName;

    [Fact]
    public async Task Responses_outlive_the_application()
    {
        await GetPlainAsync(Application);
        await base.DisposeAsync();
        await using var next = await StartAsync();
        (await GetPlainAsync(next)).Should().Be("GET /plain 1");
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    protected override void Configure(CacheKitBuilder cache)
    {
        cache.UseDisk(_folder, disk => disk.MaximumBytes = 64 << 20);
        if (!hasMemory)
        {
            cache.WithoutMemory();
        }
    }
}

/// <summary>Responses on disk.</summary>
public sealed class OutputCacheOnDiskTests() : OutputCacheOnDiskContract(hasMemory: false);

/// <summary>Responses in memory, and on disk behind it.</summary>
public sealed class OutputCacheInMemoryAndOnDiskTests() : OutputCacheOnDiskContract(hasMemory: true);
