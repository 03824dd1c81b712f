using CacheKit.Redis.Connection;

namespace CacheKit.Redis;

/// <summary>How a cache uses Redis.</summary>
/// <remarks>
/// No member mentions a type of the Redis client, so that an application may use whichever version of <c>StackExchange.Redis</c> it likes,
/// from 1.2.6 on.
/// </remarks>
public sealed class RedisOptions
{
    /// <summary>
    /// What the names of all keys, and of the channel, begin with. Applications that share a server take different ones. The name of the cache
    /// follows, so caches of one application need not differ. Default: <c>"cachekit"</c>.
    /// </summary>
    /// <value>
    /// Not empty, without <c>/</c>. Braces with something between them keep the whole cache in one slot of a cluster, and so on one node.
    /// </value>
    public string KeyPrefix { get; set; } = "cachekit";

    /// <summary>
    /// How long any one command may take before it is given up and the connection comes under suspicion. The back-stop behind
    /// the cache's own patience (<see cref="CacheStoreOptions.ReadTimeout"/>, <see cref="CacheStoreOptions.WriteTimeout"/>). Default: 2 seconds.
    /// </summary>
    /// <value>From 10 milliseconds to 1 hour.</value>
    public TimeSpan OperationTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The longest that making a value may take for it still to be stored in Redis. What removals and writes leave behind to refuse older
    /// values is kept for twice this time, so it costs space for each key removed or set; raise it for factories that run longer. Default: 2 minutes.
    /// </summary>
    /// <value>From 1 second to 1 day.</value>
    public TimeSpan MaximumLoadTime { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// About how many of the latest invalidation messages the server keeps, so that a node which was cut off for a moment catches up on them instead
    /// of doubting all it has in memory. Default: 10,000; 0: none are kept.
    /// </summary>
    /// <value>From 0 to 10,000,000. Has no effect on servers without streams (before Redis 5).</value>
    public int MessageLogLength { get; set; } = 10_000;

    /// <summary>
    /// Whether the application fails to start if Redis cannot be reached then. Default: it starts, caches without Redis, and uses it as soon as it is there.
    /// </summary>
    public bool RequireConnectionAtStart { get; set; }

    /// <summary>How the cache uses the store: its patience, its circuit breaker, the sizes of entries.</summary>
    public CacheStoreOptions Store { get; } = new();

    internal ConnectionSource? Source { get; private set; }

    /// <summary>Uses a connection the application has already.</summary>
    /// <typeparam name="T">Any type; the object must be an <c>IConnectionMultiplexer</c> of StackExchange.Redis.</typeparam>
    /// <param name="multiplexer">The connection. It stays the application's: the cache neither closes it nor replaces it when it hangs.</param>
    /// <exception cref="ArgumentException">It is something else.</exception>
    public void UseConnection<T>(T multiplexer)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(multiplexer);
        Source = new GivenConnection(multiplexer);
    }

    /// <summary>Makes the connection with code of the application's: with a credential that changes, say.</summary>
    /// <param name="connect">
    /// Returns an <c>IConnectionMultiplexer</c> of StackExchange.Redis. It becomes the cache's, which closes it in the end, and asks for another
    /// when it hangs.
    /// </param>
    public void ConnectWith(Func<IServiceProvider, CancellationToken, ValueTask<object>> connect)
    {
        ArgumentNullException.ThrowIfNull(connect);
        Source = new CustomConnection(connect);
    }

    /// <summary>Says what is wrong with the options.</summary>
    /// <exception cref="ArgumentException">Something is.</exception>
    internal void Validate()
    {
        if (string.IsNullOrWhiteSpace(KeyPrefix) || KeyPrefix.Contains('/', StringComparison.Ordinal))
        {
            throw new ArgumentException($"{nameof(KeyPrefix)} must not be empty nor contain '/', but was '{KeyPrefix}'.");
        }

        Check(OperationTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1), nameof(OperationTimeout));
        Check(MaximumLoadTime, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), nameof(MaximumLoadTime));
        if (MessageLogLength is < 0 or > 10_000_000)
        {
            throw new ArgumentException($"{nameof(MessageLogLength)} must be from 0 to 10,000,000, but was {MessageLogLength}.");
        }
    }

    internal void UseConfiguration(string configuration) => Source = new ConfiguredConnection(configuration);

    /// <summary>Sets the options of the store in the cache's own object.</summary>
    internal void CopyStoreOptions(CacheStoreOptions target)
    {
        target.MaximumExpiration = Store.MaximumExpiration;
        target.MinimumEntryBytes = Store.MinimumEntryBytes;
        target.MaximumEntryBytes = Store.MaximumEntryBytes;
        target.ReadTimeout = Store.ReadTimeout;
        target.WriteTimeout = Store.WriteTimeout;
        target.FailuresToOpen = Store.FailuresToOpen;
        target.FailureShareToOpen = Store.FailureShareToOpen;
        target.OpenFor = Store.OpenFor;
        target.MaximumOpenFor = Store.MaximumOpenFor;
        target.RecoveryQueueSize = Store.RecoveryQueueSize;
        target.MaximumStalenessWhenDisconnected = Store.MaximumStalenessWhenDisconnected;
        target.HeartbeatInterval = Store.HeartbeatInterval;
        target.UseDistributedLock = Store.UseDistributedLock;
        target.LockLease = Store.LockLease;
    }

    private static void Check(TimeSpan value, TimeSpan minimum, TimeSpan maximum, string name)
    {
        if (value < minimum || value > maximum)
        {
            throw new ArgumentException($"{name} must be from {minimum} to {maximum}, but was {value}.");
        }
    }
}
