namespace CacheKit;

/// <summary>Told what happens in a cache. Override what you want to know.</summary>
/// <remarks>
/// Calls come on the thread on which the thing happened, after all locks are released, and may come concurrently and
/// out of order; they may call the cache. Whatever they throw is logged, at most once a minute for each type of
/// observer, and breaks nothing. Hits are not reported, so that they stay cheap: see
/// <see cref="ICache.GetStatistics"/> and the meter <c>CacheKit</c>. Disposing a cache does not wait for calls from its upkeep that are under way: of some
/// entries that had expired it may be told a moment later.
/// </remarks>
public abstract class CacheObserver
{
    /// <summary>An entry has left the memory tier. Called exactly once per entry.</summary>
    /// <param name="cacheName">The cache's name.</param>
    /// <param name="key">The key it was under.</param>
    /// <param name="value">Its value; for an isolated entry, what is stored of it, which may be bytes.</param>
    /// <param name="reason">Why it left.</param>
    public virtual void OnEntryEnded(string cacheName, string key, object? value, CacheEntryEndReason reason)
    {
    }

    /// <summary>A factory has made a value, for a caller or in the background.</summary>
    /// <param name="cacheName">The cache's name.</param>
    /// <param name="key">The key.</param>
    /// <param name="elapsed">How long it took.</param>
    public virtual void OnFactorySucceeded(string cacheName, string key, TimeSpan elapsed)
    {
    }

    /// <summary>A factory has failed, was cancelled, or took longer than its hard timeout.</summary>
    /// <param name="cacheName">The cache's name.</param>
    /// <param name="key">The key.</param>
    /// <param name="exception">What it threw; a <see cref="TimeoutException"/> if it ran into its hard timeout.</param>
    /// <param name="elapsed">How long it took.</param>
    public virtual void OnFactoryFailed(string cacheName, string key, Exception exception, TimeSpan elapsed)
    {
    }

    /// <summary>A value past its expiration was served, because the factory failed or was slow.</summary>
    /// <param name="cacheName">The cache's name.</param>
    /// <param name="key">The key.</param>
    public virtual void OnStaleServed(string cacheName, string key)
    {
    }
}
