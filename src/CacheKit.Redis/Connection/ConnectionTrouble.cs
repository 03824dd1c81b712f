using CacheKit.Diagnostics;
using CacheKit.Redis.Diagnostics;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Redis.Connection;

/// <summary>Whether Redis answers, as far as calls have shown: told once when that changes, with the cause if it can be found.</summary>
/// <remarks>A few commands that ran into their limit, whatever others did meanwhile, make a connection suspect: it is watched then, until it has given a sign of life, or was replaced.</remarks>
internal sealed class ConnectionTrouble(string cache, ReachabilityCheck check, ILogger logger, TimeProvider time, CancellationToken disposal)
{
    private const int TimeoutsToSuspect = 3;

    // Of several servers one may answer while another does not, and who is slow is slow now and then: who has failed is not well again with the next that succeeds.
    private static readonly TimeSpan _wellAfter = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();

    private volatile bool _isThere;
    private int _timeouts;
    private bool _isTold;
    private long _failedAt;
    private long _since;
    private bool _isLooking;
    private bool _isCutOff;
    private bool _isWatching;
    private string? _reason;

    /// <summary>What has been told to be wrong; none while all is well, or nothing was told yet.</summary>
    internal string? Reason => Volatile.Read(ref _reason);

    /// <summary>Whether something has failed, and not enough has succeeded since.</summary>
    internal bool IsThere => _isThere;

    /// <summary>A command has been answered.</summary>
    /// <param name="isConnected">Whether the client is connected, as far as it knows.</param>
    internal void OnSuccess(bool isConnected)
    {
        TimeSpan elapsed;
        lock (_gate)
        {
            // Where the client had no connection at all, and has one that answers, it is over.
            if (!_isThere || _isWatching || !(_isCutOff ? isConnected : time.GetElapsedTime(_failedAt) >= _wellAfter))
            {
                return;
            }

            _timeouts = 0;
            _isThere = false;
            check.Forget();
            if (!_isTold)
            {
                // It was over before its cause was found.
                return;
            }

            _isTold = false;
            elapsed = time.GetElapsedTime(_since);
            Volatile.Write(ref _reason, null);
        }

        logger.Reachable(cache, elapsed);
    }

    /// <summary>Redis could not be asked.</summary>
    /// <param name="link">The connection, if there is one.</param>
    /// <param name="failure">Why not.</param>
    /// <param name="isTimeout">Whether it did not answer in time.</param>
    /// <param name="isCurrent">Whether the connection is the one in use.</param>
    /// <returns>Whether to begin to watch that connection.</returns>
    internal bool OnFailure(RedisLink? link, CacheStoreException failure, bool isTimeout, bool isCurrent)
    {
        bool isNew, watch = false;
        lock (_gate)
        {
            isNew = !_isThere;
            _failedAt = time.GetTimestamp();
            _since = isNew ? _failedAt : _since;
            _isCutOff = link is not { Multiplexer.IsConnected: true };
            _isThere = true;
            if (isTimeout && ++_timeouts >= TimeoutsToSuspect && isCurrent && !_isWatching)
            {
                _isWatching = watch = true;
            }
        }

        if (isNew)
        {
            Tell(link, failure);
        }

        return watch;
    }

    /// <summary>The client has lost its connection. It tries to make another at once; that there is an outage is told if nobody listens there any more, or lets nobody in.</summary>
    /// <remarks>Else the first command that fails would tell, which may be later than the cache's patience with it.</remarks>
    internal void OnLost(RedisLink? link)
    {
        lock (_gate)
        {
            if (_isThere || _isLooking || link is not { Multiplexer.IsConnected: false })
            {
                return;
            }

            _isLooking = true;
        }

        _ = Task.Run(() => LookAsync(link), CancellationToken.None);
    }

    private async Task LookAsync(RedisLink link)
    {
        try
        {
            var began = time.GetTimestamp();
            if (await check.FindAsync(link, disposal).ConfigureAwait(false) is { } cause && !link.Multiplexer.IsConnected)
            {
                lock (_gate)
                {
                    if (!_isThere)
                    {
                        (_isThere, _isCutOff, _since, _failedAt) = (true, true, began, time.GetTimestamp());
                    }
                }

                Tell(link, new("Redis cannot be reached.", StoreFailure.Unavailable), cause);
            }
        }
        catch (Exception)
        {
            // The first command that fails will tell.
        }
        finally
        {
            lock (_gate)
            {
                _isLooking = false;
            }
        }
    }

    /// <summary>The connection has given a sign of life, or there is another.</summary>
    internal void EndWatching()
    {
        lock (_gate)
        {
            _isWatching = false;
            _timeouts = 0;
        }
    }

    /// <summary>Says why, if that is known.</summary>
    internal CacheStoreException Explain(RedisLink? link, CacheStoreException failure) =>
        check.Cause is { } cause
            ? new(
                cause.IsRefusal
                    ? RefusalText(ServersText(link), cause)
                    : $"Redis at {ServersText(link)} cannot be reached: {cause.Text}",
                failure.Failure, failure.InnerException)
            : failure;

    /// <summary>Finds out why, and says so.</summary>
    internal async Task<CacheStoreException> ExplainAsync(RedisLink? link, CacheStoreException failure, CancellationToken cancellationToken)
    {
        if (failure.Failure == StoreFailure.Unavailable && check.Cause is null)
        {
            try
            {
                await check.FindAsync(link, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested)
            {
                // What is known is all there is to say.
            }
        }

        return Explain(link, failure);
    }

    private static string RefusalText(string servers, UnreachableCause cause) => $"Redis at {servers} does not let this application in: {cause.Text}";

    private string ServersText(RedisLink? link)
    {
        try
        {
            return EndPointText.Of(check.Servers(link));
        }
        catch (ObjectDisposedException)
        {
            return EndPointText.Of([]); // the client is closed
        }
    }

    private void Tell(RedisLink? link, CacheStoreException failure)
    {
        if (link is { Multiplexer.IsConnected: true })
        {
            // What is connected and does not answer has no cause that could be seen from here.
            Tell(link, failure, null);
        }
        else
        {
            // Not on the thread of a caller, who is not to wait for it.
            _ = Task.Run(() => FindAndTellAsync(link, failure), CancellationToken.None);
        }
    }

    private async Task FindAndTellAsync(RedisLink? link, CacheStoreException failure)
    {
        try
        {
            Tell(link, failure, await check.FindAsync(link, disposal).ConfigureAwait(false));
        }
        catch (Exception) when (disposal.IsCancellationRequested)
        {
            // Nobody is to be told any more.
        }
        catch (Exception)
        {
            Tell(link, failure, null);
        }
    }

    private void Tell(RedisLink? link, CacheStoreException failure, UnreachableCause? cause)
    {
        var servers = ServersText(link);
        lock (_gate)
        {
            if (!_isThere || _isTold)
            {
                return;
            }

            _isTold = true;
            Volatile.Write(
                ref _reason,
                cause is { IsRefusal: true } ? RefusalText(servers, cause) : $"Redis does not answer at {servers}: {cause?.Text ?? failure.Message}");
        }

        if (cause is { IsRefusal: true })
        {
            logger.NotLetIn(cache, servers, cause.Text);
        }
        else
        {
            logger.Unreachable(cache, servers, (cause?.Text ?? ReasonText.Of(failure)).TrimEnd('.'));
        }

        logger.ClientFailure(cache, servers, failure);
    }
}
