using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Logs what becomes of the messages between nodes. Never throws, and is never called under a lock.</summary>
/// <param name="cacheName">The cache.</param>
/// <param name="storeName">The store that carries them.</param>
/// <param name="logger">The log.</param>
/// <param name="time">The clock.</param>
/// <param name="isOutageLogged">Whether the store itself logs when its connection is lost, and with it what messages there are: then that is told here at Debug alone.</param>
internal sealed class FeedReporter(string cacheName, string storeName, ILogger logger, TimeProvider time, bool isOutageLogged = false)
{
    /// <summary>A reason for messages to be lost that has been told with the connection.</summary>
    internal const string ConnectionInterrupted = "the connection was interrupted";

    private readonly ILogger _logger = GuardedLogger.For(logger);
    private readonly ILogger _connectionLog = isOutageLogged ? new QuietLogger(GuardedLogger.For(logger)) : GuardedLogger.For(logger);
    private readonly LogThrottle _subscriptionLog = new(time);
    private readonly LogThrottle _disconnectedLog = new(time);
    private readonly LogThrottle _lostLog = new(time);
    private bool _isDisconnectionLogged;

    internal void SubscriptionFailed(Exception exception)
    {
        if (_subscriptionLog.ShouldLog(out var unreported))
        {
            _logger.SubscriptionFailed(cacheName, storeName, unreported, exception);
        }
    }

    internal void Disconnected()
    {
        if (_disconnectedLog.ShouldLog(out var unreported))
        {
            _isDisconnectionLogged = true;
            _connectionLog.FeedDisconnected(cacheName, storeName, unreported);
        }
    }

    internal void Reconnected(TimeSpan elapsed)
    {
        if (_isDisconnectionLogged)
        {
            _isDisconnectionLogged = false;
            _connectionLog.FeedReconnected(cacheName, storeName, elapsed);
        }
    }

    internal void MessagesLost(string reason)
    {
        if (isOutageLogged && reason == ConnectionInterrupted)
        {
            _connectionLog.MessagesLost(cacheName, storeName, reason, default);
        }
        else if (_lostLog.ShouldLog(out var unreported))
        {
            _logger.MessagesLost(cacheName, storeName, reason, unreported);
        }
    }

    internal void ForeignMessage(int bytes) => _logger.ForeignMessage(cacheName, storeName, bytes);

    internal void ListenerFailed(Exception exception) => _logger.BackgroundWorkFailed(cacheName, exception);
}
