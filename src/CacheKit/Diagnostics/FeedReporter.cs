using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Logs what becomes of the messages between nodes. Never throws, and is never called under a lock.</summary>
internal sealed class FeedReporter(string cacheName, string storeName, ILogger logger, TimeProvider time)
{
    private readonly ILogger _logger = GuardedLogger.For(logger);
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
            _logger.FeedDisconnected(cacheName, storeName, unreported);
        }
    }

    internal void Reconnected(TimeSpan elapsed)
    {
        if (_isDisconnectionLogged)
        {
            _isDisconnectionLogged = false;
            _logger.FeedReconnected(cacheName, storeName, elapsed);
        }
    }

    internal void MessagesLost(string reason)
    {
        if (_lostLog.ShouldLog(out var unreported))
        {
            _logger.MessagesLost(cacheName, storeName, reason, unreported);
        }
    }

    internal void ForeignMessage(int bytes) => _logger.ForeignMessage(cacheName, storeName, bytes);

    internal void ListenerFailed(Exception exception) => _logger.BackgroundWorkFailed(cacheName, exception);
}
