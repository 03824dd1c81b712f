using CacheKit.Redis.Store;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace CacheKit.Redis.DependencyInjection;

/// <summary>Has the start of the host wait for Redis, and fail without it, if the options say so.</summary>
internal sealed class ConnectionCheck(string cacheName, string optionsName)
{
    /// <summary>As <see cref="CacheKitBuilder.Name"/> says.</summary>
    internal const string DefaultName = "default";

    private RedisStore? _store;

    /// <summary>Takes note of the store, once the cache has created it.</summary>
    internal RedisStore Remember(RedisStore store) => _store = store;

    /// <summary>What the host starts.</summary>
    internal IHostedService With(IServiceProvider services) => new Starting(this, services);

    private sealed class Starting(ConnectionCheck check, IServiceProvider services) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            if (!services.GetRequiredService<IOptionsMonitor<RedisOptions>>().Get(check.OptionsName).RequireConnectionAtStart)
            {
                return;
            }

            // Creates the store.
            _ = check.Find(services);
            if (check._store is { } store)
            {
                try
                {
                    await store.CheckConnectionAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (Stores.CacheStoreException exception)
                {
                    throw new InvalidOperationException(
                        $"The cache '{check.CacheName}' requires Redis at the start, but cannot use it: {exception.Message}", exception);
                }
            }
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private string CacheName => cacheName;

    private string OptionsName => optionsName;

    private object Find(IServiceProvider services) =>
        cacheName == DefaultName ? services.GetRequiredService<ICache>() : services.GetRequiredKeyedService<ICache>(cacheName);
}
