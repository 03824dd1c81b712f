using CacheKit.Redis.Store;
using CacheKit.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace CacheKit.Redis.DependencyInjection;

/// <summary>Has the start of the host wait for Redis, and fail without it, if the options say so.</summary>
/// <remarks>
/// Before anything else starts, and with a store that the cache is given only if it can be used: a start that fails leaves nothing behind that would go on trying, and be logged, and the host can be started again. A cache that
/// somebody has been given already stays what it is: a cache without Redis, for now.
/// </remarks>
internal sealed class ConnectionCheck(string cacheName, string optionsName)
{
    /// <summary>As <see cref="CacheKitBuilder.Name"/> says.</summary>
    internal const string DefaultName = "default";

    private RedisStore? _prepared;
    private RedisStore? _store;

    /// <summary>Takes note of the store of the cache, which is created now.</summary>
    internal RedisStore Remember(RedisStore store) => _store = store;

    /// <summary>Gives the cache, which is created now, its store.</summary>
    internal RedisStore Create(StoreContext context, RedisOptions options) => Remember(Interlocked.Exchange(ref _prepared, null) ?? new(options, context));

    /// <summary>What the host starts.</summary>
    internal IHostedService With(IServiceProvider services) => new Starting(this, services);

    private sealed class Starting(ConnectionCheck check, IServiceProvider services) : IHostedLifecycleService
    {
        private bool _isChecked;

        public async Task StartingAsync(CancellationToken cancellationToken)
        {
            await CheckAsync(cancellationToken).ConfigureAwait(false);
            _isChecked = true;
        }

        // Not every host calls the one before.
        public Task StartAsync(CancellationToken cancellationToken) => _isChecked ? Task.CompletedTask : CheckAsync(cancellationToken);

        private async Task CheckAsync(CancellationToken cancellationToken)
        {
            var options = services.GetRequiredService<IOptionsMonitor<RedisOptions>>().Get(check.OptionsName);
            if (!options.RequireConnectionAtStart)
            {
                return;
            }

            if (check._store is { } used)
            {
                await check.TryAsync(used, cancellationToken).ConfigureAwait(false);
                return;
            }

            check._prepared = new(options, new StoreContext(
                check.CacheName, services.GetRequiredService<TimeProvider>(), services.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance, services));
            try
            {
                await check.TryAsync(check._prepared, cancellationToken).ConfigureAwait(false);
                check.Find(services);
            }
            finally
            {
                // Not if the cache has taken it.
                if (Interlocked.Exchange(ref check._prepared, null) is { } unused)
                {
                    await unused.DisposeAsync().ConfigureAwait(false);
                }
            }
        }

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private string CacheName => cacheName;

    private string OptionsName => optionsName;

    private async Task TryAsync(RedisStore store, CancellationToken cancellationToken)
    {
        try
        {
            await store.CheckConnectionAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (CacheStoreException failure)
        {
            throw new InvalidOperationException($"The cache '{cacheName}' requires Redis at the start, but cannot use it: {failure.Message}", failure);
        }
    }

    private void Find(IServiceProvider services) =>
        _ = cacheName == DefaultName ? services.GetRequiredService<ICache>() : services.GetRequiredKeyedService<ICache>(cacheName);
}
