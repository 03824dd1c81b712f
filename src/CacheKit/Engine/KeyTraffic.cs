using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>What goes on under keys just now, told roughly: keys share places, so it may name one that is another's, and never leaves one out.</summary>
/// <remarks>
/// For those who read without a flight. What changes a key says so under the lock of its stripe; who asks takes none.
/// </remarks>
internal sealed class KeyTraffic
{
    private const int Places = 4096;

    private readonly Place[] _places = new Place[Places];

    /// <summary>Begins to read a key, unless somebody is at it, be it such a read or a flight: then it is better to share what he gets.</summary>
    /// <param name="key">The key.</param>
    /// <param name="reading">To be ended.</param>
    internal bool TryBegin(string key, out KeyReading reading)
    {
        var at = PlaceOf(key);
        ref var place = ref _places[at];
        reading = new(at, Volatile.Read(ref place.Changes));
        return Volatile.Read(ref place.Flights) == 0 && Interlocked.CompareExchange(ref place.IsBeingRead, 1, 0) == 0;
    }

    internal void End(in KeyReading reading) => Volatile.Write(ref _places[reading.Place].IsBeingRead, 0);

    /// <summary>Whether the key may have been changed here since a reading began.</summary>
    internal bool HasChangedSince(in KeyReading reading) => Volatile.Read(ref _places[reading.Place].Changes) != reading.Changes;

    /// <summary>A flight has begun. The caller holds the key's stripe.</summary>
    internal void Begin(Flight flight) => _places[PlaceOf(flight.Key)].Flights++;

    /// <summary>A flight has landed, or nobody can join it any more. The caller holds the key's stripe.</summary>
    internal void End(Flight flight)
    {
        ref var place = ref _places[PlaceOf(flight.Key)];
        if (!flight.Purpose.IsRead)
        {
            Volatile.Write(ref place.Changes, place.Changes + 1);
        }

        Volatile.Write(ref place.Flights, place.Flights - 1);
    }

    /// <summary>A key is being changed, or has been. The caller holds the key's stripe.</summary>
    internal void Change(string key)
    {
        ref var place = ref _places[PlaceOf(key)];
        Volatile.Write(ref place.Changes, place.Changes + 1);
    }

    private static int PlaceOf(string key) => (int)(KeyHash.Of(key) & (Places - 1)); // keys of one place are of one stripe

    private struct Place
    {
        internal long Changes;
        internal int Flights;
        internal int IsBeingRead;
    }
}

/// <summary>One reading of a key without a flight.</summary>
/// <param name="Place">Where it is noted.</param>
/// <param name="Changes">How often what has its place had changed before.</param>
internal readonly record struct KeyReading(int Place, long Changes);
