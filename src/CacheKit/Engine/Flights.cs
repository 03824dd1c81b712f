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
    private const int StripeCount = 64;

    private readonly Stripe[] _stripes = new Stripe[StripeCount];
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
            _stripes[i] = new Stripe(traffic);
        }
    }

    private bool JoinsAfterRemoval => (_faults & Faults.JoinAfterRemoval) != 0;

    internal Stripe StripeOf(string key) => StripeOf(KeyHash.Of(key));

    private Stripe StripeOf(uint hash) => _stripes[hash & (StripeCount - 1)];

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
    internal void DetachCurrent(Stripe stripe, string key, InvalidationKind kind = InvalidationKind.Remove)
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
    internal static bool Land(Stripe stripe, Flight flight)
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

    /// <summary>The lock of some keys, their flights and the writes of them under way, which it guards.</summary>
    /// <remarks>The flights are chained by their keys' hashes, and are the nodes themselves: most begin and end without any other in the stripe.</remarks>
    internal sealed class Stripe(KeyTraffic? traffic)
    {
        private const int LeastBuckets = 4;
        private const int MostIdleBuckets = 256;

        internal readonly Lock Lock = new();
        private Flight?[] _buckets = new Flight?[LeastBuckets];
        private int _flightCount;
        private Dictionary<string, PendingWrites>? _writes;

        /// <summary>Those detached that still run: only those who have joined them wait, but these wait until disposal at most.</summary>
        internal HashSet<Flight>? Overtaken;

        internal int Count => _flightCount + (Overtaken?.Count ?? 0) + (_writes?.Count ?? 0);

        internal IEnumerable<Flight> All()
        {
            foreach (var first in _buckets)
            {
                for (var flight = first; flight is not null; flight = flight.Next)
                {
                    yield return flight;
                }
            }
        }

        internal void CollectKeys(string prefix, List<string> keys)
        {
            foreach (var key in All().Select(static flight => flight.Key).Concat(_writes?.Keys ?? Enumerable.Empty<string>()))
            {
                if (key.StartsWith(prefix, StringComparison.Ordinal))
                {
                    keys.Add(key);
                }
            }
        }

        internal Flight? Find(string key, uint hash, FlightPurpose purpose)
        {
            var flight = BucketOf(hash);
            while (flight is not null && !(IsOf(flight, key, hash) && flight.Purpose == purpose))
            {
                flight = flight.Next;
            }

            return flight;
        }

        internal void Add(Flight flight)
        {
            if (++_flightCount > 2 * _buckets.Length)
            {
                Resize(2 * _buckets.Length);
            }

            ref var first = ref BucketOf(flight.Hash);
            flight.Next = first;
            first = flight;
            traffic?.Begin(flight);
        }

        internal void Remove(Flight flight)
        {
            traffic?.End(flight);
            ref var link = ref BucketOf(flight.Hash);
            while (!ReferenceEquals(link, flight))
            {
                link = ref link!.Next; // it is in the chain
            }

            link = flight.Next;
            flight.Next = null;
            if (--_flightCount == 0 && _buckets.Length > MostIdleBuckets)
            {
                _buckets = new Flight?[LeastBuckets]; // a crowd has gone
            }
        }

        private static bool IsOf(Flight flight, string key, uint hash) =>
            flight.Hash == hash && (ReferenceEquals(flight.Key, key) || string.Equals(flight.Key, key, StringComparison.Ordinal));

        // All keys of a stripe have the lowest bits in common.
        private ref Flight? BucketOf(uint hash) => ref _buckets[hash / StripeCount & (uint)(_buckets.Length - 1)];

        private void Resize(int size)
        {
            var old = _buckets;
            _buckets = new Flight?[size];
            foreach (var first in old)
            {
                for (var flight = first; flight is not null;)
                {
                    var next = flight.Next;
                    ref var bucket = ref BucketOf(flight.Hash);
                    flight.Next = bucket;
                    bucket = flight;
                    flight = next;
                }
            }
        }

        internal void Detach(Flight flight, InvalidationKind kind = InvalidationKind.Remove)
        {
            Remove(flight);
            flight.IsDetached = true;
            if (kind == InvalidationKind.Remove)
            {
                flight.Overtake();
            }

            (Overtaken ??= []).Add(flight);
        }

        internal void DetachAll(string key, InvalidationKind kind)
        {
            if (_flightCount > 0) // counting is cheaper than hashing the key
            {
                var hash = KeyHash.Of(key);
                for (var flight = BucketOf(hash); flight is not null;)
                {
                    var next = flight.Next;
                    if (IsOf(flight, key, hash))
                    {
                        Detach(flight, kind);
                    }

                    flight = next;
                }
            }

            if (_writes?.GetValueOrDefault(key) is { } writes)
            {
                writes.Version++;
            }
        }

        internal bool IsBeingWritten(string key) => _writes is { Count: > 0 } && _writes.ContainsKey(key);

        /// <summary>Notes that somebody begins to write a key to the stores, and will then say what memory is to hold.</summary>
        /// <returns>The mark to end the write with.</returns>
        internal long BeginWrite(string key, InvalidationKind kind)
        {
            DetachAll(key, kind);
            if (!(_writes ??= new(StringComparer.Ordinal)).TryGetValue(key, out var writes))
            {
                _writes.Add(key, writes = new());
            }

            writes.Count++;
            return ++writes.Version;
        }

        /// <summary>Ends a write.</summary>
        /// <returns>
        /// Whether nothing else has changed the key meanwhile. If something has, nobody here can tell which came last to the stores, and
        /// memory must hold neither.
        /// </returns>
        internal bool EndWrite(string key, long mark, InvalidationKind kind = InvalidationKind.Remove)
        {
            var writes = _writes![key]; // begun before
            var isAlone = writes.Version == mark;
            DetachAll(key, kind);
            if (--writes.Count == 0)
            {
                _writes.Remove(key);
            }

            return isAlone;
        }
    }

    /// <summary>The writes of one key that are under way.</summary>
    private sealed class PendingWrites
    {
        internal int Count;
        internal long Version;
    }
}

/// <summary>How a caller got onto a flight; without one it must look again.</summary>
/// <param name="Flight">The flight.</param>
/// <param name="IsLeader">Whether the caller is to run the factory.</param>
/// <param name="IsProvisional">Whether its value counts only if no removal since it began covers it.</param>
internal readonly record struct Boarding<T>(Flight<T>? Flight, bool IsLeader, bool IsProvisional);
