using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using CacheKit;
using CacheKit.DependencyInjection;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds caches to an application's services.</summary>
/// <remarks>
/// <para>A cache is a singleton, created when it is first resolved and disposed with the service provider. What it needs
/// is taken from the services if it is there: <see cref="TimeProvider"/>, <see cref="ILoggerFactory"/> (category
/// <c>CacheKit.Cache</c>) and <see cref="IMeterFactory"/> (meter <c>CacheKit</c>).</para>
/// <para>A service that was registered before is never replaced: neither an <see cref="ICache"/> nor a
/// <see cref="TimeProvider"/>.</para>
/// <para>Options are checked when the host starts, and without a host when the cache is first resolved; a mistake is an
/// <see cref="OptionsValidationException"/> that names the option, the value and the remedy. They are read once: what
/// changes later has no effect on a cache that exists.</para>
/// </remarks>
public static class CacheKitServiceCollectionExtensions
{
    private const string LogCategory = "CacheKit.Cache";

    /// <summary>Adds the default cache, which is injected as <see cref="ICache"/>. Its name is <c>"default"</c>.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Configures the cache. <see langword="null"/>: memory alone, with the default options.</param>
    /// <returns>The same services.</returns>
    /// <remarks>
    /// The default cache cannot be resolved by a key. Several calls configure one cache, in their order. The options are
    /// the unnamed ones, so that <c>services.Configure&lt;CacheKitOptions&gt;(…)</c> reaches them too.
    /// </remarks>
    public static IServiceCollection AddCacheKit(this IServiceCollection services, Action<CacheKitBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = AddCache(services, CacheKitBuilder.DefaultName);
        configure?.Invoke(builder);
        return services;
    }

    /// <summary>Adds the default cache with options from configuration; <see cref="CacheKitBuilder.Bind"/> says what it may hold.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="section">The section that holds the options, such as <c>builder.Configuration.GetSection("CacheKit")</c>.</param>
    /// <param name="configure">Configures the cache further; what is set here wins over the section.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentException">The section is the root of a configuration.</exception>
    public static IServiceCollection AddCacheKit(this IServiceCollection services, IConfiguration section, Action<CacheKitBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = AddCache(services, CacheKitBuilder.DefaultName).Bind(section);
        configure?.Invoke(builder);
        return services;
    }

    /// <summary>Adds a named cache, which is injected as <c>[FromKeyedServices("name")] ICache</c>.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="name">The cache's name and key; not empty, and not <c>"default"</c>. Names are compared ordinally.</param>
    /// <param name="configure">Configures the cache. <see langword="null"/>: memory alone, with the default options.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentException">The name is empty, or that of the default cache.</exception>
    /// <remarks>
    /// Caches share nothing: no entries, no tags, no options, no bounds. Several calls with one name configure one cache,
    /// in their order. The options are those of that name: <c>services.Configure&lt;CacheKitOptions&gt;("name", …)</c>.
    /// </remarks>
    public static IServiceCollection AddCacheKit(this IServiceCollection services, string name, Action<CacheKitBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        CheckName(name);
        var builder = AddCache(services, name);
        configure?.Invoke(builder);
        return services;
    }

    /// <summary>Adds a named cache with options from configuration; <see cref="CacheKitBuilder.Bind"/> says what it may hold.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="name">The cache's name and key; not empty, and not <c>"default"</c>.</param>
    /// <param name="section">The section that holds the options, such as <c>builder.Configuration.GetSection("CacheKit:Products")</c>.</param>
    /// <param name="configure">Configures the cache further; what is set here wins over the section.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentException">The name is empty, or that of the default cache; or the section is the root of a configuration.</exception>
    public static IServiceCollection AddCacheKit(
        this IServiceCollection services, string name, IConfiguration section, Action<CacheKitBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        CheckName(name);
        var builder = AddCache(services, name).Bind(section);
        configure?.Invoke(builder);
        return services;
    }

    /// <summary>Finds a cache by its name, or the one without.</summary>
    internal static ICache Find(IServiceProvider services, string name) =>
        name == CacheKitBuilder.DefaultName ? services.GetRequiredService<ICache>() : services.GetRequiredKeyedService<ICache>(name);

    [ThreadStatic]
    private static (IServiceProvider Provider, string Name)? _creating;

    private static void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (name == CacheKitBuilder.DefaultName)
        {
            throw new ArgumentException(
                $"'{CacheKitBuilder.DefaultName}' is the name of the cache that is injected without a key. Call AddCacheKit without a name, or choose another.", nameof(name));
        }
    }

    private static CacheKitBuilder AddCache(IServiceCollection services, string name)
    {
        var builder = new CacheKitBuilder(name, services);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<CacheKitOptions>, CacheKitOptionsValidator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<MemoryOptions>, MemoryOptionsValidator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<StoreRegistrations>, StoreRegistrationsValidator>());
        services.AddOptions<StoreRegistrations>(builder.OptionsName).ValidateOnStart();
        services.AddOptions<CacheKitOptions>(builder.OptionsName).ValidateOnStart();
        services.AddOptions<MemoryOptions>(builder.OptionsName).ValidateOnStart();

        // By a factory, so that the provider disposes what it returns.
        var optionsName = builder.OptionsName;
        if (name == CacheKitBuilder.DefaultName)
        {
            services.TryAddSingleton<ICache>(provider => Create(provider, name, optionsName));
        }
        else
        {
            services.TryAddKeyedSingleton<ICache>(name, (provider, _) => Create(provider, name, optionsName));
        }

        return builder;
    }

    private static Cache Create(IServiceProvider provider, string name, string optionsName)
    {
        // An observer, or a logger, that takes the cache in its constructor would have the container create the cache for ever.
        if (_creating == (provider, name))
        {
            throw new InvalidOperationException(
                $"Something that the cache '{name}' needs to be created, such as one of its observers, asks for that same cache in its "
                + "constructor. Let it take IServiceProvider, and get the cache from that when it is called.");
        }

        var outer = _creating;
        _creating = (provider, name);
        try
        {
            return CreateWithStores(provider, name, optionsName);
        }
        finally
        {
            _creating = outer;
        }
    }

    private static Cache CreateWithStores(IServiceProvider provider, string name, string optionsName)
    {
        // All options first: the mistakes in them are told, all of them, before any store opens a file or a connection.
        List<string> mistakes = [];
        var options = Read<CacheKitOptions>();
        var memory = Read<MemoryOptions>();
        var registrations = Read<StoreRegistrations>();
        if (options is null || memory is null || registrations is null)
        {
            throw new OptionsValidationException(optionsName, typeof(CacheKitOptions), mistakes);
        }

        var time = provider.GetRequiredService<TimeProvider>();
        var loggers = provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance;
        var context = new StoreContext(name, time, loggers, provider);
        var stores = new List<StoreSetup>();
        try
        {
            foreach (var registration in registrations.Stores)
            {
                var store = registration.Create(context)
                    ?? throw new InvalidOperationException($"A store of the cache '{name}' is null: the function given to UseStore must create one.");
                stores.Add(new(store, registration.Options));
            }

            return new(
                name, options, memory, time, loggers.CreateLogger(LogCategory), [.. provider.GetKeyedServices<CacheObserver>(name)],
                provider.GetService<IMeterFactory>(), stores: stores, hasMemory: registrations.HasMemory);
        }
        catch
        {
            foreach (var (store, _) in stores)
            {
                _ = store.DisposeAsync().AsTask();
            }

            throw;
        }

        T? Read<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] T>()
            where T : class
        {
            try
            {
                return provider.GetRequiredService<IOptionsMonitor<T>>().Get(optionsName);
            }
            catch (OptionsValidationException exception)
            {
                mistakes.AddRange(exception.Failures);
                return null;
            }
        }
    }
}
