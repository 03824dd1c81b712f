using CacheKit.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace CacheKit.DependencyInjection;

/// <summary>Has the host create a cache when it starts, so that a store that cannot be used is found then and not by the first request.</summary>
internal sealed class CacheOpening(IServiceProvider services, string name) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (CacheKitServiceCollectionExtensions.Find(services, name) is Cache cache)
        {
            cache.Probe();
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
