namespace CacheKit.Stores;

/// <summary>A store that knows by itself when something is wrong with it: before a call shows it, or better than a call that was only too slow.</summary>
public interface IStoreHealth : ICacheStore
{
    /// <summary>
    /// What is wrong with the store now, in a line, as its log says it; <see langword="null"/> if nothing is, as far as it knows. For statistics and the health check: nothing else depends on it.
    /// Called from any thread, as often as somebody asks for statistics; waits for nothing, and throws nothing.
    /// </summary>
    string? Trouble { get; }

    /// <summary>
    /// Whether the store itself writes to the log when it cannot be reached, or the messages that it carries are interrupted, and when that is over. Then the cache, which would find it out by calls that fail, tells of it at Debug alone, so
    /// that one outage is one warning: while <see cref="Trouble"/> says something, and for 5 seconds before, in which the store may find out. Default: no.
    /// </summary>
    bool LogsOutages => false;
}
