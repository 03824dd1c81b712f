using System.Diagnostics.CodeAnalysis;
using CacheKit.DependencyInjection;
using CacheKit.Stores;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace CacheKit;

/// <summary>Configures one cache while it is added to the services.</summary>
/// <remarks>
/// Everything given here adds up in the order of the calls, and a later value wins over an earlier one. Nothing runs
/// before the options are first needed: at the start of the host, or when the cache is resolved. Not safe for concurrent use.
/// </remarks>
public sealed class CacheKitBuilder
{
    internal const string DefaultName = "default";

    internal CacheKitBuilder(string name, IServiceCollection services)
    {
        Name = name;
        Services = services;
    }

    /// <summary>The cache's name; <c>"default"</c> for the unnamed one.</summary>
    public string Name { get; }

    /// <summary>The application's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The name of the cache's options: for the unnamed cache the unnamed ones, as everybody would expect.</summary>
    internal string OptionsName => Name == DefaultName ? Options.DefaultName : Name;

    /// <summary>Keeps entries in the memory of this process. A cache has memory in any case; this sets how much.</summary>
    /// <param name="configure">Sets bounds and upkeep. <see langword="null"/>: as configured so far, or 100,000 entries.</param>
    /// <returns>This builder.</returns>
    /// <remarks>Together with <see cref="WithoutMemory"/> it is an error, told when the options are first needed.</remarks>
    public CacheKitBuilder UseMemory(Action<MemoryOptions>? configure = null)
    {
        Services.Configure<StoreRegistrations>(OptionsName, static stores => stores.IsMemoryAskedFor = true);
        if (configure is not null)
        {
            Services.Configure(OptionsName, configure);
        }

        return this;
    }

    /// <summary>Keeps nothing in memory: every call asks the stores. Only for a cache that has one.</summary>
    /// <returns>This builder.</returns>
    /// <remarks>For values that other processes change behind the cache's back, or that are too large for memory.</remarks>
    public CacheKitBuilder WithoutMemory()
    {
        Services.Configure<StoreRegistrations>(OptionsName, static stores => stores.HasMemory = false);
        return this;
    }

    /// <summary>Adds a store behind the tiers added so far. The last one is the authority: it is written first, and owns the clock.</summary>
    /// <param name="create">Creates the store, once, when the cache is created; the cache disposes it.</param>
    /// <param name="configure">Sets how the cache uses it. <see langword="null"/>: the defaults of <see cref="CacheStoreOptions"/>.</param>
    /// <returns>This builder.</returns>
    public CacheKitBuilder UseStore(Func<StoreContext, ICacheStore> create, Action<CacheStoreOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(create);
        Services.Configure<StoreRegistrations>(OptionsName, stores => stores.Add(create, configure));
        OpenAtStart();
        return this;
    }

    /// <summary>Adds a store that has options of its own, for a package that provides one.</summary>
    /// <typeparam name="TOptions">
    /// The options. Those of the cache's name are used, or the unnamed ones for the unnamed cache; what is registered to configure and to validate them applies.
    /// </typeparam>
    /// <param name="sectionName">The name of the section within those given to <see cref="Bind"/>, by whichever call, that sets the options.</param>
    /// <param name="read">Sets options from that section, which exists. Throws an <see cref="OptionsValidationException"/> where it cannot.</param>
    /// <param name="create">Creates the store, as in the other overload.</param>
    /// <param name="storeOptions">Says which of the options tell how the cache uses the store.</param>
    /// <returns>This builder.</returns>
    public CacheKitBuilder UseStore<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TOptions>(
        string sectionName, Action<IConfigurationSection, TOptions> read, Func<StoreContext, TOptions, ICacheStore> create, Func<TOptions, CacheStoreOptions> storeOptions)
        where TOptions : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sectionName);
        ArgumentNullException.ThrowIfNull(read);
        ArgumentNullException.ThrowIfNull(create);
        ArgumentNullException.ThrowIfNull(storeOptions);
        var name = OptionsName;
        Services.Configure<BoundSections>(name, sections => sections.Claim(sectionName));
        Services.AddOptions<TOptions>(name).Configure<IOptionsMonitor<BoundSections>>((options, sections) => sections.Get(name).Read(sectionName, section => read(section, options))); // validated with the stores
        Services.AddOptions<StoreRegistrations>(name).Configure<IOptionsMonitor<TOptions>>((stores, options) => stores.Add(create, () => options.Get(name), storeOptions));
        OpenAtStart();
        return this;
    }

    /// <summary>Keeps entries in a directory: they survive the process, and all processes that name the same directory share them.</summary>
    /// <param name="path">
    /// The directory, which is created if it is missing. A relative one begins at the current directory of the process. Caches of
    /// different names can share it and do not see each other.
    /// </param>
    /// <param name="configure">Sets how much is kept. <see langword="null"/>: the defaults of <see cref="DiskOptions"/>.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidOperationException">The cache keeps entries on disk already.</exception>
    /// <remarks>
    /// When the cache is created and the directory cannot be used, a <see cref="CacheStoreException"/> says why; a host creates it when it starts. What happens later, such as a
    /// full disk, costs misses and is logged.
    /// </remarks>
    public CacheKitBuilder UseDisk(string path, Action<DiskOptions>? configure = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var (name, options) = (Name, OptionsName);
        if (IsAdded<DiskRegistration>())
        {
            throw new InvalidOperationException($"The cache '{name}' keeps entries on disk already. Call UseDisk once, and Configure<DiskOptions> to change options.");
        }

        Services.AddKeyedSingleton<DiskRegistration>(name);
        Services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<DiskOptions>, DiskOptionsValidator>());
        Services.AddOptions<DiskOptions>(options).Configure(disk => disk.Path = path).Configure(disk => configure?.Invoke(disk)); // validated with the stores
        OpenAtStart();
        Services.AddOptions<StoreRegistrations>(options).Configure<IOptionsMonitor<DiskOptions>>(
            (stores, disk) => stores.Add(DiskRegistration.Create, () => disk.Get(options), static disk => disk.Store));
        return this;
    }

    /// <summary>Sets how the cache behaves, whatever tiers it has.</summary>
    /// <param name="configure">Changes the options as configured so far.</param>
    /// <returns>This builder.</returns>
    public CacheKitBuilder Configure(Action<CacheKitOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Services.Configure(OptionsName, configure);
        return this;
    }

    /// <summary>Sets what entries have where a call leaves it unset.</summary>
    /// <param name="defaults">All of the defaults: they take the place of those set before, and are not merged with them.</param>
    /// <returns>This builder.</returns>
    public CacheKitBuilder WithDefaults(CacheEntryOptions defaults)
    {
        ArgumentNullException.ThrowIfNull(defaults);
        return Configure(options => options.DefaultEntryOptions = defaults);
    }

    /// <summary>Reads options from a section of the configuration, such as one of <c>appsettings.json</c>.</summary>
    /// <param name="section">
    /// The section. It has the properties of <see cref="CacheKitOptions"/> and, under <c>Memory</c> and <c>Disk</c>, those of
    /// <see cref="MemoryOptions"/> and <see cref="DiskOptions"/>, except those that hold code and the path; and the sections of stores that other packages
    /// provide, such as <c>Redis</c>. It may be missing, which sets nothing.
    /// </param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">It is the root of a configuration, which holds much else.</exception>
    /// <remarks>
    /// <para>Each property that is present is set and the others stay as they are, also within
    /// <see cref="CacheKitOptions.DefaultEntryOptions"/>. Names and enumeration values are read in any case, numbers and
    /// durations the same in every culture. A duration is written <c>hh:mm:ss</c>, <c>d.hh:mm:ss</c> or
    /// <c>hh:mm:ss.fff</c>.</para>
    /// <para>A name that does not exist or a value that cannot be read is an error when the options are first needed:
    /// an <see cref="Microsoft.Extensions.Options.OptionsValidationException"/> with the full path, the value, and what
    /// was probably meant. The section is read then, once; later changes of the configuration have no effect.</para>
    /// </remarks>
    public CacheKitBuilder Bind(IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);

        // Its many other names would all be reported as mistakes, with their values, some of which are secret.
        if (section is IConfigurationRoot)
        {
            throw new ArgumentException(
                "This is the root of the configuration. Pass the section that holds the cache's options, such as configuration.GetSection(\"CacheKit\").", nameof(section));
        }

        var name = OptionsName;
        Services.Configure<BoundSections>(name, sections => sections.Add(section));
        var cache = Name;
        Services.AddOptions<CacheKitOptions>(name).Configure<IOptionsMonitor<BoundSections>, IServiceProviderIsKeyedService>((options, sections, isThere) =>
            ConfigurationReader.Read(section, name, options, sections.Get(name).Claimed, isThere.IsKeyedService(typeof(DiskRegistration), cache)));
        Services.Configure<MemoryOptions>(name, options => ConfigurationReader.Read(section, name, options));
        Services.Configure<DiskOptions>(name, options => ConfigurationReader.Read(section, name, options));
        return this;
    }

    /// <summary>Has an observer told what happens in this cache.</summary>
    /// <param name="observer">The observer. It stays the caller's: the cache does not dispose it.</param>
    /// <returns>This builder.</returns>
    public CacheKitBuilder AddObserver(CacheObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        Services.AddKeyedSingleton(Name, observer);
        return this;
    }

    /// <summary>Has an observer told what happens in this cache, created with what it needs from the services.</summary>
    /// <typeparam name="TObserver">
    /// If it is registered as a service, that service is used, which then may observe several caches; else one is created
    /// for this cache, and disposed with the provider.
    /// </typeparam>
    /// <returns>This builder.</returns>
    /// <remarks>It is created with the cache, so it cannot be given the same cache; it may get it from the provider when it is called.</remarks>
    public CacheKitBuilder AddObserver<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] TObserver>()
        where TObserver : CacheObserver
    {
        Services.AddKeyedSingleton<CacheObserver>(
            Name, static (provider, _) => provider.GetService<TObserver>() ?? ActivatorUtilities.CreateInstance<TObserver>(provider));
        return this;
    }

    // Once, however many stores the cache has.
    private void OpenAtStart()
    {
        if (!IsAdded<CacheOpening>())
        {
            var name = Name;
            Services.AddKeyedSingleton(name, (services, _) => new CacheOpening(services, name));
            Services.AddSingleton<IHostedService>(services => services.GetRequiredKeyedService<CacheOpening>(name));
        }
    }

    private bool IsAdded<T>() => Services.Any(service => service.IsKeyedService && service.ServiceType == typeof(T) && Equals(service.ServiceKey, Name));
}
