using System.Collections.Concurrent;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>Bytes per entry beyond key and value: the growth of the heap when a cache is filled with keys and values that exist already.</summary>
internal static class MemoryBenchmark
{
    /// <summary>For example: <c>memory 1000000</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var count in Subjects.Numbers(args, 1_000_000))
        {
            var keys = Enumerable.Range(0, count).Select(Keys.At).ToArray();
            var value = new object();
            var expiring = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) };
            var sliding = new CacheEntryOptions { SlidingExpiration = TimeSpan.FromHours(1) };
            var tagged = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1), Tags = ["products"] };
            Console.WriteLine();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"**Bytes per entry beyond key and value, {count:N0} entries**"));
            Console.WriteLine();
            Console.WriteLine("| subject | bytes |");
            Console.WriteLine("|---|---:|");
            Report("ConcurrentDictionary<string, object>", keys, () =>
            {
                var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
                return (dictionary, key => dictionary[key] = value);
            });
            Report("CacheKit, expiring entries", keys, () =>
            {
                var cache = Subjects.CreateCache(count);
                return (cache, key => cache.Set(key, value, expiring));
            });
            Report("CacheKit, expiring and tagged entries", keys, () =>
            {
                var cache = Subjects.CreateCache(count);
                return (cache, key => cache.Set(key, value, tagged));
            });
            Report("CacheKit, sliding entries", keys, () =>
            {
                var cache = Subjects.CreateCache(count);
                return (cache, key => cache.Set(key, value, sliding));
            });
            Report("CacheKit, expiring entries, full and after as many evictions", keys, () =>
            {
                var cache = Subjects.CreateCache(count / 2);
                return (cache, key => cache.Set(key, value, expiring));
            }, count - (count / 2));
            Report("MemoryCache with a size limit", keys, () =>
            {
                var cache = new MemoryCache(new MemoryCacheOptions { SizeLimit = count });
                return (cache, key => cache.Set(key, value, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) }));
            });
        }

        return 0;
    }

    private static void Report(string name, string[] keys, Func<(object Cache, Action<string> Set)> create, int evicted = 0)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var (cache, set) = create();
        foreach (var key in keys)
        {
            set(key);
        }

        var after = GC.GetTotalMemory(forceFullCollection: true);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {(after - before) / (double)(keys.Length - evicted):F1} |"));
        GC.KeepAlive(set);
        (cache as IDisposable)?.Dispose();
    }
}
