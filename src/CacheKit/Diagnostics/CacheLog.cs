using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Every message the library writes. Event ids are permanent; keys are logged only at Debug, values never.</summary>
/// <remarks>Where a condition may last, ask a <see cref="LogThrottle"/> first; its count is the message's "Unreported".</remarks>
internal static partial class CacheLog
{
    [LoggerMessage(1, LogLevel.Warning, "Cache '{Cache}': a factory failed and a stale value was served instead.{Unreported}")]
    internal static partial void FactoryFailedStaleServed(this ILogger logger, string cache, HeldBackMessages unreported, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "Cache '{Cache}': a refresh in the background failed; the value it was to replace stays until it expires.{Unreported}")]
    internal static partial void BackgroundRefreshFailed(this ILogger logger, string cache, HeldBackMessages unreported, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "Cache '{Cache}': a factory ran into its hard timeout of {Timeout} and was abandoned.{Unreported}")]
    internal static partial void FactoryHardTimeout(this ILogger logger, string cache, TimeSpan timeout, HeldBackMessages unreported);

    [LoggerMessage(4, LogLevel.Error, "Cache '{Cache}': the observer {Observer} threw an exception, which was ignored.{Unreported}")]
    internal static partial void ObserverFailed(this ILogger logger, string cache, Type observer, HeldBackMessages unreported, Exception exception);

    [LoggerMessage(5, LogLevel.Debug, "Cache '{Cache}': the value of '{Key}' was not stored. It weighs {Size} of the {Bound} that the whole cache holds, and was not worth what it would have displaced.")]
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

    [LoggerMessage(40, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' has bytes that are no entry of this cache, or no longer one; they count as a miss.{Unreported}")]
    internal static partial void EntryUnreadable(this ILogger logger, string cache, string store, HeldBackMessages unreported);

    [LoggerMessage(41, LogLevel.Debug, "Cache '{Cache}': what the store '{Store}' has under '{Key}' cannot be read.")]
    internal static partial void EntryOfKeyUnreadable(this ILogger logger, string cache, string store, string key);

    [LoggerMessage(42, LogLevel.Warning, "Cache '{Cache}': an entry of {Bytes:N0} bytes is more than the {Maximum:N0} that the store '{Store}' takes, and is not kept there.{Unreported}")]
    internal static partial void EntryTooLarge(this ILogger logger, string cache, string store, long bytes, long maximum, HeldBackMessages unreported);

    [LoggerMessage(43, LogLevel.Information, "Cache '{Cache}': no messages of other nodes over '{Store}' have come for a while; what memory holds is compared with the store when it is next asked for.")]
    internal static partial void EntriesSuspected(this ILogger logger, string cache, string store);

    [LoggerMessage(44, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' has a value of type '{Type}', which was asked for as object; types are not loaded by a name in a store, so it counts as a miss. Name the type with Serialization.Know<T>(), or ask for it as what it is.{Unreported}")]
    internal static partial void UnknownType(this ILogger logger, string cache, string store, string type, HeldBackMessages unreported);

    [LoggerMessage(45, LogLevel.Warning, "Cache '{Cache}': a removal by prefix could not be made at the store '{Store}', which did not list its keys; what it holds under the prefix stays.{Unreported}")]
    internal static partial void KeysNotListed(this ILogger logger, string cache, string store, HeldBackMessages unreported);

    [LoggerMessage(20, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' failed and the cache went on without it ({Operation}, {Failure}): {Reason}.{Unreported}")]
    internal static partial void StoreFailed(this ILogger logger, string cache, string store, string operation, string failure, string reason, HeldBackMessages unreported, Exception? exception);

    [LoggerMessage(21, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' took longer than {Limit} and the cache went on without it ({Operation}).{Unreported}")]
    internal static partial void StoreTimedOut(this ILogger logger, string cache, string store, string operation, TimeSpan limit, HeldBackMessages unreported);

    [LoggerMessage(22, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' fails too often and is left alone; it is tried again in {OpenFor}.{Unreported}")]
    internal static partial void CircuitOpened(this ILogger logger, string cache, string store, TimeSpan openFor, HeldBackMessages unreported);

    [LoggerMessage(23, LogLevel.Information, "Cache '{Cache}': the store '{Store}' answers again and is used, after {Elapsed} without it.")]
    internal static partial void CircuitClosed(this ILogger logger, string cache, string store, TimeSpan elapsed);

    [LoggerMessage(24, LogLevel.Debug, "Cache '{Cache}': the store '{Store}' did not answer ({Operation} of '{Key}', {Failure}).")]
    internal static partial void StoreCallFailed(this ILogger logger, string cache, string store, string operation, string key, string failure, Exception? exception);

    [LoggerMessage(46, LogLevel.Debug, "Cache '{Cache}': the store '{Store}' did not answer ({Operation}, {Failure}).")]
    internal static partial void StoreCallWithoutKeyFailed(this ILogger logger, string cache, string store, string operation, string failure, Exception exception);

    [LoggerMessage(25, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' was not disposed properly.")]
    internal static partial void StoreDisposalFailed(this ILogger logger, string cache, string store, Exception exception);

    [LoggerMessage(60, LogLevel.Warning, "Cache '{Cache}': a key given to HybridCache {Reason}; the value was created and not cached.{Unreported}")]
    internal static partial void HybridKeyNotCached(this ILogger logger, string cache, string reason, HeldBackMessages unreported);

    [LoggerMessage(61, LogLevel.Warning, "Cache '{Cache}': a tag given to HybridCache {Reason}; the value was created and not cached.{Unreported}")]
    internal static partial void HybridTagNotCached(this ILogger logger, string cache, string reason, HeldBackMessages unreported);

    [LoggerMessage(62, LogLevel.Warning, "Cache '{Cache}': a {Type} given to HybridCache cannot be copied or written; its caller has it, and it was not cached.{Unreported}")]
    internal static partial void HybridValueNotCached(this ILogger logger, string cache, Type type, HeldBackMessages unreported, Exception exception);

    [LoggerMessage(26, LogLevel.Warning, "Cache '{Cache}': could not subscribe to what other nodes change in '{Store}'; it is tried again.{Unreported}")]
    internal static partial void SubscriptionFailed(this ILogger logger, string cache, string store, HeldBackMessages unreported, Exception exception);

    [LoggerMessage(27, LogLevel.Warning, "Cache '{Cache}': messages of other nodes over '{Store}' may be lost from now on.{Unreported}")]
    internal static partial void FeedDisconnected(this ILogger logger, string cache, string store, HeldBackMessages unreported);

    [LoggerMessage(28, LogLevel.Information, "Cache '{Cache}': messages of other nodes over '{Store}' arrive again, after {Elapsed}.")]
    internal static partial void FeedReconnected(this ILogger logger, string cache, string store, TimeSpan elapsed);

    [LoggerMessage(29, LogLevel.Information, "Cache '{Cache}': messages of other nodes over '{Store}' may have been lost ({Reason}); what memory holds is compared with the store when it is next asked for.{Unreported}")]
    internal static partial void MessagesLost(this ILogger logger, string cache, string store, string reason, HeldBackMessages unreported);

    [LoggerMessage(30, LogLevel.Debug, "Cache '{Cache}': {Bytes} bytes over '{Store}' are no message of this library, and were ignored.")]
    internal static partial void ForeignMessage(this ILogger logger, string cache, string store, int bytes);

    [LoggerMessage(31, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' has missed more than the {Capacity} changes that are kept; all of what it holds from before counts as removed.{Unreported}")]
    internal static partial void RecoveryOverflowed(this ILogger logger, string cache, string store, int capacity, HeldBackMessages unreported);

    [LoggerMessage(32, LogLevel.Information, "Cache '{Cache}': the store '{Store}' was told {Changes} it had missed.{Unreported}")]
    internal static partial void Recovered(this ILogger logger, string cache, string store, ChangeCount changes, HeldBackMessages unreported);

    [LoggerMessage(33, LogLevel.Warning, "Cache '{Cache}': the store '{Store}' could not be told {Changes} before the cache was disposed. Other processes may see there what was removed or replaced here.{Unreported}")]
    internal static partial void RecoveryGivenUp(this ILogger logger, string cache, string store, ChangeCount changes, HeldBackMessages unreported);

    [LoggerMessage(34, LogLevel.Warning, "Cache '{Cache}': {Values} of the values that were set while the store '{Store}' could not be told were not stored when it could: it has lost what it knew of their keys, or others may have changed them since. They count as removed.{Unreported}")]
    internal static partial void ValuesLost(this ILogger logger, string cache, string store, int values, HeldBackMessages unreported);

    [LoggerMessage(6, LogLevel.Information, "Cache '{Cache}': memory is short; the cache shrinks to {Share} of what it holds.")]
    private static partial void MemoryPressureBegan(ILogger logger, string cache, double share);

    [LoggerMessage(7, LogLevel.Information, "Cache '{Cache}': memory is no longer short; the cache may fill its bound again.")]
    private static partial void MemoryPressureEnded(ILogger logger, string cache);
}
