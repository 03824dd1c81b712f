using CacheKit.Memory;

namespace CacheKit.Benchmarks.Tables;

/// <summary>Writes to a table as the memory tier does.</summary>
internal static class TableWriting
{
    /// <summary>Puts an entry, in place of the one under its key if there is one.</summary>
    /// <returns>The entry it replaced.</returns>
    internal static MemoryEntry? Put(this IEntryTable table, MemoryEntry entry)
    {
        var old = table.Prepare(entry);
        if (old is null)
        {
            table.Add(entry);
        }
        else
        {
            table.Replace(old, entry);
        }

        return old;
    }
}
