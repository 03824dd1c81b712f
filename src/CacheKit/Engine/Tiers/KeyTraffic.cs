using CacheKit.Memory;

namespace CacheKit.Engine.Tiers;

/// <summary>What goes on under keys just now, told roughly: keys share places, so it may name one that is another's, and never leaves one out.</summary>
/// <remarks>For those who read without a flight. Flights say that they are there under the lock of their key's stripe; who asks takes none.</remarks>
internal sealed class KeyTraffic
{
    private const int Places = 4096;

    private readonly Place[] _places = new Place[Places];

    /// <summary>Begins to read a key, unless somebody is at it, be it such a read or a flight: then it is better to share what he gets.</summary>
    /// <param name="key">The key.</param>
    /// <param name="reading">To be ended.</param>
    internal bool TryBegin(string key, out KeyReading reading)
    {
        reading = new(PlaceOf(key));
        ref var place = ref _places[reading.Place];
        return Volatile.Read(ref place.Flights) == 0 && Interlocked.CompareExchange(ref place.IsBeingRead, 1, 0) == 0;
    }

    internal void End(in KeyReading reading) => Volatile.Write(ref _places[reading.Place].IsBeingRead, 0);

    /// <summary>A flight has begun. The caller holds the key's stripe.</summary>
    internal void Begin(Flight flight) => _places[PlaceOf(flight.Key)].Flights++;

    /// <summary>A flight has landed, or nobody can join it any more. The caller holds the key's stripe.</summary>
    internal void End(Flight flight)
    {
        ref var place = ref _places[PlaceOf(flight.Key)];
        Volatile.Write(ref place.Flights, place.Flights - 1);
    }

    private static int PlaceOf(string key) => (int)(KeyHash.Of(key) & (Places - 1)); // keys of one place are of one stripe

    private struct Place
    {
        internal int Flights;
        internal int IsBeingRead;
    }
}

/// <summary>One reading of a key without a flight.</summary>
/// <param name="Place">Where it is noted.</param>
internal readonly record struct KeyReading(int Place);
