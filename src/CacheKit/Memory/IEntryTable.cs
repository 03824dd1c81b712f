namespace CacheKit.Memory;

/// <summary>Finds entries by key. Readers may be many and take no lock; of all other members one is called at a time, which the caller sees to.</summary>
internal interface IEntryTable
{
    /// <summary>How many entries there are. For readers.</summary>
    int Count { get; }

    /// <summary>The entry under a key. A key that is there throughout is always found, also while the table grows. For readers.</summary>
    MemoryEntry? Find(string key);

    /// <summary>Told of the hash of an entry that will be put or taken out in a moment. For readers; changes nothing.</summary>
    void Expect(uint hash);

    /// <summary>Gives an entry that is to be put the hash it goes by, unless it was given that of the rules before, and finds the one under its key that it would replace.</summary>
    MemoryEntry? Prepare(MemoryEntry entry);

    /// <summary>Publishes a prepared entry under a key that is not there.</summary>
    void Add(MemoryEntry entry);

    /// <summary>Publishes a prepared entry in place of the one that is there, whose <see cref="MemoryEntry.HasLeft"/> is now set.</summary>
    void Replace(MemoryEntry old, MemoryEntry entry);

    /// <summary>Takes this very entry out, not another under the same key.</summary>
    /// <returns><see langword="true"/> to exactly one caller, who alone does the accounting.</returns>
    bool Remove(MemoryEntry entry);

    /// <summary>
    /// Visits about <paramref name="count"/> entries from where <paramref name="position"/> stands, and moves it on;
    /// it is 0 again after the last. Entries that are there throughout a whole round are visited at least once. For readers.
    /// </summary>
    void Scan(ref long position, int count, List<MemoryEntry> visited);

    /// <summary>Gives back room that is for many times what is there, if there is any: a part of the table at a time, so that others wait for no more.</summary>
    /// <returns>Whether there was; there may be more.</returns>
    bool TrimExcess();

    /// <summary>Throws if the table contradicts itself. For tests, while nobody writes.</summary>
    void Verify();
}
