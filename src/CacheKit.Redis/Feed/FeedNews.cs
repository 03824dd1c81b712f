using CacheKit.Diagnostics;
using CacheKit.Redis.Diagnostics;
using CacheKit.Stores;

namespace CacheKit.Redis.Feed;

/// <summary>What is logged of one subscription: that messages do not arrive though Redis answers. Where it does not, that is told by whoever has the connection, and here at Debug alone.</summary>
/// <remarks>Used by one thread at a time.</remarks>
internal sealed class FeedNews(MessageFeed feed)
{
    /// <summary>The connection of the messages is back later than that of the commands: what fails once after an outage belongs to that.</summary>
    private const int FailuresToTell = 2;

    private readonly QuietLogger _quiet = new(feed.Logger);
    private bool _isTold;
    private bool _hasBeenConnected;
    private int _failures;

    /// <summary>They arrive, which they did not before: told if that was.</summary>
    internal void Connected(bool isComplete)
    {
        (_isTold ? feed.Logger : _quiet).FeedConnected(
            feed.Cache, isComplete ? "none was lost meanwhile" : "some may have been lost meanwhile, so what memory holds is doubted");
        (_isTold, _failures) = (false, 0);
    }

    /// <summary>They do not arrive any more.</summary>
    /// <param name="isLost">Whether the client has told that its connection was lost. It makes another, and only if that fails there is something to tell.</param>
    internal void Interrupted(bool isLost)
    {
        _hasBeenConnected = true;
        _isTold = !isLost && feed.Connection.Trouble is null;
        (_isTold ? feed.Logger : _quiet).FeedInterrupted(
            feed.Cache, isLost ? "the connection that carries them was lost or replaced, or failed at one of them." : "those of this one do not come back.", null);
    }

    /// <summary>The subscription could not be made, or does not work.</summary>
    internal async Task FailedAsync(Exception exception, CancellationToken cancellationToken)
    {
        try
        {
            var told = exception is CacheStoreException failure ? await feed.Connection.ExplainAsync(failure, cancellationToken).ConfigureAwait(false) : exception;
            var isOutage = told is CacheStoreException { Failure: StoreFailure.Unavailable }
                && (feed.Connection.Trouble is not null || feed.Connection.Link is not { Multiplexer.IsConnected: true });
            _failures = isOutage ? 0 : _failures + 1;
            if (!_isTold)
            {
                _isTold = !isOutage && _failures >= (_hasBeenConnected ? FailuresToTell : 1);
                (_isTold ? feed.Logger : _quiet).FeedInterrupted(
                    feed.Cache, told is TimeoutException ? "one that was sent to be heard did not come back." : ReasonText.Of(told), told is CacheStoreException { Failure: StoreFailure.Unavailable } && _isTold ? null : told);
            }
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // Disposed, and perhaps the client with it.
        }
    }
}
