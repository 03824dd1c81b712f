using Microsoft.Extensions.Logging;

namespace CacheKit.Stores;

/// <summary>What a store is created with.</summary>
/// <param name="cacheName">The name of the cache it serves: caches of different names must not see each other's entries.</param>
/// <param name="timeProvider">The clock of instants and waits.</param>
/// <param name="loggerFactory">Where to write what an operator must know: once per change of state, not once per call.</param>
/// <param name="services">The application's services.</param>
public sealed class StoreContext(string cacheName, TimeProvider timeProvider, ILoggerFactory loggerFactory, IServiceProvider services)
{
    /// <summary>The name of the cache the store serves.</summary>
    public string CacheName { get; } = cacheName;

    /// <summary>The clock of instants and waits.</summary>
    public TimeProvider TimeProvider { get; } = timeProvider;

    /// <summary>Where to write what an operator must know.</summary>
    public ILoggerFactory LoggerFactory { get; } = loggerFactory;

    /// <summary>The application's services.</summary>
    public IServiceProvider Services { get; } = services;
}
