namespace CacheKit.Memory;

/// <summary>The entries an operation took out, to be told of once all locks are released. Usually none or one: no allocation then.</summary>
internal struct EndedEntries
{
    private MemoryEntry? _first;
    private CacheEntryEndReason _firstReason;
    private List<(MemoryEntry Entry, CacheEntryEndReason Reason)>? _more;

    internal readonly int Count => _first is null ? 0 : 1 + (_more?.Count ?? 0);

    internal readonly (MemoryEntry Entry, CacheEntryEndReason Reason) this[int index] =>
        index == 0 ? (_first!, _firstReason) : _more![index - 1]; // within Count, by contract

    internal void Add(MemoryEntry entry, CacheEntryEndReason reason)
    {
        if (_first is null)
        {
            _first = entry;
            _firstReason = reason;
        }
        else
        {
            (_more ??= []).Add((entry, reason));
        }
    }
}
