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
        }

        return 0;
    }

    private static void Measure(int capacity, int threads)
    {
        // More than any cache here holds, so that by the time a key comes again it has left.
        var keys = new string[1 << BitCount(8 * capacity)];
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = Keys.At(i);
        }

        var mask = keys.Length - 1;
        var next = new int[threads * 16];
        using var cache = Subjects.CreateCache(capacity);
        using var created = Subjects.CreateCache(capacity);
        using var memoryCache = new MemoryCache(new MemoryCacheOptions { SizeLimit = capacity });
        var expiration = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) };

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Miss + set + evict, capacity {capacity:N0}"), threads)
            .Add("MemoryCache: TryGetValue, Set", (thread, operations) =>
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

        string Key(int thread) => keys[((next[thread * 16]++ * threads) + thread) & mask];
    }

    private static int BitCount(int number) => 32 - int.LeadingZeroCount(number - 1);
}
