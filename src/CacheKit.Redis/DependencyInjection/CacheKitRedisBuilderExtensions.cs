using CacheKit;
using CacheKit.Redis;
using CacheKit.Redis.Connection;
using CacheKit.Redis.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds Redis to a cache.</summary>
public static class CacheKitRedisBuilderExtensions
{
    /// <summary>Adds a Redis store behind the tiers added so far.</summary>
    /// <param name="builder">The cache being configured.</param>
    /// <param name="configuration">
    /// The servers and how to talk to them, in the syntax of StackExchange.Redis: <c>"localhost:6379"</c>,
    /// <c>"a:6379,b:6379,password=…,ssl=true"</c>. Of a cluster one or some of the nodes are enough.
    /// </param>
    /// <param name="configure">Changes the options of the store. <see langword="null"/>: the defaults of <see cref="RedisOptions"/>.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="ArgumentException">The configuration cannot be read.</exception>
    /// <exception cref="InvalidOperationException">The cache uses Redis already.</exception>
    /// <remarks>
    /// The connection is made in the background when the cache is created. Until it is there, and whenever it is not, the cache goes on without Redis.
    /// </remarks>
    public static CacheKitBuilder UseRedis(
        this CacheKitBuilder builder, string configuration, Action<RedisOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return Add(builder, new ConfiguredConnection(configuration), configure);
    }

    /// <summary>Adds a Redis store that uses the application's own connection.</summary>
    /// <param name="builder">The cache being configured.</param>
    /// <param name="configure">
    /// Changes the options of the store, and says which connection: <see cref="RedisOptions.UseConnection{T}"/>. If it does not, it is the
    /// <c>IConnectionMultiplexer</c> that is registered as a service.
    /// </param>
    /// <returns>The builder.</returns>
    /// <exception cref="InvalidOperationException">The cache uses Redis already.</exception>
    public static CacheKitBuilder UseRedis(
        this CacheKitBuilder builder, Action<RedisOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return Add(builder, new RegisteredConnection(), configure);
    }

    private static CacheKitBuilder Add(CacheKitBuilder builder, ConnectionSource source, Action<RedisOptions>? configure)
    {
        var (services, cache) = (builder.Services, builder.Name);
        if (services.Any(service => service.IsKeyedService && service.ServiceType == typeof(ConnectionCheck) && Equals(service.ServiceKey, cache)))
        {
            throw new InvalidOperationException($"The cache '{cache}' uses Redis already. Call UseRedis once, and Configure<RedisOptions> to change options.");
        }

        // The options of the unnamed cache are the unnamed ones.
        var name = cache == ConnectionCheck.DefaultName ? Options.Options.DefaultName : cache;
        services.AddKeyedSingleton(cache, (_, _) => new ConnectionCheck(cache, name));
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredKeyedService<ConnectionCheck>(cache).With(provider));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<RedisOptions>, RedisOptionsValidator>());

        // First what is in the configuration, then what is said in code.
        builder.UseStore<RedisOptions>(
            RedisSection.Name,
            (section, options) => RedisSection.Read(section, name, options),
            (context, options) => context.Services.GetRequiredKeyedService<ConnectionCheck>(cache).Create(context, options),
            static options => options.Store);
        services.Configure<RedisOptions>(name, options => options.Use(source));
        if (configure is not null)
        {
            services.Configure(name, configure);
        }

        return builder;
    }
}
