using System.Collections.Concurrent;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>
/// A full cache that is asked for keys it never had: a look-up that misses, a set, and the eviction that makes room for it.
/// The key is made by the caller, and its bytes are not counted; the value is one object for all.
/// </summary>
internal static class ChurnBenchmark
{
    private static readonly object _value = new();

    /// <summary>For example: <c>churn 10000</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var capacity in Subjects.Numbers(args, 10_000, 100_000))
        {
            foreach (var threads in (int[])[1, 2])
            {
                Measure(capacity, threads);
            }

            MeasureProcess(capacity);
        }

        return 0;
    }

    private static void Measure(int capacity, int threads)
    {
        // Never the same one twice: a cache that keeps part of a loop would have hits. Made before each turn, which is not measured.
        var keys = Array.Empty<string>();
        var made = 0;
        var next = new int[threads * 16];
        var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
        var ring = new string?[capacity];
        var last = 0;
        using var cache = Subjects.CreateCache(capacity);
        using var created = Subjects.CreateCache(capacity);
        using var memoryCache = new MemoryCache(new MemoryCacheOptions { SizeLimit = capacity });
        using var keepingCache = new MemoryCache(new MemoryCacheOptions());
        var segmented = new SegmentedLru(capacity);
        var expiration = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) };

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Miss + set + evict, capacity {capacity:N0}"), threads)
            .Before(operations =>
            {
                keys = new string[operations];
                for (var i = 0; i < keys.Length; i++)
                {
                    keys[i] = Keys.At(made++);
                }

                Array.Clear(next);
            })
            .Add("MemoryCache with SizeLimit, which drops the newest: TryGetValue, Set", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    var key = Key(thread);
                    if (!memoryCache.TryGetValue(key, out _))
                    {
                        memoryCache.Set(key, _value, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) });
                    }
                }
            })
            .Add("MemoryCache kept to its size by Compact(0.1), which keeps the newest: TryGetValue, Set", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    var key = Key(thread);
                    if (!keepingCache.TryGetValue(key, out _))
                    {
                        SetAndCompact(keepingCache, key, capacity);
                    }
                }
            })
            .Add("ConcurrentDictionary with a ring of keys: TryGetValue, set, remove the oldest", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    var key = Key(thread);
                    if (!dictionary.TryGetValue(key, out _))
                    {
                        dictionary[key] = _value;
                        if (Interlocked.Exchange(ref ring[(Interlocked.Increment(ref last) & int.MaxValue) % capacity], key) is { } oldest)
                        {
                            dictionary.TryRemove(oldest, out _);
                        }
                    }
                }
            })
            .Add("Segmented LRU on ConcurrentDictionary, after BitFaster's: TryGet, Add", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    var key = Key(thread);
                    if (!segmented.TryGet(key, out _))
                    {
                        segmented.Add(key, _value, TimeSpan.FromHours(1));
                    }
                }
            })
            .Add("CacheKit: Get, Set", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    var key = Key(thread);
                    if (!cache.Get<object>(key).IsHit)
                    {
                        cache.Set(key, _value, expiration);
                    }
                }
            })
            .Add("CacheKit: GetOrCreateAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = created.GetOrCreateAsync(Key(thread), static _ => new ValueTask<object>(_value), expiration).Result;
                }
            })
            .Run();

        string Key(int thread) => keys[(next[thread * 16]++ * threads) + thread];
    }

    /// <summary>
    /// What the table above cannot show: work that a cache leaves to other threads, and new values that it drops. The processor
    /// time of the whole process for each operation, and the share of the keys set last, half as many as fit, that are there.
    /// </summary>
    private static void MeasureProcess(int capacity)
    {
        using var cache = Subjects.CreateCache(capacity);
        using var memoryCache = new MemoryCache(new MemoryCacheOptions { SizeLimit = capacity });
        using var keepingCache = new MemoryCache(new MemoryCacheOptions());
        var segmented = new SegmentedLru(capacity);
        var expiration = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) };
        (string Name, Action<string> Set, Func<string, bool> Has, List<double> Nanoseconds, List<double> Kept)[] subjects =
        [
            ("MemoryCache kept to its size by Compact(0.1)", key => SetAndCompact(keepingCache, key, capacity), key => keepingCache.TryGetValue(key, out _), [], []),
            ("Segmented LRU", key => segmented.Add(key, _value, TimeSpan.FromHours(1)), key => segmented.TryGet(key, out _), [], []),
            ("MemoryCache with SizeLimit", key => memoryCache.Set(key, _value, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) }), key => memoryCache.TryGetValue(key, out _), [], []),
            ("CacheKit", key => cache.Set(key, _value, expiration), key => cache.Get<object>(key).IsHit, [], []),
        ];
        var batch = 10 * capacity;
        for (var round = 0; round < 13; round++)
        {
            foreach (var subject in subjects)
            {
                var keys = new string[batch];
                for (var i = 0; i < batch; i++)
                {
                    keys[i] = Keys.At((round * batch) + i);
                }

                GC.Collect();
                var before = Environment.CpuUsage.TotalTime;
                foreach (var key in keys)
                {
                    if (!subject.Has(key))
                    {
                        subject.Set(key);
                    }
                }

                var used = Environment.CpuUsage.TotalTime - before;
                if (round >= 2) // the first ones fill and compile
                {
                    subject.Nanoseconds.Add(used.TotalNanoseconds / batch);
                    subject.Kept.Add(keys.TakeLast(capacity / 2).Count(subject.Has) / (capacity / 2.0));
                }
            }
        }

        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"**Processor time of the process and share kept, capacity {capacity:N0}** (11 rounds)"));
        Console.WriteLine();
        Console.WriteLine("| subject | min ns | median ns | new keys kept |");
        Console.WriteLine("|---|---:|---:|---:|");
        foreach (var (name, _, _, nanoseconds, kept) in subjects)
        {
            nanoseconds.Sort();
            kept.Sort();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| {name} | {nanoseconds[0]:F0} | {nanoseconds[nanoseconds.Count / 2]:F0} | {kept[kept.Count / 2]:P0} |"));
        }
    }

    /// <summary>A MemoryCache that must not drop what it is given has to be kept to its size by its user. A tenth at a time: each time costs a look at all.</summary>
    private static void SetAndCompact(MemoryCache cache, string key, int capacity)
    {
        cache.Set(key, _value, new MemoryCacheEntryOptions { AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) });
        if (cache.Count > capacity)
        {
            cache.Compact(0.1);
        }
    }
}
