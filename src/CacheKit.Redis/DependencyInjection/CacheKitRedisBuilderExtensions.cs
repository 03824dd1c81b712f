using CacheKit;
using CacheKit.Redis;
using CacheKit.Redis.DependencyInjection;
using CacheKit.Redis.Store;
using Microsoft.Extensions.Hosting;

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
    /// <exception cref="ArgumentException">The configuration cannot be read, or an option is wrong.</exception>
    /// <exception cref="InvalidOperationException">The cache uses Redis already.</exception>
    /// <remarks>
    /// The connection is made in the background when the cache is created. Until it is there, and whenever it is not, the cache goes on without Redis.
    /// </remarks>
    public static CacheKitBuilder UseRedis(
        this CacheKitBuilder builder, string configuration, Action<RedisOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new RedisOptions();
        options.UseConfiguration(configuration);
        configure?.Invoke(options);
        return Add(builder, options);
    }

    /// <summary>Adds a Redis store that uses the application's own connection.</summary>
    /// <param name="builder">The cache being configured.</param>
    /// <param name="configure">
    /// Changes the options of the store, and says which connection: <see cref="RedisOptions.UseConnection{T}"/>. If it does not, it is the
    /// <c>IConnectionMultiplexer</c> that is registered as a service.
    /// </param>
    /// <returns>The builder.</returns>
    /// <exception cref="ArgumentException">An option is wrong.</exception>
    /// <exception cref="InvalidOperationException">The cache uses Redis already.</exception>
    public static CacheKitBuilder UseRedis(
        this CacheKitBuilder builder, Action<RedisOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = new RedisOptions();
        configure?.Invoke(options);
        return Add(builder, options);
    }

    private static CacheKitBuilder Add(CacheKitBuilder builder, RedisOptions options)
    {
        options.Validate();
        if (builder.Services.Any(service => service.IsKeyedService && service.ServiceType == typeof(ConnectionCheck) && Equals(service.ServiceKey, builder.Name)))
        {
            throw new InvalidOperationException($"The cache '{builder.Name}' uses Redis already. Call UseRedis once.");
        }

        var check = new ConnectionCheck(builder.Name);
        builder.Services.AddKeyedSingleton(builder.Name, check);
        if (options.RequireConnectionAtStart)
        {
            builder.Services.AddSingleton<IHostedService>(check.With);
        }

        return builder.UseStore(context => check.Remember(new RedisStore(options, context)), options.CopyStoreOptions);
    }
}
