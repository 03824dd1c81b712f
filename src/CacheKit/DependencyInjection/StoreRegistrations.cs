using CacheKit.Stores;

namespace CacheKit.DependencyInjection;

/// <summary>The stores a cache was given, from near to far.</summary>
internal sealed class StoreRegistrations
{
    private readonly List<StoreRegistration> _stores = [];

    internal bool HasMemory { get; set; } = true;

    /// <summary>Whether somebody has said that there is to be memory.</summary>
    internal bool IsMemoryAskedFor { get; set; }

    internal IReadOnlyList<StoreRegistration> Stores => _stores;

    internal void Add(Func<StoreContext, ICacheStore> create, Action<CacheStoreOptions>? configure)
    {
        var options = new CacheStoreOptions();
        configure?.Invoke(options);
        Add(create, options);
    }

    internal void Add(Func<StoreContext, ICacheStore> create, CacheStoreOptions options) => _stores.Add(new(create, options));
}

/// <summary>One store of a cache: how to create it and how to use it.</summary>
internal sealed record StoreRegistration(Func<StoreContext, ICacheStore> Create, CacheStoreOptions Options);
