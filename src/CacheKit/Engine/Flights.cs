using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using CacheKit.Stores;

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
    internal const int StripeCount = 64;

    private readonly FlightStripe[] _stripes = new FlightStripe[StripeCount];
    private readonly TagClock _tags;
    private readonly MemoryTier _memory;
    private readonly TypeMismatch _typeMismatch;
    private readonly Faults _faults;
    private volatile bool _isClosed;
    private long _joinableSince;

    internal Flights(TagClock tags, MemoryTier memory, TypeMismatch typeMismatch, Faults faults, KeyTraffic? traffic = null)
    {
        _tags = tags;
        _memory = memory;
        _typeMismatch = typeMismatch;
        _faults = faults;
        for (var i = 0; i < StripeCount; i++)
        {
            _stripes[i] = new FlightStripe(traffic);
        }
    }

    private bool JoinsAfterRemoval => (_faults & Faults.JoinAfterRemoval) != 0;

    internal FlightStripe StripeOf(string key) => StripeOf(KeyHash.Of(key));

    /// <param name="hash">The key's <see cref="KeyHash"/>.</param>
    internal FlightStripe StripeOf(uint hash) => _stripes[hash & (StripeCount - 1)];

    /// <summary>Joins the flight of a key, or starts one if there is none to join.</summary>
    /// <param name="key">The key.</param>
    /// <param name="judged">The entry the caller has found wanting; if another is there now, the caller must look again.</param>
    /// <param name="tags">The tags of the call.</param>
    /// <param name="purpose">What the flight is for; one for another purpose is not joined.</param>
    /// <param name="shared">The token of the factory if a flight is started and the factory serves others as well; else it gets one of its own.</param>
    /// <param name="onlyStart">Whether to leave a flight under way alone: a refresh that is running already will do.</param>
    /// <param name="mayLeave">Whether the caller, if it starts the flight, may leave it before it ends.</param>
    /// <exception cref="CacheTypeMismatchException">The flight under way makes a value of another type.</exception>
    internal Boarding<T> Board<T>(
        string key, MemoryEntry? judged, string[] tags, FlightPurpose purpose, FlightCancellation? shared = null, bool onlyStart = false, bool mayLeave = false)
    {
        var hash = KeyHash.Of(key);
        var stripe = StripeOf(hash);
        lock (stripe.Lock)
        {
            ThrowIfClosed();
            if (stripe.Find(key, hash, purpose) is { } under)
            {
                if (onlyStart)
                {
                    return default;
                }

                var isOvertaken = under.Stamp < Volatile.Read(ref _joinableSince) || _tags.Check(under.KnownTags, under.Stamp) is not (TagVerdict.Live or TagVerdict.Suspect);
                if (!isOvertaken || JoinsAfterRemoval)
                {
                    if (under is Flight<T> flight)
                    {
                        flight.Callers++;
                        return new(flight, IsLeader: false, IsProvisional: _tags.LastInvalidation > flight.Stamp && !JoinsAfterRemoval);
                    }

                    if (_typeMismatch == TypeMismatch.Throw && !purpose.IsRead)
                    {
                        throw new CacheTypeMismatchException(typeof(T), under.ValueType);
                    }
                }

                stripe.Detach(under);
            }

            // A flight may have stored its value, or somebody set one, since the caller looked.
            if (!ReferenceEquals(_memory.Find(key), judged))
            {
                return default;
            }

            var cancellation = shared ?? new FlightCancellation(mayLeave);
            var started = new Flight<T>(key, hash, _tags.Current, tags, purpose, cancellation) { IsUnderWrite = stripe.IsBeingWritten(key) };
            stripe.Add(started);
            cancellation.Add();
            return new(started, IsLeader: true, IsProvisional: false);
        }
    }

    /// <summary>
    /// Keeps later callers from joining the flights of a key, their values from being stored, and the writes of it under way from
    /// leaving theirs in memory. The caller holds the stripe.
    /// </summary>
    internal void DetachCurrent(FlightStripe stripe, string key, InvalidationKind kind = InvalidationKind.Remove)
    {
        if (!JoinsAfterRemoval)
        {
            stripe.DetachAll(key, kind);
        }
    }

    /// <summary>Keeps later callers from joining any flight from before a stamp: something has changed, and it is not known what. O(1).</summary>
    internal void OvertakeAll(long stamp) => Volatile.Write(ref _joinableSince, stamp);

    /// <summary>Takes a flight that has ended out. The caller holds the stripe.</summary>
    /// <returns>Whether its value may be stored.</returns>
    internal static bool Land(FlightStripe stripe, Flight flight)
    {
        if (flight.IsDetached)
        {
            stripe.Overtaken?.Remove(flight);
            return false;
        }

        stripe.Remove(flight);
        flight.IsDetached = true;
        return true;
    }

    /// <summary>Whether a value of the key is being created.</summary>
    internal bool IsCreating(string key)
    {
        var stripe = StripeOf(key);
        lock (stripe.Lock)
        {
            return stripe.All().Any(flight => flight.Key == key && !flight.Purpose.IsRead);
        }
    }

    /// <summary>The keys with a beginning whose values are being created, or written to stores.</summary>
    internal List<string> KeysWith(string prefix)
    {
        var keys = new List<string>();
        foreach (var stripe in _stripes)
        {
            lock (stripe.Lock)
            {
                stripe.CollectKeys(prefix, keys);
            }
        }

        return keys;
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

        flight.Release();
    }

    internal void ThrowIfClosed() => ObjectDisposedException.ThrowIf(_isClosed, typeof(ICache));

    /// <summary>Refuses new flights, and fails and cancels those under way.</summary>
    internal void Close()
    {
        _isClosed = true;
        foreach (var stripe in _stripes)
        {
            Flight[] flights;
            lock (stripe.Lock)
            {
                flights = [.. stripe.All(), .. stripe.Overtaken ?? []];
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
                if (stripe.Count is var count && count > 0)
                {
                    throw new InvalidOperationException($"{count} flights or writes remain although nothing is under way.");
                }
            }
        }
    }
}

/// <summary>How a caller got onto a flight; without one it must look again.</summary>
/// <param name="Flight">The flight.</param>
/// <param name="IsLeader">Whether the caller is to run the factory.</param>
/// <param name="IsProvisional">Whether its value counts only if no removal since it began covers it.</param>
internal readonly record struct Boarding<T>(Flight<T>? Flight, bool IsLeader, bool IsProvisional);
