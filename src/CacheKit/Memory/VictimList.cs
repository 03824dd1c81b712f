using System.Collections;

namespace CacheKit.Memory;

/// <summary>The entries that have to leave: used again for each insert that evicts.</summary>
/// <remarks>A struct around each reference spares it the check for array covariance, which a List would pay with every eviction.</remarks>
internal sealed class VictimList(int capacity = 4) : IEnumerable<MemoryEntry>
{
    private struct Place
    {
        internal MemoryEntry? Entry;
    }

    private Place[] _places = new Place[capacity];

    internal int Count { get; private set; }

    internal MemoryEntry this[int index] => _places[index].Entry!; // below Count, by contract

    public void Add(MemoryEntry entry)
    {
        if (Count == _places.Length)
        {
            Array.Resize(ref _places, 2 * Count);
        }

        _places[Count++].Entry = entry;
    }

    /// <summary>Refers to none of them any more.</summary>
    internal void Clear()
    {
        for (; Count > 0; Count--)
        {
            _places[Count - 1].Entry = null;
        }
    }

    public IEnumerator<MemoryEntry> GetEnumerator()
    {
        for (var index = 0; index < Count; index++)
        {
            yield return this[index];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
