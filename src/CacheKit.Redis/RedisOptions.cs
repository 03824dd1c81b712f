using CacheKit.DependencyInjection;
using CacheKit.Redis.Connection;

namespace CacheKit.Redis;

/// <summary>How a cache uses Redis.</summary>
/// <remarks>
/// No member mentions a type of the Redis client, so that an application may use whichever version of <c>StackExchange.Redis</c> it likes,
/// from 1.2.6 on.
/// <para>They are checked when the host starts, or when the cache is first resolved. In configuration they are set under <c>Redis</c> in the cache's section, see
/// <see cref="CacheKitBuilder.Bind"/>, but for <see cref="Store"/> and the connection.</para>
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
    /// Whether the host fails to start if Redis cannot be reached then; nothing else is started, and it can be started again. Default: it starts, caches without Redis, and uses it as soon as it is there.
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

    /// <summary>Says what is wrong with the options: each mistake begins with the name of one.</summary>
    internal static OptionRange<TimeSpan> OperationTimes { get; } = new(
        "from 10 milliseconds to 1 hour", static time => time >= TimeSpan.FromMilliseconds(10) && time <= TimeSpan.FromHours(1));

    internal static OptionRange<TimeSpan> LoadTimes { get; } = new(
        "from 1 second to 1 day", static time => time >= TimeSpan.FromSeconds(1) && time <= TimeSpan.FromDays(1));

    internal static OptionRange<long> LogLengths { get; } = new("from 0 to 10,000,000", static length => length is >= 0 and <= 10_000_000);

    internal IEnumerable<string> FindMistakes()
    {
        if (string.IsNullOrWhiteSpace(KeyPrefix) || KeyPrefix.Contains('/', StringComparison.Ordinal))
        {
            yield return $"{nameof(KeyPrefix)} must not be empty nor contain '/', but is '{KeyPrefix}'.";
        }

        (string Option, string? Mistake)[] found =
        [
            (nameof(OperationTimeout), OperationTimes.FindMistake(OperationTimeout)),
            (nameof(MaximumLoadTime), LoadTimes.FindMistake(MaximumLoadTime)),
            (nameof(MessageLogLength), LogLengths.FindMistake(MessageLogLength)),
        ];
        foreach (var (option, mistake) in found)
        {
            if (mistake is not null)
            {
                yield return $"{option} {mistake}";
            }
        }
    }

    internal void Use(ConnectionSource source) => Source = source;
}
