namespace CacheKit.Memory;

/// <summary>Finds entries by key. Readers take no lock; writers may be many.</summary>
internal interface IEntryTable
{
    /// <summary>How many entries there are.</summary>
    int Count { get; }

    /// <summary>The entry under a key. A key that is there throughout is always found, also while the table grows.</summary>
    MemoryEntry? Find(string key);

    /// <summary>Publishes an entry, in place of the one under its key if there is one.</summary>
    /// <returns>The entry it replaced, whose <see cref="MemoryEntry.HasLeft"/> is now set.</returns>
    MemoryEntry? Put(MemoryEntry entry);

    /// <summary>Takes this very entry out, not another under the same key.</summary>
    /// <returns><see langword="true"/> to exactly one caller, who alone does the accounting.</returns>
    bool Remove(MemoryEntry entry);

    /// <summary>
    /// Visits about <paramref name="count"/> entries from where <paramref name="position"/> stands, and moves it on;
    /// it is 0 again after the last. Entries that are there throughout a whole round are visited at least once.
    /// </summary>
    void Scan(ref int position, int count, List<MemoryEntry> visited);

    /// <summary>Throws if the table contradicts itself. For tests, while nobody writes.</summary>
    void Verify();
}
