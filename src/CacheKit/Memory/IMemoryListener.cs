namespace CacheKit.Memory;

/// <summary>Told what the memory tier does on its own: letting expired entries go, shrinking under memory pressure.</summary>
internal interface IMemoryListener
{
    /// <summary>Why an entry whose time is not over should leave all the same, if it should. Asked in upkeep, under no lock.</summary>
    CacheEntryEndReason? ReasonToEnd(MemoryEntry entry);

    /// <summary>Whether a removal by tag or of everything covers an entry. Called under the eviction lock: it takes no lock, changes nothing and calls nobody.</summary>
    bool IsRemoved(MemoryEntry entry);

    /// <summary>Entries have left. Called without any lock held.</summary>
    void OnEnded(in EndedEntries ended);

    /// <summary>The tier now keeps to this share of what it held, because memory is short, or to its whole bound again.</summary>
    void OnMemoryPressureChanged(bool isShort, double share);

    /// <summary>Something threw during maintenance; it goes on at the next interval.</summary>
    void OnMaintenanceFailed(Exception exception);

    /// <summary>Maintenance came by; the engine does its own periodic work.</summary>
    void OnMaintenance();
}
