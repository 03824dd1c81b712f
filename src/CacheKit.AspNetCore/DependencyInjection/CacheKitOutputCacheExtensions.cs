using CacheKit;
using CacheKit.AspNetCore.OutputCaching;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Has ASP.NET Core keep cached responses in a cache.</summary>
public static class CacheKitOutputCacheExtensions
{
    /// <summary>Adds output caching whose responses are kept in a cache, and that cache if it was not added yet.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="cacheName">The name of the cache. <see langword="null"/>: the default one.</param>
    /// <param name="configure">Sets policies, the default lifetime and size limits, as with <c>AddOutputCache</c>, which may be called besides.</param>
    /// <returns>The same services.</returns>
    /// <remarks>
    /// <para>The middleware is the platform's own: <c>app.UseOutputCache()</c>, policies, attributes and <c>CacheOutput()</c> stay as they are.
    /// What decides how much is kept is the bound of the cache, not <see cref="OutputCacheOptions.SizeLimit"/>. Responses are best kept in a named
    /// cache of their own that is bounded by bytes.</para>
    /// <para>Tags are those of the cache: <see cref="ICache.RemoveByTagAsync"/> evicts responses, and
    /// <see cref="IOutputCacheStore.EvictByTagAsync"/> removes entries.</para>
    /// </remarks>
    public static IServiceCollection AddCacheKitOutputCache(
        this IServiceCollection services, string? cacheName = null, Action<OutputCacheOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (cacheName is null)
        {
            services.AddCacheKit();
        }
        else
        {
            services.AddCacheKit(cacheName);
        }

        services.AddOutputCache(configure ?? (static _ => { }));
        services.AddSingleton<IOutputCacheStore>(provider => new CacheKitOutputCacheStore(
            cacheName is null ? provider.GetRequiredService<ICache>() : provider.GetRequiredKeyedService<ICache>(cacheName),
            provider.GetRequiredService<IOptionsMonitor<CacheKitOptions>>().Get(cacheName ?? Options.Options.DefaultName).DefaultEntryOptions));
        return services;
    }
}
