using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Every message the library writes. Event ids are permanent; keys are logged only at Debug, values never.</summary>
/// <remarks>Where a condition may last, ask a <see cref="LogThrottle"/> first; its count is the message's "Unreported".</remarks>
internal static partial class CacheLog
{
    [LoggerMessage(1, LogLevel.Warning, "Cache '{Cache}': a factory failed and a stale value was served instead. {Unreported} earlier failures were not logged.")]
    internal static partial void FactoryFailedStaleServed(this ILogger logger, string cache, long unreported, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "Cache '{Cache}': a refresh in the background failed; the value it was to replace stays until it expires. {Unreported} earlier failures were not logged.")]
    internal static partial void BackgroundRefreshFailed(this ILogger logger, string cache, long unreported, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "Cache '{Cache}': a factory ran into its hard timeout of {Timeout} and was abandoned. {Unreported} earlier ones were not logged.")]
    internal static partial void FactoryHardTimeout(this ILogger logger, string cache, TimeSpan timeout, long unreported);

    [LoggerMessage(4, LogLevel.Error, "Cache '{Cache}': the observer {Observer} threw an exception, which was ignored. {Unreported} earlier ones were not logged.")]
    internal static partial void ObserverFailed(this ILogger logger, string cache, Type observer, long unreported, Exception exception);

    [LoggerMessage(5, LogLevel.Debug, "Cache '{Cache}': the value of '{Key}' was not stored. It weighs {Size}, and the whole cache holds {Bound}.")]
    internal static partial void EntryRefused(this ILogger logger, string cache, string key, long size, long bound);

    /// <summary>Memory has become short, or is so no longer.</summary>
    internal static void MemoryPressureChanged(this ILogger logger, string cache, bool isShort, double share)
    {
        if (isShort)
        {
            MemoryPressureBegan(logger, cache, share);
        }
        else
        {
            MemoryPressureEnded(logger, cache);
        }
    }

    [LoggerMessage(8, LogLevel.Error, "Cache '{Cache}': work in the background failed unexpectedly.")]
    internal static partial void BackgroundWorkFailed(this ILogger logger, string cache, Exception exception);

    [LoggerMessage(9, LogLevel.Debug, "Cache '{Cache}': the factory of '{Key}' failed after everybody had stopped waiting for it.")]
    internal static partial void LateFactoryFailed(this ILogger logger, string cache, string key, Exception exception);

    [LoggerMessage(20, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' failed and the cache went on without it ({Operation}, {Failure}). {Unreported} earlier failures of this kind were not logged.")]
    internal static partial void StoreFailed(this ILogger logger, string cache, string store, string operation, string failure, long unreported, Exception exception);

    [LoggerMessage(21, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' took longer than {Limit} and the cache went on without it ({Operation}). {Unreported} earlier ones were not logged.")]
    internal static partial void StoreTimedOut(this ILogger logger, string cache, string store, string operation, TimeSpan limit, long unreported);

    [LoggerMessage(22, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' fails too often and is left alone; it is tried again in {OpenFor}. {Unreported} earlier times were not logged.")]
    internal static partial void CircuitOpened(this ILogger logger, string cache, string store, TimeSpan openFor, long unreported);

    [LoggerMessage(23, LogLevel.Information, "Cache '{Cache}': the store '{Store}' answers again and is used, after {Elapsed} without it.")]
    internal static partial void CircuitClosed(this ILogger logger, string cache, string store, TimeSpan elapsed);

    [LoggerMessage(24, LogLevel.Debug, "Cache '{Cache}': the store '{Store}' did not answer ({Operation} of '{Key}', {Failure}).")]
    internal static partial void StoreCallFailed(this ILogger logger, string cache, string store, string operation, string key, string failure, Exception? exception);

    [LoggerMessage(25, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' was not disposed properly.")]
    internal static partial void StoreDisposalFailed(this ILogger logger, string cache, string store, Exception exception);

    [LoggerMessage(6, LogLevel.Information, "Cache '{Cache}': memory is short; the cache shrinks to {Share} of its bound.")]
    private static partial void MemoryPressureBegan(ILogger logger, string cache, double share);

    [LoggerMessage(7, LogLevel.Information, "Cache '{Cache}': memory is no longer short; the cache may fill its bound again.")]
    private static partial void MemoryPressureEnded(ILogger logger, string cache);
}
