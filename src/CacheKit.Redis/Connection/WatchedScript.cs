using CacheKit.Redis.Protocol;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>The wait for a script, which is sent in full if the server proves not to know it; where a key is of another type, it is found out which.</summary>
internal sealed class WatchedScript : WatchedCommand<RedisResult>
{
    private readonly IDatabase _database;
    private readonly RedisScript _script;
    private readonly RedisKey[] _keys;
    private readonly RedisValue[] _arguments;

    private WatchedScript(
        RedisConnection connection, CommandWatch watch, RedisLink link, string? key, RedisScript script, RedisKey[] keys, RedisValue[] arguments)
        : base(connection, watch, link, key) =>
        (_database, _script, _keys, _arguments) = (link.Database, script, keys, arguments);

    internal static ValueTask<RedisResult>? TryBegin(
        RedisConnection connection, CommandWatch watch, RedisLink link, Task<RedisResult> running, string? key, RedisScript script, RedisKey[] keys,
        RedisValue[] arguments, CancellationToken cancellationToken) =>
        new WatchedScript(connection, watch, link, key, script, keys, arguments).TryBegin(running, cancellationToken);

    private protected override Task<RedisResult>? Again(Task<RedisResult> failed) =>
        failed.Exception?.InnerException is not { } failure ? null
        : RedisScript.IsUnknown(failure) ? _script.SendInFullAsync(_database, _keys, _arguments)
        : ForeignKeys.IsFound(failure) ? ForeignKeys.TellAsync(_database, _keys, failure)
        : null;
}
