namespace CacheKit.Stores;

/// <summary>A store that can list what it holds. The cost is that of going through all of it.</summary>
public interface IEnumerableStore : ICacheStore
{
    /// <summary>Lists the keys of live entries that begin with a prefix, each once, in no order.</summary>
    /// <param name="prefix">The literal beginning, compared ordinally; empty for all.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    /// <returns>The keys. What is there throughout is listed; what comes or goes meanwhile may be.</returns>
    IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Counts entries, cheaply: those that have expired or were invalidated but not yet dropped may be counted.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>About how many there are.</returns>
    ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken);
}
