namespace CacheKit.Memory;

/// <summary>
/// An entry of the memory tier: at once the node of the table's chain and of the policy's queue, so that a hit
/// touches one object.
/// </summary>
/// <remarks>
/// Never pooled or reused: readers may still hold one that has left. All that changes after the entry is published is
/// marked with who may write it.
/// </remarks>
internal abstract class MemoryEntry
{
    /// <summary>How long before its expiration an entry stops being served by the coarse clock alone, in ticks.</summary>
    /// <remarks>More than the coarse clock lags behind, so that expiration is exact without a precise clock on every hit.</remarks>
    internal const long Margin = 2 * CacheClock.CoarseTicks;

    internal readonly string Key;

    /// <summary>While the coarse clock is before this instant, a hit needs no closer look. Written under the key's lock.</summary>
    internal long FreshUntil;

    /// <summary>No removal by tag or of everything, with a stamp up to this one, covers the entry. Raised by whoever has checked.</summary>
    internal long ValidThrough;

    /// <summary>What most entries do not have: tags, sliding or stale time, tokens. Set before the entry is published.</summary>
    internal EntryDetails? Details;

    /// <summary>What it counts against the bound. Set before the entry is published.</summary>
    internal long Weight = 1;

    // ---- the table's ----
    internal MemoryEntry? Next;
    internal uint Hash;

    /// <summary>The policy's mark of recent use; written by readers without a lock, where losing a count is harmless.</summary>
    internal byte Frequency;

    // ---- the policy's, under its lock ----
    /// <summary>Which of the policy's queues the entry is in; 0 for none.</summary>
    internal byte Region;

    /// <summary>The place in that queue, by which any entry is taken out in O(1). Four bytes, where links would take sixteen.</summary>
    internal uint Slot;

    /// <summary>The hash the policy's sketch goes by: kept, because it is asked for at every step of the hand. Set before the entry is published.</summary>
    internal uint PolicyHash;

    /// <summary>Set by the one caller whose removal took the entry out of the table.</summary>
    internal volatile bool HasLeft;

    private protected MemoryEntry(string key) => Key = key;

    /// <summary>The instant from which the entry is absent, in the cache clock's ticks.</summary>
    internal long ExpiresAt
    {
        get => Details is { } details ? details.ExpiresAt
            : Volatile.Read(ref FreshUntil) is var fresh && fresh == long.MaxValue ? long.MaxValue : fresh + Margin;
    }

    /// <summary>The instant from which it may not even stand in as a stale value, and is let go.</summary>
    internal long DeadAt => Details is { StaleForTicks: > 0 } details
        ? CacheClock.Add(details.ExpiresAt, details.StaleForTicks)
        : ExpiresAt;

    /// <summary>The type the value was stored as, which may be a base of the value's own.</summary>
    internal abstract Type ValueType { get; }

    /// <summary>What is stored, for observers and size estimates.</summary>
    internal abstract object? StoredValue { get; }
}

/// <summary>An entry whose value is handed out as it is. Sealed, so that a hit tells its type by one comparison.</summary>
internal sealed class MemoryEntry<T>(string key, T value) : MemoryEntry(key)
{
    internal readonly T Value = value;

    internal override Type ValueType => typeof(T);

    internal override object? StoredValue => Value;
}
