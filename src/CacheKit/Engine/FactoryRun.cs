using CacheKit.Diagnostics;

namespace CacheKit.Engine;

/// <summary>One running of a factory, for one flight or many: its time, its limit, and that it ends once.</summary>
internal sealed class FactoryRun(
    Landing landing, CacheReporter reporter, CacheEntryOptions defaults, TimeProvider time, IReadOnlyList<Flight> flights, CacheEntryOptions? options,
    bool isBackground)
{
    private readonly FlightCancellation _cancellation = flights[0].Cancellation; // all of them have the same
    private bool _hasBegun;
    private long _started;
    private ITimer? _limit;
    private int _hasEnded;

    internal bool IsBackground => isBackground;

    internal bool AreStoresAsked { get; init; }

    /// <summary>The flights that the factory is for: fewer than at first, if the stores had the values of some.</summary>
    internal IReadOnlyList<Flight> Flights { get; set; } = flights;

    internal TimeSpan? HardTimeout { get; } = Patience.Of(options?.HardTimeout ?? defaults.HardTimeout);

    /// <summary>Notes that no factory is needed after all.</summary>
    internal void EndUnused()
    {
        _hasEnded = 1;
        _cancellation.HasEnded = true;
    }

    internal void Begin()
    {
        _hasBegun = true;
        reporter.Counters.FactoryStarted(isBackground);
        _started = time.GetTimestamp();
        StartLimit();
    }

    /// <summary>Starts the time limit, if there is one and it has not begun.</summary>
    internal void StartLimit()
    {
        if (_limit is null && HardTimeout is { } limit)
        {
            _limit = time.CreateTimer(static run => ((FactoryRun)run!).OnLimit(), this, limit, Timeout.InfiniteTimeSpan); // its state is this
        }
    }

    /// <summary>Notes the end; false if it has ended already, by running into its limit.</summary>
    internal bool TryEnd(Exception? exception)
    {
        if (Interlocked.Exchange(ref _hasEnded, 1) != 0)
        {
            return false;
        }

        _limit?.Dispose();
        _cancellation.HasEnded = true;
        if (!_hasBegun)
        {
            return true;
        }

        var elapsed = time.GetElapsedTime(_started);
        reporter.FactoryEnded(elapsed, exception);
        if (reporter.HasObservers)
        {
            foreach (var flight in Flights)
            {
                reporter.TellFactoryEnded(flight.Key, elapsed, exception);
            }
        }

        return true;
    }

    internal void Fail(Exception exception)
    {
        TryEnd(exception);
        foreach (var flight in Flights)
        {
            landing.Fail(flight, exception, options, isBackground);
        }
    }

    private void OnLimit()
    {
        var exception = new TimeoutException($"The cache factory did not finish within its hard timeout of {HardTimeout}.");
        if (TryEnd(exception))
        {
            reporter.HardTimeoutPassed(HardTimeout.GetValueOrDefault());
            try
            {
                Fail(exception);
            }
            finally
            {
                _cancellation.Cancel();
            }
        }
    }
}
