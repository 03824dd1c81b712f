using Microsoft.Extensions.Logging;

namespace CacheKit.Redis.Diagnostics;

/// <summary>Every message this package writes: one per change of state. Event ids are permanent.</summary>
internal static partial class RedisLog
{
    [LoggerMessage(1, LogLevel.Warning, "Cache '{Cache}': Redis does not answer at {Servers}: {Reason}. The cache goes on without it, and tells it what it has missed when it answers again.")]
    internal static partial void Unreachable(this ILogger logger, string cache, string servers, string reason);

    [LoggerMessage(2, LogLevel.Information, "Cache '{Cache}': Redis answers again, after {Elapsed}.")]
    internal static partial void Reachable(this ILogger logger, string cache, TimeSpan elapsed);

    [LoggerMessage(3, LogLevel.Warning, "Cache '{Cache}': the connection to Redis hangs; it is replaced by a new one.")]
    internal static partial void ConnectionReplaced(this ILogger logger, string cache);

    [LoggerMessage(4, LogLevel.Warning, "Cache '{Cache}': the connection to Redis hangs, and a new one cannot be made. Trying again in {Delay}.")]
    internal static partial void ReplacementFailed(this ILogger logger, string cache, TimeSpan delay, Exception? exception);

    [LoggerMessage(5, LogLevel.Warning, "Cache '{Cache}': making a value took longer than MaximumLoadTime ({MaximumLoadTime}), so it is not stored in Redis. Raise that option if this is usual.")]
    internal static partial void LoadTookTooLong(this ILogger logger, string cache, TimeSpan maximumLoadTime);

    [LoggerMessage(6, LogLevel.Warning, "Cache '{Cache}': messages of other nodes do not arrive: {Reason}")]
    internal static partial void FeedInterrupted(this ILogger logger, string cache, string reason, Exception? exception);

    [LoggerMessage(7, LogLevel.Information, "Cache '{Cache}': messages of other nodes arrive; {Completeness}.")]
    internal static partial void FeedConnected(this ILogger logger, string cache, string completeness);

    [LoggerMessage(8, LogLevel.Warning, "Cache '{Cache}': Redis keeps no log of messages, so after an interruption memory is doubted.")]
    internal static partial void NoMessageLog(this ILogger logger, string cache, Exception exception);

    [LoggerMessage(9, LogLevel.Warning, "Cache '{Cache}': taking out what was cleared failed; it stays until it expires.")]
    internal static partial void SweepFailed(this ILogger logger, string cache, Exception exception);

    [LoggerMessage(10, LogLevel.Error, "Cache '{Cache}': Redis at {Servers} does not let this application in: {Reason}. The cache goes on without it. Check the password, the user and ssl in the configuration.")]
    internal static partial void NotLetIn(this ILogger logger, string cache, string servers, string reason);

    [LoggerMessage(11, LogLevel.Debug, "Cache '{Cache}': what the client says of Redis at {Servers}.")]
    internal static partial void ClientFailure(this ILogger logger, string cache, string servers, Exception exception);
}
