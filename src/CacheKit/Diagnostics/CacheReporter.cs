using CacheKit.Memory;
using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>Tells of what happens in a cache to all who want to know: its counters, its instruments, observers, the log.</summary>
/// <remarks>Never throws, and is never called under a lock.</remarks>
internal sealed class CacheReporter(
    string cacheName, CacheCounters counters, CacheInstruments instruments, Observers observers, ILogger logger, TimeProvider time,
    DepartureLog? departures = null)
{
    private readonly ILogger _logger = GuardedLogger.For(logger);
    private readonly LogThrottle _failureLog = new(time);
    private readonly LogThrottle _refreshLog = new(time);
    private readonly LogThrottle _hardTimeoutLog = new(time);
    private readonly LogThrottle _tooLargeLog = new(time);
    private readonly LogThrottle _suspectLog = new(time);
    private readonly LogThrottle _unknownTypeLog = new(time);
    private readonly LogThrottle _notListedLog = new(time);

    internal string CacheName => cacheName;

    internal CacheCounters Counters => counters;

    /// <summary>Counts a look-up, once per key and call, however often the call had to start over.</summary>
    internal void Counted(LookupResult result, bool isFirst)
    {
        if (!isFirst)
        {
            return;
        }

        switch (result)
        {
            case LookupResult.Hit:
                counters.Hit();
                break;
            case LookupResult.Miss:
                counters.Miss();
                break;
            default:
                counters.Join();
                break;
        }
    }

    internal void EntryEnded(MemoryEntry entry, CacheEntryEndReason reason)
    {
        counters.Ended(reason);
        departures?.Note(entry.Hash, reason);
        if (!observers.IsEmpty)
        {
            observers.EntryEnded(entry.Key, entry.StoredValue, reason);
        }
    }

    internal void EntryRefused(MemoryEntry entry, long bound)
    {
        counters.Refusal();
        departures?.NoteRefusal(entry.Hash);
        _logger.EntryRefused(cacheName, entry.Key, entry.Weight, bound);
    }

    internal bool HasObservers => !observers.IsEmpty;

    internal void FactoryEnded(TimeSpan elapsed, Exception? exception)
    {
        counters.FactoryEnded(elapsed, exception is not null);
        instruments.RecordFactory(elapsed, exception is not null);
    }

    /// <summary>The same for observers, who are told of every key.</summary>
    internal void TellFactoryEnded(string key, TimeSpan elapsed, Exception? exception)
    {
        if (exception is null)
        {
            observers.FactorySucceeded(key, elapsed);
        }
        else
        {
            observers.FactoryFailed(key, exception, elapsed);
        }
    }

    internal void StaleStoodIn(Exception exception)
    {
        if (_failureLog.ShouldLog(out var unreported))
        {
            _logger.FactoryFailedStaleServed(cacheName, unreported, exception);
        }
    }

    internal void BackgroundRefreshFailed(Exception exception)
    {
        if (_refreshLog.ShouldLog(out var unreported))
        {
            _logger.BackgroundRefreshFailed(cacheName, unreported, exception);
        }
    }

    internal void HardTimeoutPassed(TimeSpan limit)
    {
        if (_hardTimeoutLog.ShouldLog(out var unreported))
        {
            _logger.FactoryHardTimeout(cacheName, limit, unreported);
        }
    }

    internal void LateFactoryFailed(string key, Exception exception) => _logger.LateFactoryFailed(cacheName, key, exception);

    /// <summary>A value past its time was served to a caller.</summary>
    internal void StaleServed(string key)
    {
        counters.StaleHit();
        if (!observers.IsEmpty)
        {
            observers.StaleServed(key);
        }
    }

    /// <summary>An entry is larger than a store takes.</summary>
    internal void EntryTooLargeForStore(string store, long bytes, long maximum)
    {
        if (_tooLargeLog.ShouldLog(out var unreported))
        {
            _logger.EntryTooLarge(cacheName, store, bytes, maximum, unreported);
        }
    }

    /// <summary>A value was asked for as object, and its type is one that nobody has named.</summary>
    internal void UnknownType(string store, string type)
    {
        if (_unknownTypeLog.ShouldLog(out var unreported))
        {
            _logger.UnknownType(cacheName, store, type, unreported);
        }
    }

    /// <summary>A removal by prefix could not be told to a store, which did not say what it holds.</summary>
    internal void KeysNotListed(string store)
    {
        if (_notListedLog.ShouldLog(out var unreported))
        {
            _logger.KeysNotListed(cacheName, store, unreported);
        }
    }

    /// <summary>Everything in memory is to be compared with a store.</summary>
    internal void EntriesSuspected(string store)
    {
        if (_suspectLog.ShouldLog(out _))
        {
            _logger.EntriesSuspected(cacheName, store);
        }
    }

    internal void MemoryPressureChanged(bool isShort, double share) => _logger.MemoryPressureChanged(cacheName, isShort, share);

    internal void BackgroundWorkFailed(Exception exception) => _logger.BackgroundWorkFailed(cacheName, exception);
}

/// <summary>What a look-up counts as.</summary>
internal enum LookupResult
{
    /// <summary>It found an unexpired value.</summary>
    Hit,

    /// <summary>It found none.</summary>
    Miss,

    /// <summary>It found none, but a factory already running.</summary>
    Join,
}
