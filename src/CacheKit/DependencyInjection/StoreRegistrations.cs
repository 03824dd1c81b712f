using CacheKit.Stores;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>The stores a cache was given, from near to far.</summary>
internal sealed class StoreRegistrations
{
    private readonly List<StoreRegistration> _stores = [];
    private readonly List<string> _mistakes = [];

    internal bool HasMemory { get; set; } = true;

    /// <summary>Whether somebody has said that there is to be memory.</summary>
    internal bool IsMemoryAskedFor { get; set; }

    internal IReadOnlyList<StoreRegistration> Stores => _stores;

    /// <summary>What is wrong with the options of stores that are therefore not among them.</summary>
    internal IReadOnlyList<string> Mistakes => _mistakes;

    internal void Add(Func<StoreContext, ICacheStore> create, Action<CacheStoreOptions>? configure)
    {
        var options = new CacheStoreOptions();
        configure?.Invoke(options);
        _stores.Add(new(create, options));
    }

    /// <summary>Adds a store with options of its own. What is wrong with them is kept, to be told with whatever else is.</summary>
    internal void Add<TOptions>(Func<StoreContext, TOptions, ICacheStore> create, Func<TOptions> options, Func<TOptions, CacheStoreOptions> storeOptions)
    {
        try
        {
            var read = options();
            _stores.Add(new(context => create(context, read), storeOptions(read)));
        }
        catch (OptionsValidationException exception)
        {
            _mistakes.AddRange(exception.Failures);
        }
    }
}

/// <summary>One store of a cache: how to create it and how to use it.</summary>
internal sealed record StoreRegistration(Func<StoreContext, ICacheStore> Create, CacheStoreOptions Options);
