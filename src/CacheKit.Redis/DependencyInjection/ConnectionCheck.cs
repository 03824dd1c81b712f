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
    private bool _isClosed;

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

            if (check._isClosed)
            {
                throw new InvalidOperationException(
                    $"The cache '{check.CacheName}' requires Redis at the start, and was closed when it could not use it at an earlier one. Build the host anew.");
            }

            // Creates the store.
            var cache = check.Find(services);
            if (check._store is { } store)
            {
                try
                {
                    await store.CheckConnectionAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (Exception exception)
                {
                    // Nobody will use it. What it does in the background, trying to hear of other nodes, would go on, and be logged, until the services are disposed, if they ever are.
                    check._isClosed = true;
                    await (cache as IAsyncDisposable ?? store).DisposeAsync().ConfigureAwait(false);
                    if (exception is Stores.CacheStoreException failure)
                    {
                        throw new InvalidOperationException(
                            $"The cache '{check.CacheName}' requires Redis at the start, but cannot use it: {failure.Message}", failure);
                    }

                    throw;
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
