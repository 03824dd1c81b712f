using CacheKit.Redis.Connection;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>What others keep under the cache's names.</summary>
internal static class ForeignKeys
{
    /// <summary>Whether the server has found a type that the cache does not use there.</summary>
    internal static bool IsFound(Exception? exception) =>
        exception is RedisServerException { Message: var message } && message.Contains("WRONGTYPE", StringComparison.Ordinal);

    /// <summary>Says which of the keys it was, since a script's error does not.</summary>
    /// <returns>Never: it fails, with the name of the key if that can be found.</returns>
    internal static async Task<RedisResult> TellAsync(IDatabase database, RedisKey[] keys, Exception failure)
    {
        foreach (var key in keys)
        {
            string? name = key;
            var expected = Expected(name);
            var type = await database.KeyTypeAsync(key, Flags.Master).ConfigureAwait(false);
            if (name is not null && expected is { } known && type != RedisType.None && type != known)
            {
                throw new CacheStoreException(
                    $"The name '{name}' in Redis is taken by another type than a {Text(known)}, namely a {Text(type)}: something else writes under the same prefix. Remove it, or choose another KeyPrefix.",
                    StoreFailure.Permanent, failure);
            }
        }

        throw RedisErrors.Translate(failure, null); // no WRONGTYPE any more, which would be looked into once again
    }

    // The log is a stream, of which the oldest client knows nothing.
    private static RedisType? Expected(string? name) => Kind(name) switch
    {
        "clock" => RedisType.SortedSet,
        "log" => null,
        _ => RedisType.String,
    };

    // Neither the prefix nor the name of a cache has a slash.
    private static string Kind(string? name) => name?.Split('/', 3) is [_, _, var kind] ? kind : "";

    private static string Text(RedisType type) => type switch
    {
        RedisType.SortedSet => "sorted set",
        _ => type.ToString().ToLowerInvariant(),
    };
}
