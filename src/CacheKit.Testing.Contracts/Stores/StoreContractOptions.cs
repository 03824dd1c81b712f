using CacheKit.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>What a contract test asks of the store it is given.</summary>
public sealed class StoreContractOptions
{
    /// <summary>
    /// The name of the cache that the store serves. All stores of one test lie on the same directory, server or whatever it is; those of
    /// different names must not see each other's entries.
    /// </summary>
    public string CacheName { get; set; } = "contract";

    /// <summary>What a store's constructor may ask for, made of these options.</summary>
    /// <param name="timeProvider">The clock of the test.</param>
    /// <returns>A context without logging and without services.</returns>
    public StoreContext CreateContext(TimeProvider timeProvider) => new(CacheName, timeProvider, NullLoggerFactory.Instance, NoServices.Instance);

    private sealed class NoServices : IServiceProvider
    {
        internal static readonly NoServices Instance = new();

        public object? GetService(Type serviceType) => null;
    }
}
