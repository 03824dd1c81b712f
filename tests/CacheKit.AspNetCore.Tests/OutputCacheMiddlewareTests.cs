using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CacheKit.AspNetCore.Tests;

/// <summary>Responses in memory.</summary>
public sealed class OutputCacheInMemoryTests : OutputCacheMiddlewareContract
{
    [Fact(Timeout = 30_000)]
    public async Task Requests_for_one_missing_response_run_the_endpoint_once()
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var waiting = new SemaphoreSlim(0);
        var runs = 0;
        await using var application = await TestApplication.StartAsync(
            services => services.AddCacheKit("pages").AddCacheKitOutputCache("pages"),
            application =>
            {
                application.UseRouting();
                application.Use((_, next) =>
                {
                    var answer = next();
                    waiting.Release();
                    return answer;
                });
                application.UseOutputCache();
                application.UseEndpoints(endpoints => endpoints.MapGet("/slow", async context =>
                {
                    var run = Interlocked.Increment(ref runs);
                    await gate.Task;
                    await context.Response.WriteAsync($"run {run}");
                }).CacheOutput());
            });

        // One after the other: memory answers at once, so who gives control back has looked for the response and waits for what makes it. Requests
        // that come together share a look, and one that gave control back for that would rightly run the endpoint again if the response came first.
        var requests = new List<Task<string>>();
        for (var i = 0; i < 10; i++)
        {
            requests.Add(application.Client.GetStringAsync(new Uri("/slow", UriKind.Relative)));
            await waiting.WaitAsync();
        }

        gate.SetResult();
        (await Task.WhenAll(requests)).Should().AllBe("run 1");
    }

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
