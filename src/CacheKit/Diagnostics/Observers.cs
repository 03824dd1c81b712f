using Microsoft.Extensions.Logging;

namespace CacheKit.Diagnostics;

/// <summary>The observers of one cache, called one after the other; whatever they throw is logged and goes no further.</summary>
internal sealed class Observers
{
    private static readonly AsyncLocal<bool> _isTelling = new();

    private readonly string _cacheName;
    private readonly ILogger _logger;
    private readonly CacheObserver[] _observers;
    private readonly LogThrottle[] _throttles;

    internal Observers(string cacheName, IReadOnlyList<CacheObserver> observers, ILogger logger, TimeProvider time)
    {
        _cacheName = cacheName;
        _logger = GuardedLogger.For(logger);
        _observers = [.. observers];

        // Two of a type fail for the same reason, and are one line in the log.
        var byType = new Dictionary<Type, LogThrottle>();
        _throttles = new LogThrottle[_observers.Length];
        for (var i = 0; i < _observers.Length; i++)
        {
            if (!byType.TryGetValue(_observers[i].GetType(), out var throttle))
            {
                byType.Add(_observers[i].GetType(), throttle = new(time));
            }

            _throttles[i] = throttle;
        }
    }

    /// <summary>Whether there is nobody to tell.</summary>
    internal bool IsEmpty => _observers.Length == 0;

    /// <summary>
    /// Whether the calling code runs in an observer that is being told that an entry has left. What it reads from a store must not make another one leave,
    /// of which it would be told in turn, without end.
    /// </summary>
    internal static bool IsTellingOfEnd => _isTelling.Value;

    internal void EntryEnded(string key, object? value, CacheEntryEndReason reason)
    {
        var wasTelling = _isTelling.Value;
        _isTelling.Value = true;
        for (var i = 0; i < _observers.Length; i++)
        {
            try
            {
                _observers[i].OnEntryEnded(_cacheName, key, value, reason);
            }
            catch (Exception exception)
            {
                LogFailure(i, exception);
            }
        }

        _isTelling.Value = wasTelling;
    }

    internal void FactorySucceeded(string key, TimeSpan elapsed)
    {
        for (var i = 0; i < _observers.Length; i++)
        {
            try
            {
                _observers[i].OnFactorySucceeded(_cacheName, key, elapsed);
            }
            catch (Exception exception)
            {
                LogFailure(i, exception);
            }
        }
    }

    internal void FactoryFailed(string key, Exception failure, TimeSpan elapsed)
    {
        for (var i = 0; i < _observers.Length; i++)
        {
            try
            {
                _observers[i].OnFactoryFailed(_cacheName, key, failure, elapsed);
            }
            catch (Exception exception)
            {
                LogFailure(i, exception);
            }
        }
    }

    internal void StaleServed(string key)
    {
        for (var i = 0; i < _observers.Length; i++)
        {
            try
            {
                _observers[i].OnStaleServed(_cacheName, key);
            }
            catch (Exception exception)
            {
                LogFailure(i, exception);
            }
        }
    }

    private void LogFailure(int observer, Exception exception)
    {
        if (_throttles[observer].ShouldLog(out var unreported))
        {
            _logger.ObserverFailed(_cacheName, _observers[observer].GetType(), unreported, exception);
        }
    }
}
