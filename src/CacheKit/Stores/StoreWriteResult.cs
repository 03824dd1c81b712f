namespace CacheKit.Stores;

/// <summary>What became of a write.</summary>
public enum StoreWriteOutcome
{
    /// <summary>The entry is stored.</summary>
    Stored,

    /// <summary>The condition did not hold: something newer was there, or nothing, or an entry where none should be. Nothing was changed.</summary>
    Overtaken,

    /// <summary>The store does not take such an entry: too large, no space. After <see cref="StoreConditionKind.Always"/> the key is empty.</summary>
    Declined,
}

/// <summary>What became of a write.</summary>
/// <param name="Outcome">Whether the entry is stored.</param>
/// <param name="Stamp">The stored entry's stamp; else a stamp the store has shown, or 0.</param>
public readonly record struct StoreWriteResult(StoreWriteOutcome Outcome, long Stamp)
{
    /// <summary>Whether the entry is stored.</summary>
    public bool IsStored => Outcome == StoreWriteOutcome.Stored;
}
