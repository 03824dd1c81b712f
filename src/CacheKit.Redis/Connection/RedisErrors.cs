using CacheKit.Diagnostics;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Sorts what the client throws.</summary>
internal static class RedisErrors
{
    private static readonly string[] _passing = ["LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "MISCONF", "MOVED", "ASK"];

    /// <summary>Whether the server refused to take more because its memory is full.</summary>
    internal static bool IsOutOfMemory(Exception exception) =>
        exception is RedisServerException && exception.Message.Contains("OOM command not allowed", StringComparison.Ordinal);

    /// <summary>Whether the server does not know, or does not grant, what it was asked for: it will not the next time either.</summary>
    internal static bool IsUnknown(Exception exception) =>
        exception is RedisServerException { Message: var message }
        && (message.Contains("unknown", StringComparison.OrdinalIgnoreCase) || message.Contains("NOPERM", StringComparison.Ordinal)
            || message.Contains("can't run this command", StringComparison.Ordinal));

    /// <summary>Whether the server refuses to be written to, though it may do other things.</summary>
    internal static bool IsReadOnly(Exception exception) =>
        IsOutOfMemory(exception) || (exception is RedisServerException { Message: var message }
            && (message.Contains("MISCONF", StringComparison.Ordinal) || message.Contains("READONLY", StringComparison.Ordinal)));

    /// <summary>Whether the server, though it is the one to write to, takes nothing for now: it is full, cannot save, or lacks replicas. What it has can be relied on.</summary>
    internal static bool TakesNoWrites(Exception exception) =>
        IsOutOfMemory(exception) || (exception is RedisServerException { Message: var message }
            && (message.Contains("MISCONF", StringComparison.Ordinal) || message.Contains("NOREPLICAS", StringComparison.Ordinal)));

    /// <summary>Whether the server refused to do what it was asked for, rather than anything.</summary>
    internal static bool IsRefusal(Exception exception) =>
        exception is RedisServerException && (IsOutOfMemory(exception) || Translate(exception).Failure == StoreFailure.Permanent);

    internal static CacheStoreException Translate(Exception exception, string? key = null) => exception switch
    {
        CacheStoreException known => known,
        RedisServerException server => Translate(server, key),
        RedisCommandException command when command.InnerException is { } inner => Translate(inner, key),
        RedisCommandException command => new(
            $"Redis cannot be asked just now: {ReasonText.Of(command)}", StoreFailure.Unavailable, command),
        RedisConnectionException connection when UnreachableCause.IsRefusedBy(connection) => new(
            "Redis does not accept the credentials, or the certificate of one side was not accepted. Check the password in the configuration, and ssl.",
            StoreFailure.Unavailable, connection),
        TimeoutException timeout => new("Redis did not answer in time.", StoreFailure.Unavailable, timeout),
        RedisConnectionException connection => new(
            $"Redis cannot be reached: {UnreachableCause.Of(connection.FailureType, connection).Text}", StoreFailure.Unavailable, connection),
        _ => new($"Redis cannot be reached: {ReasonText.Of(exception)}", StoreFailure.Unavailable, exception),
    };

    private static CacheStoreException Translate(RedisServerException exception, string? key)
    {
        var message = exception.Message;
        if (IsOutOfMemory(exception))
        {
            return new("Redis is out of memory and, by its policy, evicts nothing: see maxmemory-policy.", StoreFailure.WritesRefused, exception);
        }

        if (message.Contains("is not reachable", StringComparison.Ordinal))
        {
            // The client's own words for a node of a cluster that another has named, and that is down.
            return new($"Redis cannot be reached: {message}", StoreFailure.Unavailable, exception);
        }

        // Older servers tell it within an error of the script it happened in.
        if (_passing.Any(start => message.StartsWith(start, StringComparison.Ordinal) || message.Contains("-" + start, StringComparison.Ordinal)))
        {
            return TakesNoWrites(exception)
                ? new($"Redis takes no writes just now: {message}", StoreFailure.WritesRefused, exception)
                : new($"Redis cannot answer just now: {message}", StoreFailure.Transient, exception);
        }

        // Inside a script, an error of a command is told within the script's own.
        if (ForeignKeys.IsFound(exception))
        {
            return new(
                key is null
                    ? "One of the cache's names in Redis is taken by another type: something else writes under the same prefix. Choose another KeyPrefix."
                    : $"The name of '{key}' in Redis holds another type than a string: something else writes under the same prefix. Remove it, or choose another KeyPrefix.",
                StoreFailure.Permanent, exception);
        }

        if (UnreachableCause.Refuses(message))
        {
            // Like a server that is not there: nothing gets through, until the credentials are right again. What could not be told is told then.
            return new($"Redis does not let this application in: {message}", StoreFailure.Unavailable, exception);
        }

        if (message.Contains("NOPERM", StringComparison.Ordinal))
        {
            return new($"Redis does not let this application do that: {message}", StoreFailure.Permanent, exception);
        }

        return new($"Redis refused: {message}", StoreFailure.Permanent, exception);
    }
}
