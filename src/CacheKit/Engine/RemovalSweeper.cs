using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Takes out entries that removals have made dead, and lets removals be forgotten that no entry needs any more.</summary>
/// <remarks>No promise depends on it: what was removed is not served, swept or not. It gives memory back.</remarks>
internal sealed class RemovalSweeper(TagClock tags, MemoryTier memory, EntryLife life)
{
    /// <summary>From so many recorded removals on, whoever adds one sweeps, instead of waiting for the upkeep.</summary>
    private const int Overfull = 1 << 16;

    private bool _isPruning;

    /// <summary>Takes out every entry that a removal covers, and marks the others as checked. O(entries).</summary>
    internal void TakeOutRemoved() =>
        memory.Sweep(entry => life.CheckRemovals(entry) == TagVerdict.Removed ? CacheEntryEndReason.Removed : null);

    /// <summary>The same after a clear, which covers nearly all.</summary>
    internal void TakeOutCleared()
    {
        memory.LetGoOfRemoved();
        TakeOutRemoved();
    }

    internal void PruneIfDue()
    {
        if (tags.NeedsPruning(memory.Count) && !Interlocked.Exchange(ref _isPruning, true))
        {
            try
            {
                tags.Prune(TakeOutRemoved);
            }
            finally
            {
                Volatile.Write(ref _isPruning, false);
            }
        }
    }

    /// <summary>The same, if removals come faster than upkeep does.</summary>
    internal void PruneIfOverfull()
    {
        if (tags.RecordCount > Overfull)
        {
            PruneIfDue();
        }
    }
}
