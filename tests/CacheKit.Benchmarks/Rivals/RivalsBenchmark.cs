using System.Collections.Concurrent;
using System.Globalization;
using CacheKit.Benchmarks.Memory;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Hybrid;
using ZiggyCreatures.Caching.Fusion;

namespace CacheKit.Benchmarks.Rivals;

/// <summary>The questions of the other programs, put to other caches for .NET in the same run: a hit, a miss with its set and eviction, bytes per entry, a stampede.</summary>
internal static class RivalsBenchmark
{
    private const string Value = "value";

    private static readonly CacheEntryOptions _expiring = new() { Expiration = RivalCaches.Expiration };

    /// <summary>For example: <c>rivals hit 1000 100000</c>; <c>rivals churn</c>; <c>rivals memory</c>; <c>rivals stampede</c>; all of them without a word.</summary>
    internal static int Run(string[] args)
    {
        string[] asked = [.. args.Where(static arg => !char.IsAsciiDigit(arg[0]))];
        bool Asks(string question) => asked.Length == 0 || asked.Contains(question);
        if (Asks("hit"))
        {
            foreach (var count in Subjects.Numbers(args, 1000, 100_000))
            {
                MeasureHits(count, 1);
                MeasureHits(count, 2);
            }
        }

        if (Asks("tagged"))
        {
            MeasureTaggedHits(Subjects.Numbers(args, 1000)[0]);
        }

        if (Asks("churn"))
        {
            MeasureChurn(Subjects.Numbers(args, 10_000)[0], 1);
            MeasureChurn(Subjects.Numbers(args, 10_000)[0], 2);
        }

        if (Asks("memory"))
        {
            MeasureMemory(Subjects.Numbers(args, 1_000_000)[0]);
        }

        if (Asks("stampede"))
        {
            MeasureStampede();
        }

        return 0;
    }

    private static void MeasureHits(int count, int threads)
    {
        var stream = Keys.Stream(count, isZipf: true, seed: 7);
        var mask = stream.Length - 1;
        var dictionary = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);
        using var cache = Subjects.CreateCache(2L * count);
        var lru = RivalCaches.CreateLru(2 * count);
        var expiringLru = RivalCaches.CreateExpiringLru(2 * count);
        var expiringLfu = RivalCaches.CreateExpiringLfu(2 * count);
        using var fusion = RivalCaches.CreateFusion();
        var hybrid = RivalCaches.CreateHybrid();
        for (var i = 0; i < count; i++) // together, so that none lies better in memory than another
        {
            var key = Keys.At(i);
            dictionary[key] = Value;
            cache.Set(key, Value, _expiring);
            lru.AddOrUpdate(key, Value);
            expiringLru.AddOrUpdate(key, Value);
            expiringLfu.AddOrUpdate(key, Value);
            fusion.Set(key, Value);
            hybrid.SetAsync(key, Value).AsTask().Wait();
        }

        GC.Collect();
        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Hit, {count:N0} keys, Zipf"), threads)
            .Add("ConcurrentDictionary.TryGetValue", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    dictionary.TryGetValue(stream[(i + (thread * 7919)) & mask], out _);
                }
            })
            .Add("CacheKit.GetOrCreateAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = cache.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], static _ => new ValueTask<string>(Value)).Result;
                }
            })
            .Add("BitFaster ConcurrentLru.GetOrAdd, no expiration", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = lru.GetOrAdd(stream[(i + (thread * 7919)) & mask], static _ => Value);
                }
            })
            .Add("BitFaster ConcurrentLru.GetOrAdd, expiring", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = expiringLru.GetOrAdd(stream[(i + (thread * 7919)) & mask], static _ => Value);
                }
            })
            .Add("BitFaster ConcurrentLfu.GetOrAdd, expiring", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = expiringLfu.GetOrAdd(stream[(i + (thread * 7919)) & mask], static _ => Value);
                }
            })
            .Add("HybridCache.GetOrCreateAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = hybrid.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], static _ => new ValueTask<string>(Value)).Result;
                }
            })
            .Add("FusionCache.GetOrSetAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = fusion.GetOrSetAsync<string>(stream[(i + (thread * 7919)) & mask], static (_, _) => Task.FromResult(Value)).Result;
                }
            })
            .Run();
    }

    // Once some tag has been removed, a cache may have to ask of each hit whether it is concerned.
    private static void MeasureTaggedHits(int count)
    {
        string[] tags = ["products", "category:7"];
        var stream = Keys.Stream(count, isZipf: true, seed: 7);
        var mask = stream.Length - 1;
        using var cache = Subjects.CreateCache(2L * count);
        using var fusion = RivalCaches.CreateFusion();
        var hybrid = RivalCaches.CreateHybrid();
        var tagged = new CacheEntryOptions { Expiration = RivalCaches.Expiration, Tags = tags };
        for (var i = 0; i < count; i++)
        {
            var key = Keys.At(i);
            cache.Set(key, Value, tagged);
            fusion.Set(key, Value, tags: tags);
            hybrid.SetAsync(key, Value, tags: tags).AsTask().Wait();
        }

        cache.RemoveByTagAsync("category:8").AsTask().Wait();
        fusion.RemoveByTag("category:8");
        hybrid.RemoveByTagAsync("category:8").AsTask().Wait();
        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Hit, {count:N0} keys with two tags, Zipf, after another tag was removed"))
            .Add("CacheKit.GetOrCreateAsync", operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = cache.GetOrCreateAsync(stream[i & mask], static _ => new ValueTask<string>(Value)).Result;
                }
            })
            .Add("HybridCache.GetOrCreateAsync", operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = hybrid.GetOrCreateAsync(stream[i & mask], static _ => new ValueTask<string>(Value)).Result;
                }
            })
            .Add("FusionCache.GetOrSetAsync", operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = fusion.GetOrSetAsync<string>(stream[i & mask], static (_, _) => Task.FromResult(Value)).Result;
                }
            })
            .Run();
    }

    private static void MeasureChurn(int capacity, int threads)
    {
        // More than any cache here holds, so that by the time a key comes again it has left.
        var keys = new string[1 << (32 - int.LeadingZeroCount((8 * capacity) - 1))];
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = Keys.At(i);
        }

        var next = new int[threads * 16];
        using var cache = Subjects.CreateCache(capacity);
        var lru = RivalCaches.CreateLru(capacity);
        var expiringLru = RivalCaches.CreateExpiringLru(capacity);
        var expiringLfu = RivalCaches.CreateExpiringLfu(capacity);
        using var fusion = RivalCaches.CreateFusion(capacity);
        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Miss + set + evict, capacity {capacity:N0}"), threads)
            .Add("CacheKit.GetOrCreateAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = cache.GetOrCreateAsync(Key(thread), static _ => new ValueTask<string>(Value), _expiring).Result;
                }
            })
            .Add("BitFaster ConcurrentLru.GetOrAdd, no expiration", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = lru.GetOrAdd(Key(thread), static _ => Value);
                }
            })
            .Add("BitFaster ConcurrentLru.GetOrAdd, expiring", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = expiringLru.GetOrAdd(Key(thread), static _ => Value);
                }
            })
            .Add("BitFaster ConcurrentLfu.GetOrAdd, expiring", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = expiringLfu.GetOrAdd(Key(thread), static _ => Value);
                }
            })
            .Add("FusionCache.GetOrSetAsync over a MemoryCache with SizeLimit, which drops the newest", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = fusion.GetOrSetAsync<string>(Key(thread), static (_, _) => Task.FromResult(Value)).Result;
                }
            })
            .Run();

        string Key(int thread) => keys[((next[thread * 16]++ * threads) + thread) & (keys.Length - 1)];
    }

    private static void MeasureMemory(int count)
    {
        var keys = Enumerable.Range(0, count).Select(Keys.At).ToArray();
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"**Bytes per entry beyond key and value, {count:N0} entries**"));
        Console.WriteLine();
        Console.WriteLine("| subject | bytes |");
        Console.WriteLine("|---|---:|");
        var kept = new List<object?>(); // all of them, or one that goes while another is measured would be taken off its figure
        Report("CacheKit, expiring", () => Subjects.CreateCache(count), static (cache, key) => cache.Set(key, Value, _expiring));
        Report("BitFaster ConcurrentLru, no expiration", () => RivalCaches.CreateLru(count), static (lru, key) => lru.AddOrUpdate(key, Value));
        Report("BitFaster ConcurrentLru, expiring", () => RivalCaches.CreateExpiringLru(count), static (lru, key) => lru.AddOrUpdate(key, Value));
        Report("BitFaster ConcurrentLfu, expiring", () => RivalCaches.CreateExpiringLfu(count), static (lfu, key) => lfu.AddOrUpdate(key, Value));
        Report("HybridCache", RivalCaches.CreateHybrid, static (hybrid, key) => hybrid.SetAsync(key, Value).AsTask().Wait());
        Report("FusionCache", () => RivalCaches.CreateFusion(), static (fusion, key) => fusion.Set(key, Value));

        void Report<TCache>(string name, Func<TCache> create, Action<TCache, string> set)
        {
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var cache = create();
            foreach (var key in keys)
            {
                set(cache, key);
            }

            var after = GC.GetTotalMemory(forceFullCollection: true);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {(after - before) / (double)count:F1} |"));
            kept.Add(cache);
        }

        kept.ForEach(static cache => (cache as IDisposable)?.Dispose());
    }

    private static void MeasureStampede()
    {
        using var cache = Subjects.CreateCache(1000);
        using var fusion = RivalCaches.CreateFusion();
        var hybrid = RivalCaches.CreateHybrid();
        var lru = RivalCaches.CreateAtomicLru(1000);
        (string Name, Func<string, Func<Task<string>>, Task<string>> Get)[] subjects =
        [
            ("CacheKit.GetOrCreateAsync", (key, factory) => cache.GetOrCreateAsync(key, _ => factory()).AsTask()),
            ("BitFaster ConcurrentLru.GetOrAddAsync, atomic", (key, factory) => lru.GetOrAddAsync(key, _ => factory()).AsTask()),
            ("HybridCache.GetOrCreateAsync", (key, factory) => hybrid.GetOrCreateAsync(key, async _ => await factory()).AsTask()),
            ("FusionCache.GetOrSetAsync", (key, factory) => fusion.GetOrSetAsync<string>(key, (_, _) => factory()).AsTask()),
        ];
        StampedeBenchmark.Measure(subjects, Value);
    }
}
