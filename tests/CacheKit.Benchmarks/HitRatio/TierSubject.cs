using System.Globalization;
using CacheKit.Memory;

namespace CacheKit.Benchmarks.HitRatio;

/// <summary>The product's own memory tier and policy, driven as the engine drives it: find, note the hit, or else put.</summary>
internal sealed class TierSubject : ICacheSimulator, IDisposable
{
    private readonly MemoryTier _tier;
    private readonly string[] _keys;

    internal TierSubject(IEvictionPolicy policy, int capacity, string[] keys)
    {
        _keys = keys;
        _tier = new MemoryTier(
            new ReproducibleTable(capacity), policy, capacity, pressureShare: 1, CacheClock.System, new NoListener());
    }

    internal static string[] Keys(int count) => [.. Enumerable.Range(0, count).Select(id => id.ToString(CultureInfo.InvariantCulture))];

    public bool Access(int id)
    {
        if (_tier.Find(_keys[id]) is { } entry)
        {
            _tier.OnHit(entry);
            return true;
        }

        var ended = new EndedEntries();
        _tier.Put(new MemoryEntry<int>(_keys[id], id), ref ended);
        return false;
    }

    public void Dispose()
    {
        _tier.Verify();
        _tier.Dispose();
    }

    private sealed class ReproducibleTable(int expectedCount) : EntryTable<ReproducibleHash>(expectedCount);

    /// <summary>The same in every run and process, so that a table can be reproduced to the digit.</summary>
    private readonly struct ReproducibleHash : ITableRules
    {
        public static uint Hash(string key)
        {
            var hash = 0xCBF2_9CE4_8422_2325UL; // FNV-1a, then mixed
            foreach (var character in key)
            {
                hash = (hash ^ character) * 0x100_0000_01B3;
            }

            return (uint)(hash * 0x9E37_79B9_7F4A_7C15 >> 32);
        }
    }

    private sealed class NoListener : IMemoryListener
    {
        public void OnEnded(in EndedEntries ended)
        {
        }

        public void OnMemoryPressureChanged(bool isShort, double share)
        {
        }

        public void OnMaintenanceFailed(Exception exception)
        {
        }

        public CacheEntryEndReason? ReasonToEnd(MemoryEntry entry) => null;

        public bool IsRemoved(MemoryEntry entry) => false;

        public void OnMaintenance()
        {
        }
    }
}
