using CacheKit.Memory;

namespace CacheKit.Benchmarks.Tables;

/// <summary>A table that several threads may write to: one at a time, as the memory tier's eviction lock has it.</summary>
internal sealed class SerialTable(IEntryTable table)
{
    private readonly Lock _writing = new();

    internal int Count => table.Count;

    internal MemoryEntry? Find(string key) => table.Find(key);

    internal MemoryEntry? Put(MemoryEntry entry)
    {
        lock (_writing)
        {
            return table.Put(entry);
        }
    }

    internal bool Remove(MemoryEntry entry)
    {
        lock (_writing)
        {
            return table.Remove(entry);
        }
    }

    internal bool TrimExcess()
    {
        lock (_writing)
        {
            return table.TrimExcess();
        }
    }

    internal void Scan(ref long position, int count, List<MemoryEntry> visited) => table.Scan(ref position, count, visited);

    internal void Verify() => table.Verify();
}
