namespace CacheKit.Engine;

/// <summary>Finds factories that wait for each other, which would never end, and turns them into an error.</summary>
/// <remarks>
/// A factory that gets another key of the cache waits for that key's flight. The waits form a graph; a wait that would close
/// a ring is refused. The graph is touched only by waits from inside a factory, so one lock for all caches does.
/// </remarks>
internal static class NestedFlights
{
    private static readonly Lock _graphLock = new();

    // Not the flight: what a factory leaves running keeps this, and must not keep the value.
    private static readonly AsyncLocal<FlightCancellation?> _current = new();

    /// <summary>The factory that the calling code runs in.</summary>
    internal static FlightCancellation? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>The factory that would wait if the calling code did; <see langword="null"/> if there is none, or it has ended.</summary>
    internal static FlightCancellation? Waiter => Current is { HasEnded: false } current ? current : null;

    /// <summary>Notes that the factory of <paramref name="waiter"/>, if there is one, waits for that of <paramref name="awaited"/>.</summary>
    /// <exception cref="InvalidOperationException">It would wait for itself.</exception>
    internal static void Enter(FlightCancellation? waiter, Flight awaited)
    {
        if (waiter is null)
        {
            return;
        }

        lock (_graphLock)
        {
            if (Reaches(awaited.Cancellation, waiter))
            {
                throw new InvalidOperationException(
                    "A cache factory waits, directly or through other factories, for its own key, which would never end. "
                    + "Create the inner value under another key, or before the outer one.");
            }

            (waiter.WaitsFor ??= []).Add(awaited.Cancellation);
        }
    }

    internal static void Exit(FlightCancellation? waiter, Flight awaited)
    {
        if (waiter is null)
        {
            return;
        }

        lock (_graphLock)
        {
            waiter.WaitsFor?.Remove(awaited.Cancellation);
        }
    }

    // A factory may serve many flights, which share their cancellation: that is what the graph is of.
    private static bool Reaches(FlightCancellation from, FlightCancellation to)
    {
        // Rings are refused before they close, so this ends.
        if (ReferenceEquals(from, to))
        {
            return true;
        }

        foreach (var next in from.WaitsFor ?? [])
        {
            if (Reaches(next, to))
            {
                return true;
            }
        }

        return false;
    }
}
