using System.Collections.Concurrent;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>
/// A full hit through the public call, <c>cache.GetOrCreateAsync(key, factory)</c>, of plain, tagged, expiring and sliding entries.
/// The keys asked for are strings of their own, as those of real callers are; the keys stored lie beside their entries, or, if asked for, far from
/// them: all were made beforehand.
/// </summary>
/// <remarks>All subjects are filled together, key by key, so that none lies better in memory than another.</remarks>
internal static class HitBenchmark
{
    private static readonly Func<CancellationToken, ValueTask<object>> _factory = static _ => new(new object());

    /// <summary>For example: <c>hit 1000 100000</c>; <c>hit 1000 uniform 2-threads</c>; <c>hit 1000000 far</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var count in Subjects.Numbers(args, 1000, 100_000))
        {
            if (!args.Contains("2-threads"))
            {
                Measure(count, !args.Contains("uniform"), args.Contains("far"), threads: 1);
            }

            if (!args.Contains("1-thread"))
            {
                Measure(count, !args.Contains("uniform"), args.Contains("far"), threads: 2);
            }
        }

        return 0;
    }

    private static void Measure(int count, bool isZipf, bool isFar, int threads)
    {
        var stream = Keys.Stream(count, isZipf, seed: 7);
        var mask = stream.Length - 1;
        var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
        // Twice the room, so that every look-up is a hit.
        ICache plain = Subjects.CreateCache(2L * count), tagged = Subjects.CreateCache(2L * count);
        ICache expiring = Subjects.CreateCache(2L * count), sliding = Subjects.CreateCache(2L * count);
        using var memoryCache = new MemoryCache(new MemoryCacheOptions { SizeLimit = 2L * count });
        CacheEntryOptions tags = new() { Tags = ["products", "category:7"] };
        CacheEntryOptions expiration = new() { Expiration = TimeSpan.FromHours(1) };
        CacheEntryOptions slidingExpiration = new() { SlidingExpiration = TimeSpan.FromHours(1) };
        Action<string>[] stores =
        [
            key => dictionary[key] = new object(),
            key => plain.Set(key, new object()),
            key => expiring.Set(key, new object(), expiration),
            key => tagged.Set(key, new object(), tags),
            key => sliding.Set(key, new object(), slidingExpiration),
            key => memoryCache.Set(key, new object(), new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) }),
        ];
        var keysBefore = isFar ? Array.ConvertAll(stores, _ => Enumerable.Range(0, count).Select(Keys.At).ToArray()) : [];
        for (var i = 0; i < count; i++)
        {
            for (var store = 0; store < stores.Length; store++)
            {
                stores[store](isFar ? keysBefore[store][i] : Keys.At(i));
            }
        }

        keysBefore = [];
        GC.Collect();
        var rounds = count > 100_000 ? 21 : 61;

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Hit, {count:N0} keys, {(isZipf ? "Zipf" : "uniform")}{(isFar ? ", keys far from their entries" : "")}"), threads)
            .Add("ConcurrentDictionary.TryGetValue", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    dictionary.TryGetValue(stream[(i + (thread * 7919)) & mask], out _);
                }
            })
            .Add("GetOrCreateAsync, plain", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = plain.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                }
            })
            .Add("GetOrCreateAsync, expiring", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = expiring.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                }
            })
            .Add("GetOrCreateAsync, tagged", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = tagged.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                }
            })
            .Add("GetOrCreateAsync, sliding", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = sliding.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                }
            })
            .Add("GetAsync, plain", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = plain.GetAsync<object>(stream[(i + (thread * 7919)) & mask]).Result;
                }
            })
            .Add("MemoryCache.TryGetValue", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    memoryCache.TryGetValue(stream[(i + (thread * 7919)) & mask], out _);
                }
            })
            .Add("MemoryCache.GetOrCreateAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = memoryCache.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], static _ => Task.FromResult(new object())).Result;
                }
            })
            .Run(rounds, milliseconds: count > 100_000 ? 40 : 4);

        foreach (var cache in (ICache[])[plain, tagged, expiring, sliding])
        {
            ((IDisposable)cache).Dispose();
        }
    }
}
