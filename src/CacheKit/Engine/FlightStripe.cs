using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>The lock of some keys, their flights and the writes of them under way, which it guards.</summary>
/// <remarks>The flights are chained by their keys' hashes, and are the nodes themselves: most begin and end without any other in the stripe.</remarks>
internal sealed class FlightStripe(KeyTraffic? traffic)
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
    private ref Flight? BucketOf(uint hash) => ref _buckets[hash / Flights.StripeCount & (uint)(_buckets.Length - 1)];

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

    /// <summary>The writes of one key that are under way.</summary>
    private sealed class PendingWrites
    {
        internal int Count;
        internal long Version;
    }
}
