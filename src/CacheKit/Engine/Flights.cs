using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>The flights under way, at most one joinable per key, and the locks of the keys.</summary>
/// <remarks>
/// <para>Whatever changes what is stored under a key, or who makes it, does so under the lock of the key's stripe: so a
/// removal and the storing of a late value cannot pass each other. Nothing is called back under it. It comes before
/// all other locks: stripe → the memory tier's → the table's.</para>
/// <para>A removal or a set <em>detaches</em> the flight of its key: those who wait get its value, nobody joins any more, and
/// the value is not stored. A removal by tag cannot know the flights it covers, since a factory may add tags when it has
/// seen the value. So who comes after such a removal and finds an older flight joins it <em>provisionally</em>: if its value
/// proves to be covered, they start over. One whose known tags are covered already is not joined at all.</para>
/// </remarks>
internal sealed class Flights
{
    private const int StripeCount = 64;

    private readonly Stripe[] _stripes = new Stripe[StripeCount];
    private readonly TagClock _tags;
    private readonly MemoryTier _memory;
    private readonly TypeMismatch _typeMismatch;
    private readonly Faults _faults;
    private volatile bool _isClosed;

    internal Flights(TagClock tags, MemoryTier memory, TypeMismatch typeMismatch, Faults faults)
    {
        _tags = tags;
        _memory = memory;
        _typeMismatch = typeMismatch;
        _faults = faults;
        for (var i = 0; i < StripeCount; i++)
        {
            _stripes[i] = new Stripe();
        }
    }

    private bool JoinsAfterRemoval => (_faults & Faults.JoinAfterRemoval) != 0;

    internal Stripe StripeOf(string key) => _stripes[KeyHash.Of(key) & (StripeCount - 1)];

    /// <summary>Joins the flight of a key, or starts one if there is none to join.</summary>
    /// <param name="key">The key.</param>
    /// <param name="judged">The entry the caller has found wanting; if another is there now, the caller must look again.</param>
    /// <param name="tags">The tags of the call.</param>
    /// <param name="shared">The token of the factory if a flight is started and the factory serves others as well; else it gets one of its own.</param>
    /// <param name="onlyStart">Whether to leave a flight under way alone: a refresh that is running already will do.</param>
    /// <exception cref="CacheTypeMismatchException">The flight under way makes a value of another type.</exception>
    internal Boarding<T> Board<T>(
        string key, MemoryEntry? judged, string[] tags, FlightCancellation? shared = null, bool onlyStart = false)
    {
        var stripe = StripeOf(key);
        lock (stripe.Lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, typeof(ICache));
            if (stripe.Flights.TryGetValue(key, out var under))
            {
                if (onlyStart)
                {
                    return default;
                }

                if (_tags.Check(under.KnownTags, under.Stamp) == TagVerdict.Live || JoinsAfterRemoval)
                {
                    if (under is Flight<T> flight)
                    {
                        flight.Callers++;
                        return new(flight, IsLeader: false, IsProvisional: _tags.LastInvalidation > flight.Stamp && !JoinsAfterRemoval);
                    }

                    if (_typeMismatch == TypeMismatch.Throw)
                    {
                        throw new CacheTypeMismatchException(typeof(T), under.ValueType);
                    }
                }

                Detach(stripe, under);
            }

            // A flight may have stored its value, or somebody set one, since the caller looked.
            if (!ReferenceEquals(_memory.Find(key), judged))
            {
                return default;
            }

            var cancellation = shared ?? new FlightCancellation();
            var started = new Flight<T>(key, _tags.Current, tags, cancellation);
            stripe.Flights.Add(key, started);
            cancellation.Add();
            return new(started, IsLeader: true, IsProvisional: false);
        }
    }

    /// <summary>Keeps later callers from joining the flight of a key, and its value from being stored. The caller holds the stripe.</summary>
    internal void DetachCurrent(Stripe stripe, string key)
    {
        // Most have none, and counting is cheaper than hashing the key.
        if (stripe.Flights.Count > 0 && stripe.Flights.TryGetValue(key, out var flight) && !JoinsAfterRemoval)
        {
            Detach(stripe, flight);
        }
    }

    /// <summary>Takes a flight that has ended out. The caller holds the stripe.</summary>
    /// <returns>Whether its value may be stored.</returns>
    internal static bool Land(Stripe stripe, Flight flight)
    {
        if (flight.IsDetached)
        {
            stripe.Overtaken?.Remove(flight);
            return false;
        }

        stripe.Flights.Remove(flight.Key);
        flight.IsDetached = true;
        return true;
    }

    /// <summary>One caller less waits; the last one abandons the flight.</summary>
    internal void Leave(Flight flight)
    {
        if (flight.IsCompleted)
        {
            return;
        }

        var stripe = StripeOf(flight.Key);
        lock (stripe.Lock)
        {
            if (--flight.Callers > 0)
            {
                return;
            }

            Land(stripe, flight);
        }

        flight.Cancellation.Abandon();
    }

    /// <summary>Refuses new flights, and fails and cancels those under way.</summary>
    internal void Close()
    {
        _isClosed = true;
        foreach (var stripe in _stripes)
        {
            Flight[] flights;
            lock (stripe.Lock)
            {
                flights = [.. stripe.Flights.Values, .. stripe.Overtaken ?? []];
                foreach (var flight in flights)
                {
                    Land(stripe, flight);
                }
            }

            foreach (var flight in flights)
            {
                flight.Fail(new ObjectDisposedException(nameof(ICache)));
                flight.Cancellation.Cancel();
            }
        }
    }

    /// <summary>Throws if flights remain. For tests, when nothing is under way.</summary>
    internal void Verify()
    {
        foreach (var stripe in _stripes)
        {
            lock (stripe.Lock)
            {
                if (stripe.Flights.Count + (stripe.Overtaken?.Count ?? 0) is var count && count > 0)
                {
                    throw new InvalidOperationException($"{count} flights remain although nothing is under way.");
                }
            }
        }
    }

    private static void Detach(Stripe stripe, Flight flight)
    {
        stripe.Flights.Remove(flight.Key);
        flight.IsDetached = true;
        (stripe.Overtaken ??= []).Add(flight);
    }

    /// <summary>The lock of some keys, and their flights, which it guards.</summary>
    internal sealed class Stripe
    {
        internal readonly Lock Lock = new();
        internal readonly Dictionary<string, Flight> Flights = new(StringComparer.Ordinal);

        /// <summary>Those detached that still run: only those who have joined them wait, but these wait until disposal at most.</summary>
        internal HashSet<Flight>? Overtaken;
    }
}

/// <summary>How a caller got onto a flight; without one it must look again.</summary>
/// <param name="Flight">The flight.</param>
/// <param name="IsLeader">Whether the caller is to run the factory.</param>
/// <param name="IsProvisional">Whether its value counts only if no removal since it began covers it.</param>
internal readonly record struct Boarding<T>(Flight<T>? Flight, bool IsLeader, bool IsProvisional);
