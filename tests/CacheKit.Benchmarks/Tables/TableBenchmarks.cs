using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using CacheKit.Memory;

namespace CacheKit.Benchmarks.Tables;

/// <summary>The table alone, against a <see cref="ConcurrentDictionary{TKey, TValue}"/> that holds the values themselves.</summary>
internal static class TableBenchmarks
{
    private static readonly object _value = new();

    internal static int Run(string[] args)
    {
        // For example: tables find 100000 zipf fresh 1
        var all = args.Length == 0;
        if (all || args[0] == "find")
        {
            foreach (var count in (int[])[1000, 100_000, 1_000_000])
            {
                foreach (var distribution in (string[])["zipf", "uniform"])
                {
                    foreach (var age in (string[])["fresh", "old"])
                    {
                        foreach (var threads in (int[])[1, 2])
                        {
                            string[] words = [count.ToString(CultureInfo.InvariantCulture), distribution, age, threads.ToString(CultureInfo.InvariantCulture)];
                            if (all || args[1..].All(words.Contains))
                            {
                                Find(count, distribution == "zipf", age == "fresh", threads);
                            }
                        }
                    }
                }
            }
        }

        if (all || args[0] == "churn")
        {
            foreach (var threads in (int[])[1, 2])
            {
                Churn(10_000, threads);
                Churn(100_000, threads);
            }
        }

        if (all || args[0] == "memory")
        {
            Memory();
        }

        if (all || args[0] == "growth")
        {
            Growth();
        }

        return 0;
    }

    private static void Find(int count, bool isZipf, bool isFresh, int threads)
    {
        var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
        Fill(count, isFresh, key => dictionary[key] = new object());
        var ours = new DictionaryTable();
        Fill(count, isFresh, key => ours.Put(new MemoryEntry<object>(key, new object())));
        var table = new EntryTable();
        Fill(count, isFresh, key => table.Put(new MemoryEntry<object>(key, new object())));
        var portable = new PortableTable();
        Fill(count, isFresh, key => portable.Put(new MemoryEntry<object>(key, new object())));
        var streams = Enumerable.Range(0, threads).Select(thread => Keys.Stream(count, isZipf, seed: thread)).ToArray();
        GC.Collect();

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Find, {count:N0} keys, {(isZipf ? "Zipf" : "uniform")}, keys {(isFresh ? "fresh" : "old")}"), threads)
            .Add("ConcurrentDictionary.TryGetValue", (thread, operations) =>
            {
                var keys = streams[thread];
                for (var i = 0; i < operations; i++)
                {
                    if (!dictionary.TryGetValue(keys[i & (keys.Length - 1)], out _))
                    {
                        Missing();
                    }
                }
            })
            .Add("the same again", (thread, operations) =>
            {
                var keys = streams[thread];
                for (var i = 0; i < operations; i++)
                {
                    if (!dictionary.TryGetValue(keys[i & (keys.Length - 1)], out _))
                    {
                        Missing();
                    }
                }
            })
            .Add("DictionaryTable", (thread, operations) =>
            {
                var keys = streams[thread];
                for (var i = 0; i < operations; i++)
                {
                    if (ours.Find(keys[i & (keys.Length - 1)]) is null)
                    {
                        Missing();
                    }
                }
            })
            .Add("EntryTable", (thread, operations) =>
            {
                var keys = streams[thread];
                for (var i = 0; i < operations; i++)
                {
                    if (table.Find(keys[i & (keys.Length - 1)]) is null)
                    {
                        Missing();
                    }
                }
            })
            .Add("EntryTable, portable hash", (thread, operations) =>
            {
                var keys = streams[thread];
                for (var i = 0; i < operations; i++)
                {
                    if (portable.Find(keys[i & (keys.Length - 1)]) is null)
                    {
                        Missing();
                    }
                }
            })
            .Run(rounds: count > 10_000 ? 25 : 61, milliseconds: count > 100_000 ? 60 : count > 10_000 ? 40 : 4);
    }

    /// <summary>In full use: each operation puts an entry under a new key and removes the oldest.</summary>
    private static void Churn(int capacity, int threads)
    {
        var rings = Enumerable.Range(0, threads).Select(_ => new Ring(capacity / threads)).ToArray();
        for (var thread = 0; thread < threads; thread++)
        {
            rings[thread].Keys = [.. Enumerable.Range(thread * 4 * capacity, 4 * capacity / threads).Select(Keys.At)];
        }

        var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
        var ours = new SerialTable(new DictionaryTable());
        var table = new SerialTable(new EntryTable(capacity));
        var dictionaryRings = rings.Select(ring => ring.Copy()).ToArray();
        var oursRings = rings.Select(ring => ring.Copy()).ToArray();
        var tableRings = rings.Select(ring => ring.Copy()).ToArray();
        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Put and remove the oldest, {capacity:N0} entries"), threads)
            .Add("ConcurrentDictionary", (thread, operations) =>
            {
                var ring = dictionaryRings[thread];
                for (var i = 0; i < operations; i++)
                {
                    var oldest = ring.Next(out var key);
                    dictionary.TryAdd(key, _value);
                    if (oldest is not null)
                    {
                        dictionary.TryRemove((string)oldest, out _);
                    }

                    ring.Add(key);
                }
            })
            .Add("DictionaryTable", (thread, operations) =>
            {
                var ring = oursRings[thread];
                for (var i = 0; i < operations; i++)
                {
                    var oldest = ring.Next(out var key);
                    var entry = new MemoryEntry<object>(key, _value);
                    ours.Put(entry);
                    if (oldest is not null)
                    {
                        ours.Remove((MemoryEntry)oldest);
                    }

                    ring.Add(entry);
                }
            })
            .Add("EntryTable", (thread, operations) =>
            {
                var ring = tableRings[thread];
                for (var i = 0; i < operations; i++)
                {
                    var oldest = ring.Next(out var key);
                    var entry = new MemoryEntry<object>(key, _value);
                    table.Put(entry);
                    if (oldest is not null)
                    {
                        table.Remove((MemoryEntry)oldest);
                    }

                    ring.Add(entry);
                }
            })
            .Run(rounds: 41, milliseconds: 10);
        table.Verify();
    }

    private static void Memory()
    {
        Console.WriteLine();
        Console.WriteLine("**Bytes per entry beyond key and value, 1,000,000 entries**");
        Console.WriteLine();
        Console.WriteLine("| table | grown | preset |");
        Console.WriteLine("|---|---:|---:|");
        var keys = Enumerable.Range(0, 1_000_000).Select(Keys.At).ToArray();
        Print("ConcurrentDictionary<string, object>", isPreset =>
        {
            var dictionary = isPreset ? new ConcurrentDictionary<string, object>(1, keys.Length) : new ConcurrentDictionary<string, object>();
            Array.ForEach(keys, key => dictionary[key] = _value);
            return dictionary;
        });
        Print("DictionaryTable", _ =>
        {
            var table = new DictionaryTable();
            Array.ForEach(keys, key => table.Put(new MemoryEntry<object>(key, _value)));
            return table;
        });
        Print("EntryTable", isPreset =>
        {
            var table = new EntryTable(isPreset ? keys.Length : 0);
            Array.ForEach(keys, key => table.Put(new MemoryEntry<object>(key, _value)));
            return table;
        });

        void Print(string name, Func<bool, object> fill) =>
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {BytesPerEntry(() => fill(false)):F1} | {BytesPerEntry(() => fill(true)):F1} |"));

        double BytesPerEntry(Func<object> fill)
        {
            fill(); // what is allocated once
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var filled = fill();
            var after = GC.GetTotalMemory(forceFullCollection: true);
            GC.KeepAlive(filled);
            return (after - before) / (double)keys.Length;
        }
    }

    /// <summary>How long one insertion keeps its caller waiting while the table grows to 1,200,000 entries.</summary>
    private static void Growth()
    {
        const int Count = 1_200_000;
        Console.WriteLine();
        Console.WriteLine("**Growing to 1,200,000 entries, 5 times: least and median**");
        Console.WriteLine();
        Console.WriteLine("| table | worst insertion ms | all ms |");
        Console.WriteLine("|---|---:|---:|");
        var keys = Enumerable.Range(0, Count).Select(Keys.At).ToArray();
        Print("ConcurrentDictionary<string, object>", () =>
        {
            var dictionary = new ConcurrentDictionary<string, object>();
            return i => dictionary.TryAdd(keys[i], _value);
        });
        Print("DictionaryTable", () =>
        {
            var table = new DictionaryTable();
            return i => table.Put(new MemoryEntry<object>(keys[i], _value));
        });
        Print("EntryTable", () =>
        {
            var table = new EntryTable();
            return i => table.Put(new MemoryEntry<object>(keys[i], _value));
        });
        Print("EntryTable, preset as for a bound of that", () =>
        {
            var table = new EntryTable(Count);
            return i => table.Put(new MemoryEntry<object>(keys[i], _value));
        });

        static void Print(string name, Func<Action<int>> create)
        {
            var worst = new List<double>();
            var all = new List<double>();
            for (var run = 0; run < 6; run++)
            {
                GC.Collect();
                var insert = create();
                var longest = TimeSpan.Zero;
                var start = Stopwatch.GetTimestamp();
                var before = start;
                for (var i = 0; i < Count; i++)
                {
                    insert(i);
                    var now = Stopwatch.GetTimestamp();
                    var took = Stopwatch.GetElapsedTime(before, now);
                    before = now;
                    longest = took > longest ? took : longest;
                }

                if (run > 0) // the first is compiled meanwhile
                {
                    worst.Add(longest.TotalMilliseconds);
                    all.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }
            }

            worst.Sort();
            all.Sort();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {worst[0]:F0} / {worst[2]:F0} | {all[0]:F0} / {all[2]:F0} |"));
        }
    }

    /// <summary>Fresh keys are allocated right before their entries, as callers do; old ones all beforehand, which is the worst for locality.</summary>
    private static void Fill(int count, bool isFresh, Action<string> put)
    {
        var keys = Enumerable.Range(0, count).Select(Keys.At);
        foreach (var key in isFresh ? keys : [.. keys])
        {
            put(key);
        }
    }

    private static void Missing() => throw new InvalidOperationException("A key was not found.");

    private sealed class Ring(int capacity)
    {
        private readonly object?[] _held = new object?[capacity];
        private int _at;
        private int _key;

        internal string[] Keys = [];

        internal Ring Copy() => new(_held.Length) { Keys = Keys };

        /// <summary>What was added a capacity ago, if so many were, and the next key.</summary>
        internal object? Next(out string key)
        {
            key = Keys[_key];
            _key = _key + 1 == Keys.Length ? 0 : _key + 1;
            return _held[_at];
        }

        internal void Add(object held)
        {
            _held[_at] = held;
            _at = _at + 1 == _held.Length ? 0 : _at + 1;
        }
    }

    private sealed class PortableTable() : EntryTable<PortableRules>(0);

    private readonly struct PortableRules : ITableRules
    {
        public static uint Hash(string key) => KeyHash.OfByMultiplying(key);
    }
}
