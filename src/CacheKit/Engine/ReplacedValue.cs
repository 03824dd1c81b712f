using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>What a factory sees of the value that its own replaces.</summary>
internal sealed class ReplacedValue(Landing landing, MemoryEntry? found, Flight? flight) : CacheEntryContext.StaleValue
{
    internal override string[] Tags => Entry?.Details?.Tags ?? [];

    private MemoryEntry? Entry => found ?? flight?.StandIn;

    internal override CacheLookup<T> Read<T>()
    {
        if (Entry is not { } entry)
        {
            return default;
        }

        var state = landing.Judge(entry);
        return state != EntryState.Gone && !entry.HasLeft && ValueReader.TryRead<T>(entry, out var value)
            ? new(value, isStale: state == EntryState.Stale)
            : default;
    }
}
