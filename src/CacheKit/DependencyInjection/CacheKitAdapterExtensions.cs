using CacheKit;
using CacheKit.Adapters;
using CacheKit.DependencyInjection;
using CacheKit.Stores;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Has a cache stand in for other caching interfaces, so that code that was written for those uses it without a change.</summary>
/// <remarks>
/// An adapter is a singleton, and what is injected from then on, whatever was registered for its interface before. It does not own the cache: the
/// entries are those of <see cref="ICache"/>, under the same keys, and so are bounds, tiers, defaults and statistics.
/// </remarks>
public static class CacheKitAdapterExtensions
{
    /// <summary>
    /// Registers the cache as <see cref="IDistributedCache"/> and <see cref="IBufferDistributedCache"/>: the default cache without a key, a named
    /// one under its name as the key.
    /// </summary>
    /// <param name="builder">The cache.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// Options that set an expiration are taken as they are; those that set none leave it to the defaults of the cache. An
    /// <see cref="DistributedCacheEntryOptions.AbsoluteExpiration"/> in the past is an <see cref="ArgumentOutOfRangeException"/>. If both absolute
    /// expirations are set, the earlier one holds.
    /// </remarks>
    public static CacheKitBuilder AsDistributedCache(this CacheKitBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var optionsName = builder.OptionsName;
        builder.Services.TryAddKeyedSingleton(builder.Name, (provider, name) => new CacheKitDistributedCache(
            CacheKitServiceCollectionExtensions.Find(provider, (string)name!), // registered under the name
            provider.GetRequiredService<IOptionsMonitor<CacheKitOptions>>().Get(optionsName).DefaultEntryOptions,
            provider.GetRequiredService<TimeProvider>()));
        Register<IDistributedCache, CacheKitDistributedCache>(builder);
        Register<IBufferDistributedCache, CacheKitDistributedCache>(builder);
        return builder;
    }

    /// <summary>Registers the cache as <see cref="HybridCache"/>: the default cache without a key, a named one under its name as the key.</summary>
    /// <param name="builder">The cache.</param>
    /// <param name="configure">Sets defaults and limits. <see langword="null"/>: those of the cache.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// <para>Memory is what this interface calls local, and all stores what it calls distributed. Mutable values are copied for every caller, and values of classes
    /// marked as immutable shared only if the class is sealed; a value that cannot be copied goes to its caller, is logged, and is not cached. A key that
    /// holds a value of another type is a miss.</para>
    /// <para>Serializers registered for this interface, <see cref="IHybridCacheSerializer{T}"/> and <see cref="IHybridCacheSerializerFactory"/>, with the
    /// cache's name as the key or without one, write and copy the values of their types; <c>JsonSerializerOptions</c> whose key is the type of such a serializer,
    /// closed or open, hold where there is none.</para>
    /// </remarks>
    public static CacheKitBuilder AsHybridCache(this CacheKitBuilder builder, Action<CacheKitHybridCacheOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var (services, name, optionsName) = (builder.Services, builder.Name, builder.OptionsName);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<CacheKitHybridCacheOptions>, HybridCacheOptionsValidator>());
        var options = services.AddOptions<CacheKitHybridCacheOptions>(optionsName).ValidateOnStart();
        if (configure is not null)
        {
            options.Configure(configure);
        }

        services.TryAddKeyedSingleton(name, static (provider, key) => new HybridSerializers(provider, (string)key!)); // registered under the name
        services.AddOptions<CacheKitOptions>(optionsName).PostConfigure<IServiceProvider>((cache, provider) =>
        {
            cache.Isolation.Serializers = cache.Serialization.Serializers = provider.GetRequiredKeyedService<HybridSerializers>(name);
            cache.Isolation.TrustsOnlySealedMarkedClasses = true; // as this interface has it
        });
        services.AddOptions<StoreRegistrations>(optionsName).PostConfigure<IOptionsMonitor<CacheKitHybridCacheOptions>>((stores, hybrid) =>
        {
            if (hybrid.Get(optionsName).MaximumPayloadBytes is { } maximum)
            {
                foreach (var store in stores.Stores)
                {
                    store.Options.MaximumEntryBytes = (int)Math.Min(store.Options.MaximumEntryBytes, Math.Max(maximum, CacheKitHybridCacheOptions.LeastPayloadBytes));
                }
            }
        });
        services.TryAddKeyedSingleton(name, (provider, key) => new CacheKitHybridCache(
            CacheKitServiceCollectionExtensions.Find(provider, (string)key!), // as above
            provider.GetRequiredService<IOptionsMonitor<CacheKitHybridCacheOptions>>().Get(optionsName),
            provider.GetRequiredService<IOptionsMonitor<CacheKitOptions>>().Get(optionsName).DefaultEntryOptions,
            provider.GetRequiredKeyedService<HybridSerializers>(key),
            provider.GetService<ILoggerFactory>()?.CreateLogger("CacheKit.HybridCache") ?? NullLogger.Instance,
            provider.GetRequiredService<TimeProvider>()));
        Register<HybridCache, CacheKitHybridCache>(builder);
        return builder;
    }

    /// <summary>The other way round: has any <see cref="IDistributedCache"/> serve as a store behind the tiers added so far.</summary>
    /// <param name="builder">The cache.</param>
    /// <param name="configure">Says which one. <see langword="null"/>: the one that is registered without a key.</param>
    /// <param name="configureStore">Sets how the cache uses it. <see langword="null"/>: the defaults of <see cref="CacheStoreOptions"/>.</param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// <para>For a cache server that has no store of its own here. Within one process all promises hold, tags and late values included. Among processes
    /// removals are seen by whoever reads the distributed cache afterwards, but nothing is atomic: of two writes, or a write and a removal, of one key at
    /// the same moment either may win. The memory of other processes is not told, and asks again every
    /// <see cref="CacheStoreOptions.MaximumStalenessWhenDisconnected"/>. Their clocks must agree: values of the time by which one is ahead may
    /// survive another's removal by tag. Removing by all of several tags may take more than asked, and expiring on request removes.</para>
    /// <para>Every read takes two calls of the distributed cache at once, and then one for each tag of the entry, at once as well. The distributed cache is
    /// not disposed with the cache.</para>
    /// </remarks>
    public static CacheKitBuilder UseDistributedCache(
        this CacheKitBuilder builder, Action<DistributedCacheStoreOptions>? configure = null, Action<CacheStoreOptions>? configureStore = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new DistributedCacheStoreOptions();
        configure?.Invoke(options);
        return builder.UseStore(
            context =>
            {
                IDistributedCache? cache;
                try
                {
                    cache = options.Create is { } create ? create(context.Services)
                        : options.ServiceKey is { } key ? context.Services.GetKeyedService<IDistributedCache>(key)
                        : context.Services.GetService<IDistributedCache>();
                }
                catch (InvalidOperationException exception) when (StandsIn(context))
                {
                    throw new InvalidOperationException(
                        $"The cache '{context.CacheName}' stands in for {nameof(IDistributedCache)}, and cannot be its own store. Register the other one under a key and name "
                        + $"that with {nameof(DistributedCacheStoreOptions)}.{nameof(DistributedCacheStoreOptions.ServiceKey)}, or give it with {nameof(DistributedCacheStoreOptions.Create)}.",
                        exception);
                }

                return new DistributedCacheStore(
                    cache ?? throw new InvalidOperationException(
                        $"The cache '{context.CacheName}' is to use a distributed cache, but there is none{(options.ServiceKey is { } missing ? $" under the key '{missing}'" : null)}. "
                        + $"Register an {nameof(IDistributedCache)}, or give one with {nameof(DistributedCacheStoreOptions)}.{nameof(DistributedCacheStoreOptions.Create)}."),
                    options.KeyPrefix ?? $"cachekit:{Uri.EscapeDataString(context.CacheName)}:",
                    context.TimeProvider);
            },
            configureStore);

        static bool StandsIn(StoreContext context) =>
            context.Services.GetService<IServiceProviderIsKeyedService>()?.IsKeyedService(typeof(CacheKitDistributedCache), context.CacheName) == true;
    }

    /// <summary>Has a service be the adapter, which is registered under the cache's name. As the last registration it wins over earlier ones.</summary>
    private static void Register<TService, TAdapter>(CacheKitBuilder builder)
        where TService : class
        where TAdapter : class, TService
    {
        var name = builder.Name;
        if (name == CacheKitBuilder.DefaultName)
        {
            builder.Services.AddSingleton<TService>(provider => provider.GetRequiredKeyedService<TAdapter>(name));
        }
        else
        {
            builder.Services.AddKeyedSingleton<TService>(name, static (provider, key) => provider.GetRequiredKeyedService<TAdapter>(key));
        }
    }
}
