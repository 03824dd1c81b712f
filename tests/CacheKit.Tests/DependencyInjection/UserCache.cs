namespace CacheKit.Tests.DependencyInjection;

/// <summary>A cache of the user's own, which does nothing.</summary>
internal sealed class UserCache : ICache
{
    public string Name => "mine";

    public ValueTask<CacheLookup<T>> GetAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<T> GetOrCreateAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask SetAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> SetStreamAsync(string key, Stream source, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public ValueTask<Stream?> OpenReadAsync(string key, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> TryAddAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask RemoveByTagsAsync(IEnumerable<string> tags, TagMatch match = TagMatch.Any, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask ClearAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> ExpireAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask ExpireByTagAsync(string tag, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<IReadOnlyDictionary<string, CacheLookup<T>>> GetManyAsync<T>(
        IEnumerable<string> keys, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateManyAsync<TState, T>(
        IEnumerable<string> keys, TState state, Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<int> SetManyAsync<T>(
        IEnumerable<KeyValuePair<string, T>> items, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public IAsyncEnumerable<string> GetKeysAsync(string prefix = "", CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<int> RemoveByPrefixAsync(string prefix, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<int> RemoveManyAsync(IEnumerable<string> keys, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<TimeSpan?> GetTimeToLiveAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> SetTimeToLiveAsync(string key, TimeSpan timeToLive, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<long> IncrementAsync(string key, long delta = 1, CacheCounterOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask<CacheExplanation> ExplainAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public CacheStatistics GetStatistics() => new();
}
