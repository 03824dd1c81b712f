namespace CacheKit.Memory;

/// <summary>
/// Decides which entries stay. All members are called under the tier's eviction lock, but for <see cref="OnHit"/>.
/// </summary>
internal interface IEvictionPolicy
{
    /// <summary>The sum of the weights of the entries it keeps.</summary>
    long Weight { get; }

    /// <summary>How many entries it keeps.</summary>
    int Count { get; }

    /// <summary>Notes a hit. Called by readers, concurrently, without a lock; must not allocate.</summary>
    void OnHit(MemoryEntry entry);

    /// <summary>Told by whoever is about to put an entry with this hash, without a lock; changes nothing that could be noticed.</summary>
    void Expect(uint hash);

    /// <summary>The entry that will probably have to leave with the next insert; none if that is not known.</summary>
    MemoryEntry? Foresee();

    /// <summary>Makes room for an entry and takes it in, so that <see cref="Weight"/> never exceeds the bound.</summary>
    /// <param name="entry">The newcomer, not yet in the table, but with its hash.</param>
    /// <param name="victims">Receives the entries that have to leave for it; the policy has forgotten them already.</param>
    /// <returns><see langword="false"/> if the newcomer itself is refused: it weighs more than the whole bound, or less is gained than lost.</returns>
    bool Admit(MemoryEntry entry, VictimList victims);

    /// <summary>
    /// Takes in an entry in the place of an older one under the same key, which it forgets; evicts others, never the
    /// newcomer, if it is heavier.
    /// </summary>
    /// <returns><see langword="false"/> if the newcomer weighs more than the whole bound; the old one is forgotten all the same.</returns>
    bool Replace(MemoryEntry old, MemoryEntry entry, VictimList victims);

    /// <summary>Forgets an entry that was removed or has expired. Keeps no reference to it.</summary>
    void Remove(MemoryEntry entry);

    /// <summary>Changes the bound, and gives up at most <paramref name="most"/> entries to keep it.</summary>
    /// <returns>Whether the bound is kept now.</returns>
    bool Resize(long maximumWeight, int most, VictimList victims);

    /// <summary>Gives up the oldest entries, at most so many, as long as those it meets were removed by tag or with everything.</summary>
    /// <returns>Whether there may be more.</returns>
    bool GiveUpRemoved(int most, VictimList victims);

    /// <summary>Forgets every entry, whatever a change that ran out of memory has left: the caller has those of the table taken back.</summary>
    void Restart();

    /// <summary>Takes an entry of the table in again after <see cref="Restart"/>, which evicts nothing.</summary>
    void TakeBack(MemoryEntry entry);

    /// <summary>Throws if counts, weights or queues contradict each other or the entries in the table. For tests.</summary>
    void Verify(IReadOnlyCollection<MemoryEntry> entries);
}
