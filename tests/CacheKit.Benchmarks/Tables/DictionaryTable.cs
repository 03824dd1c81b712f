using System.Collections.Concurrent;
using CacheKit.Memory;

namespace CacheKit.Benchmarks.Tables;

/// <summary>The table on a <see cref="ConcurrentDictionary{TKey, TValue}"/>: the rival of the product's own.</summary>
internal sealed class DictionaryTable : IEntryTable
{
    private readonly ConcurrentDictionary<string, MemoryEntry> _entries = new(StringComparer.Ordinal);
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public MemoryEntry? Find(string key) => _entries.TryGetValue(key, out var entry) ? entry : null;

    public void Expect(uint hash)
    {
    }

    public MemoryEntry? Prepare(MemoryEntry entry)
    {
        entry.Hash = KeyHash.Of(entry.Key);
        return Find(entry.Key);
    }

    public void Add(MemoryEntry entry)
    {
        _entries[entry.Key] = entry;
        Interlocked.Increment(ref _count);
    }

    public void Replace(MemoryEntry old, MemoryEntry entry)
    {
        _entries[entry.Key] = entry;
        old.HasLeft = true;
    }

    public bool Remove(MemoryEntry entry)
    {
        // This pair, not this key: a writer may have put another entry under it meanwhile.
        if (!_entries.TryRemove(new(entry.Key, entry)))
        {
            return false;
        }

        entry.HasLeft = true;
        Interlocked.Decrement(ref _count);
        return true;
    }

    public void Scan(ref long position, int count, List<MemoryEntry> visited)
    {
        // A dictionary has no place to go on from, so a scan is all in one: position stays 0.
        foreach (var pair in _entries)
        {
            visited.Add(pair.Value);
        }

        position = 0;
    }

    public bool TrimExcess() => false;

    public void Verify()
    {
        var count = 0;
        foreach (var (key, entry) in _entries)
        {
            count++;
            if (!string.Equals(key, entry.Key, StringComparison.Ordinal) || entry.HasLeft)
            {
                throw new InvalidOperationException("The table holds an entry under another key, or one that has left.");
            }
        }

        if (count != Count)
        {
            throw new InvalidOperationException($"The table holds {count} entries but counts {Count}.");
        }
    }
}
