using CacheKit;
using CacheKit.AspNetCore.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds caches to an application's health checks.</summary>
public static class CacheKitHealthCheckExtensions
{
    /// <summary>
    /// Adds a check of one cache: healthy, or degraded while a store is left alone, while its last call failed, while it has changes still to be told, or while the disk is full.
    /// The cache itself goes on without it.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="cacheName">The name of the cache. <see langword="null"/>: the default one.</param>
    /// <param name="name">The name of the check. <see langword="null"/>: <c>cachekit</c>, or <c>cachekit:</c> and the name of the cache.</param>
    /// <param name="failureStatus">What to report if the cache cannot be asked at all. <see langword="null"/>: unhealthy.</param>
    /// <param name="tags">To tell checks apart.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentException">The name of the cache is empty.</exception>
    /// <exception cref="OptionsValidationException">At the start of the host: no cache of this name was added.</exception>
    /// <remarks>
    /// The check takes microseconds and calls no store. Its data has the cache's name, its entries and hit ratio,
    /// and for every store the circuit, the failures, the changes that wait to be sent, and the bytes that a full disk lacks.
    /// </remarks>
    public static IHealthChecksBuilder AddCacheKit(
        this IHealthChecksBuilder builder, string? cacheName = null, string? name = null, HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (cacheName is not null)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(cacheName);
        }

        var notAdded = cacheName is null
            ? "A health check is to watch the default cache, which was not added. Call services.AddCacheKit()."
            : $"A health check is to watch the cache '{cacheName}', which was not added. Call services.AddCacheKit(\"{cacheName}\"), or leave the name out for the default cache.";
        builder.Services.AddOptions<HealthCheckServiceOptions>()
            .Validate<IServiceProvider>((_, services) => IsAdded(services, cacheName), notAdded)
            .ValidateOnStart();
        return builder.Add(new(
            name ?? (cacheName is null ? "cachekit" : $"cachekit:{cacheName}"),
            provider => new CacheKitHealthCheck(
                (cacheName is null ? provider.GetService<ICache>() : provider.GetKeyedService<ICache>(cacheName)) ?? throw new InvalidOperationException(notAdded)),
            failureStatus, tags));
    }

    /// <summary>Asked without making the cache. A container that cannot tell finds out when the check runs.</summary>
    private static bool IsAdded(IServiceProvider services, string? cacheName) =>
        services.GetService<IServiceProviderIsKeyedService>() is not { } known
        || (cacheName is null ? known.IsService(typeof(ICache)) : known.IsKeyedService(typeof(ICache), cacheName));
}
