using System.Globalization;
using CacheKit.Benchmarks.Tables;
using CacheKit.Memory;

namespace CacheKit.Benchmarks.HitRatio;

/// <summary>What the eviction policy alone costs: an insert into a full cache with the eviction it causes, and the note of a hit.</summary>
/// <remarks>Entries are made beforehand and come again once they have left, so that what is counted is the policy's. For example: <c>eviction 10000</c>.</remarks>
internal static class EvictionBenchmark
{
    public static int Run(string[] args)
    {
        int[] capacities = args.Length > 0 ? [.. args.Select(arg => int.Parse(arg, CultureInfo.InvariantCulture))] : [1_000, 10_000, 100_000, 1_000_000];
        foreach (var capacity in capacities)
        {
            var fixedTuning = new Feed(capacity, [new(0.1, Admission.ByFrequency)]);
            var adaptive = new Feed(capacity, null);
            new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Policy alone, {capacity:N0} entries: insert and evict"))
                .Add("one tuning", operations => fixedTuning.Insert(operations))
                .Add("adaptive", operations => adaptive.Insert(operations))
                .Run();
            new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Policy alone, {capacity:N0} entries: note a hit"))
                .Add("one tuning", operations => fixedTuning.Hit(operations))
                .Add("adaptive", operations => adaptive.Hit(operations))
                .Run();
        }

        return 0;
    }

    private sealed class Feed
    {
        private readonly AdaptiveClockPolicy _policy;
        private readonly MemoryEntry[] _entries;
        private readonly VictimList _victims = [];
        private int _next;
        private int _hit;

        internal Feed(int capacity, Tuning[]? tunings)
        {
            _policy = new(capacity, tunings: tunings);
            _entries = new MemoryEntry[4 * capacity];
            for (var index = 0; index < _entries.Length; index++)
            {
                _entries[index] = new MemoryEntry<int>(Keys.At(index), index) { Hash = KeyHash.Of(Keys.At(index)) };
            }

            Insert(_entries.Length);
        }

        internal void Insert(int operations)
        {
            for (; operations > 0; operations--)
            {
                var entry = _entries[_next];
                _next = _next + 1 == _entries.Length ? 0 : _next + 1;
                if (entry.Region == 0)
                {
                    _victims.Clear();
                    _policy.Admit(entry, _victims);
                }
                else
                {
                    _policy.OnHit(entry);
                }
            }
        }

        internal void Hit(int operations)
        {
            for (; operations > 0; operations--)
            {
                _policy.OnHit(_entries[_hit]);
                _hit = _hit + 1 == _entries.Length ? 0 : _hit + 1;
            }
        }
    }
}
