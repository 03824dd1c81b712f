namespace CacheKit;

/// <summary>How a cache uses one of its stores, whatever kind it is.</summary>
public sealed class CacheStoreOptions
{
    /// <summary>The longest an entry lives in this store. Default: as long as the entry.</summary>
    /// <value>Greater than zero.</value>
    public TimeSpan? MaximumExpiration { get; set; }

    /// <summary>Entries whose encoded bytes are fewer are not kept in this store. Default: 0.</summary>
    /// <value>Zero or more, up to <see cref="MaximumEntryBytes"/>.</value>
    public int MinimumEntryBytes { get; set; }

    /// <summary>
    /// Entries whose encoded bytes are more are not kept in this store: the caller gets the value, it is logged, and other tiers keep
    /// it. Default: 64 MiB. Values that go in as a stream are not held to it.
    /// </summary>
    /// <value>At least 1,024.</value>
    public int MaximumEntryBytes { get; set; } = 64 << 20;

    /// <summary>How long to wait for a read before it counts as a miss; of a large entry that a store reads in parts, for each of them. Default: 250 milliseconds.</summary>
    /// <value>Greater than zero; <see cref="Timeout.InfiniteTimeSpan"/> waits as long as the store takes.</value>
    public TimeSpan ReadTimeout { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How long to wait for a write or a removal before it counts as failed and is queued to be sent again. Default: 500 milliseconds.</summary>
    /// <value>Greater than zero; <see cref="Timeout.InfiniteTimeSpan"/> waits as long as the store takes.</value>
    public TimeSpan WriteTimeout { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>After so many failures in a row the circuit opens: the store is left alone. Default: 5.</summary>
    /// <value>At least 1.</value>
    public int FailuresToOpen { get; set; } = 5;

    /// <summary>The share of failures among the last 20 or more calls within 10 seconds that opens the circuit as well. Default: 0.5.</summary>
    /// <value>Greater than 0, up to 1.</value>
    public double FailureShareToOpen { get; set; } = 0.5;

    /// <summary>How long an open circuit stays open before one call is let through to try. Doubles each time that fails. Default: 2 seconds.</summary>
    /// <value>Greater than zero.</value>
    public TimeSpan OpenFor { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest an open circuit stays open before it is tried. Default: 30 seconds.</summary>
    /// <value>Not less than <see cref="OpenFor"/>.</value>
    public TimeSpan MaximumOpenFor { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many undelivered writes and removals are remembered, by key and by tag, to be sent when the store is back. Default: 10,000.</summary>
    /// <value>At least 1. When more come, all of what the store holds from before counts as removed.</value>
    public int RecoveryQueueSize { get; set; } = 10_000;

    /// <summary>
    /// While the messages of other nodes may have been lost and the store cannot be asked, how long memory still serves what it
    /// has. Default: 30 seconds.
    /// </summary>
    /// <value>Zero or more.</value>
    public TimeSpan MaximumStalenessWhenDisconnected { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a node tells the others that it is there, which bounds how long a lost message goes unnoticed. Default: 5 seconds.</summary>
    /// <value>From 50 milliseconds to 1 hour.</value>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Whether one node makes a missing value while the others wait for it: of the cache's last store, which must have locks. Values that are made many at a
    /// time with one call of their factory do not take turns. Default: off.
    /// </summary>
    public bool UseDistributedLock { get; set; }

    /// <summary>How long a distributed lock is held at most without being extended; others wait for the value half as long again at most. Default: 30 seconds.</summary>
    /// <value>Greater than zero.</value>
    public TimeSpan LockLease { get; set; } = TimeSpan.FromSeconds(30);
}
