using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Tells of what happens with one store to all who want to know: its counters, its instruments, the log.</summary>
/// <remarks>
/// Never throws, and is never called under a lock. What lasts is logged once, then once a minute; that a store cannot be reached, not at all, but at Debug, if the store logs that itself: has
/// logged it, that is, or may yet, for it needs a moment to find out why.
/// </remarks>
internal sealed class StoreReporter(
    string cacheName, string storeName, CacheInstruments? instruments, ILogger logger, TimeProvider time, IStoreHealth? health = null) : IDisposable
{
    private readonly ILogger _logger = GuardedLogger.For(logger);
    private readonly QuietLogger _quiet = new(GuardedLogger.For(logger));
    private readonly LogThrottle[] _failureLogs = [new(time), new(time), new(time), new(time)]; // by StoreFailure
    private readonly LogThrottle _timeoutLog = new(time);
    private readonly LogThrottle _openedLog = new(time);
    private readonly LogThrottle _overflowLog = new(time);
    private readonly LogThrottle _recoveredLog = new(time);
    private readonly LogThrottle _tooLateLog = new(time);
    private readonly LogThrottle _lostLog = new(time);
    private readonly LogThrottle _unreadableLog = new(time);
    /// <summary>What comes later than this after another belongs to something else.</summary>
    private static readonly TimeSpan _forgottenAfter = TimeSpan.FromMinutes(1);

    /// <summary>How long a store that logs its outages may take to find out about one.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(5);

    private readonly IStoreHealth? _outageLog = health?.LogsOutages == true ? health : null;
    private long _untoldSince;
    private bool _isOutage; // of those that the store logs itself, since anything was delivered that it had missed
    private ILogger? _openingLog;
    private long _openedAt;

    internal StoreCounters Counters { get; } = new();

    internal CacheTierStatistics Snapshot(CircuitState circuit, long pendingRecoveries, long missingBytes, string? trouble) =>
        Counters.Snapshot(storeName, circuit, pendingRecoveries, missingBytes, trouble);

    internal void Waited(string operation, TimeSpan elapsed, bool isRead, string outcome)
    {
        Counters.Waited(elapsed, isRead);
        instruments?.RecordStoreCall(storeName, operation, elapsed, outcome);
    }

    internal void Failed(string operation, string? key, StoreFailure failure, Exception exception)
    {
        var reason = ReasonText.Of(exception);
        Counters.Failure(reason);

        // What no store is to throw is none's to log.
        var isOutage = failure == StoreFailure.Unavailable && exception is CacheStoreException && IsForStoreToTell();
        Volatile.Write(ref _isOutage, isOutage);
        if (!isOutage && _failureLogs[(int)failure].ShouldLog(out var unreported))
        {
            // What no store is to throw is a mistake in its code; what it may, it has put into words.
            _logger.StoreFailed(cacheName, storeName, operation, failure.ToString(), reason.TrimEnd('.'), unreported, exception is CacheStoreException ? null : exception);
        }

        if (key is not null)
        {
            _logger.StoreCallFailed(cacheName, storeName, operation, key, failure.ToString(), exception);
        }
        else
        {
            _logger.StoreCallWithoutKeyFailed(cacheName, storeName, operation, failure.ToString(), exception);
        }
    }

    internal void TimedOut(string operation, string? key, TimeSpan limit)
    {
        Counters.Timeout($"it took longer than {limit}");
        var isOutage = IsForStoreToTell();
        Volatile.Write(ref _isOutage, isOutage);
        if (!isOutage && _timeoutLog.ShouldLog(out var unreported))
        {
            _logger.StoreTimedOut(cacheName, storeName, operation, limit, unreported);
        }

        if (key is not null)
        {
            _logger.StoreCallFailed(cacheName, storeName, operation, key, "Timeout", exception: null);
        }
    }

    /// <summary>Whether the store has told that it cannot be reached, or is to be given the time to.</summary>
    private bool IsForStoreToTell()
    {
        if (_outageLog is null || _outageLog.Trouble is not null)
        {
            Volatile.Write(ref _untoldSince, 0);
            return _outageLog is not null;
        }

        var now = time.GetTimestamp();
        if (Volatile.Read(ref _untoldSince) is var since && (since == 0 || time.GetElapsedTime(since, now) > _forgottenAfter))
        {
            Volatile.Write(ref _untoldSince, Math.Max(1, now));
            return true;
        }

        return time.GetElapsedTime(since, now) < _patience;
    }

    internal void CircuitOpened(TimeSpan openFor)
    {
        Volatile.Write(ref _openedAt, time.GetTimestamp());
        if (Volatile.Read(ref _isOutage))
        {
            Volatile.Write(ref _openingLog, _quiet);
            _quiet.CircuitOpened(cacheName, storeName, openFor, default);
        }
        else if (_openedLog.ShouldLog(out var unreported))
        {
            Volatile.Write(ref _openingLog, _logger);
            _logger.CircuitOpened(cacheName, storeName, openFor, unreported);
        }
    }

    /// <summary>Logged if the opening was: of a circuit that opens and closes all the time, one pair a minute.</summary>
    internal void CircuitClosed()
    {
        Interlocked.Exchange(ref _openingLog, null)?.CircuitClosed(cacheName, storeName, time.GetElapsedTime(Volatile.Read(ref _openedAt)));
    }

    internal void RecoveryOverflowed(int capacity)
    {
        if (_overflowLog.ShouldLog(out var unreported))
        {
            _logger.RecoveryOverflowed(cacheName, storeName, capacity, unreported);
        }
    }

    internal void Recovered(int changes)
    {
        if (Interlocked.Exchange(ref _isOutage, false))
        {
            _quiet.Recovered(cacheName, storeName, new(changes), default);
        }
        else if (_recoveredLog.ShouldLog(out var unreported))
        {
            _logger.Recovered(cacheName, storeName, new(changes), unreported);
        }
    }

    /// <summary>Of what was delivered, values that were set and could not be stored any more.</summary>
    internal void ValuesLost(int values)
    {
        if (_lostLog.ShouldLog(out var unreported))
        {
            _logger.ValuesLost(cacheName, storeName, values, unreported);
        }
    }

    /// <summary>The store has bytes under a key that are not an entry, or has come upon some that it could not read.</summary>
    internal void Unreadable(string? key)
    {
        if (_unreadableLog.ShouldLog(out var unreported))
        {
            _logger.EntryUnreadable(cacheName, storeName, unreported);
        }

        if (key is not null)
        {
            _logger.EntryOfKeyUnreadable(cacheName, storeName, key);
        }
    }

    internal void RecoveryGivenUp(int changes) => _logger.RecoveryGivenUp(cacheName, storeName, new(changes), default);

    /// <summary>The same, of a change that came after that.</summary>
    internal void RecoveryCameTooLate()
    {
        if (_tooLateLog.ShouldLog(out var unreported))
        {
            _logger.RecoveryGivenUp(cacheName, storeName, new(1), unreported);
        }
    }

    internal void DisposalFailed(Exception exception) => _logger.StoreDisposalFailed(cacheName, storeName, exception);

    internal void ListenerFailed(Exception exception) => _logger.BackgroundWorkFailed(cacheName, exception);

    public void Dispose() => Counters.Dispose();
}
