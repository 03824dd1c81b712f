namespace CacheKit.Testing.Contracts;

/// <summary>Every member of <see cref="ICache"/> by name, to test what holds for all of them.</summary>
internal static class CacheOperations
{
    /// <summary>The members that take a key, or several.</summary>
    internal static readonly IReadOnlyDictionary<string, Func<ICache, string, CancellationToken, Task>> WithKey =
        new Dictionary<string, Func<ICache, string, CancellationToken, Task>>
        {
            ["Get"] = async (cache, key, token) => await cache.GetAsync<int>(key, token),
            ["Get with options"] = async (cache, key, token) => await cache.GetAsync<int>(key, new CacheEntryOptions(), token),
            ["GetOrCreate"] = async (cache, key, token) => await cache.GetOrCreateAsync(key, 1, static (value, _, _) => ValueTask.FromResult(value), null, token),
            ["GetOrCreate from a task"] = async (cache, key, token) => await cache.GetOrCreateAsync(key, _ => Task.FromResult(1), cancellationToken: token),
            ["GetOrCreate for a time"] = async (cache, key, token) => await cache.GetOrCreateAsync(key, _ => ValueTask.FromResult(1), TimeSpan.FromSeconds(1), token),
            ["Set"] = async (cache, key, token) => await cache.SetAsync(key, 1, cancellationToken: token),
            ["Set for a time"] = async (cache, key, token) => await cache.SetAsync(key, 1, TimeSpan.FromSeconds(1), token),
            ["Set for no time"] = async (cache, key, token) => await cache.SetAsync(key, 1, TimeSpan.Zero, token),
            ["TryAdd"] = async (cache, key, token) => await cache.TryAddAsync(key, 1, cancellationToken: token),
            ["Remove"] = async (cache, key, token) => await cache.RemoveAsync(key, token),
            ["Exists"] = async (cache, key, token) => await cache.ExistsAsync(key, token),
            ["Expire"] = async (cache, key, token) => await cache.ExpireAsync(key, token),
            ["GetMany"] = async (cache, key, token) => await cache.GetManyAsync<int>(["another", key], cancellationToken: token),
            ["GetOrCreateMany"] = async (cache, key, token) => await cache.GetOrCreateManyAsync(["another", key], MakeOnes, cancellationToken: token),
            ["SetMany"] = async (cache, key, token) => await cache.SetManyAsync<int>([new("another", 1), new(key, 1)], cancellationToken: token),
            ["RemoveMany"] = async (cache, key, token) => await cache.RemoveManyAsync(["another", key], token),
            ["GetTimeToLive"] = async (cache, key, token) => await cache.GetTimeToLiveAsync(key, token),
            ["SetTimeToLive"] = async (cache, key, token) => await cache.SetTimeToLiveAsync(key, TimeSpan.FromSeconds(1), token),
            ["Touch"] = async (cache, key, token) => await cache.TouchAsync(key, token),
            ["Increment"] = async (cache, key, token) => await cache.IncrementAsync(key, cancellationToken: token),
            ["Decrement"] = async (cache, key, token) => await cache.DecrementAsync(key, cancellationToken: token),
        };

    /// <summary>All members that do something and can be cancelled.</summary>
    internal static readonly IReadOnlyDictionary<string, Func<ICache, string, CancellationToken, Task>> All =
        new Dictionary<string, Func<ICache, string, CancellationToken, Task>>(WithKey)
        {
            ["RemoveByTag"] = async (cache, _, token) => await cache.RemoveByTagAsync("tag", token),
            ["RemoveByTags any"] = async (cache, _, token) => await cache.RemoveByTagsAsync(["tag", "other"], TagMatch.Any, token),
            ["RemoveByTags all"] = async (cache, _, token) => await cache.RemoveByTagsAsync(["tag", "other"], TagMatch.All, token),
            ["RemoveByTags none"] = async (cache, _, token) => await cache.RemoveByTagsAsync([], TagMatch.Any, token),
            ["ExpireByTag"] = async (cache, _, token) => await cache.ExpireByTagAsync("tag", token),
            ["Clear"] = async (cache, _, token) => await cache.ClearAsync(token),
            ["GetMany of none"] = async (cache, _, token) => await cache.GetManyAsync<int>([], cancellationToken: token),
            ["GetOrCreateMany of none"] = async (cache, _, token) => await cache.GetOrCreateManyAsync([], MakeOnes, cancellationToken: token),
            ["SetMany of none"] = async (cache, _, token) => await cache.SetManyAsync<int>([], cancellationToken: token),
            ["RemoveMany of none"] = async (cache, _, token) => await cache.RemoveManyAsync([], token),
        };

    internal static ValueTask<IReadOnlyDictionary<string, int>> MakeOnes(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        new(keys.ToDictionary(key => key, _ => 1));
}
