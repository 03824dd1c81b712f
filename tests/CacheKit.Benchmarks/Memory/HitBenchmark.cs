using System.Collections.Concurrent;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>
/// A full hit through the public call, <c>cache.GetOrCreateAsync(key, factory)</c>, of plain, tagged, expiring and sliding entries.
/// The keys asked for are strings of their own, as those of real callers are; the keys stored lie beside their entries.
/// </summary>
internal static class HitBenchmark
{
    private static readonly Func<CancellationToken, ValueTask<object>> _factory = static _ => new(new object());

    /// <summary>For example: <c>hit 1000 100000</c>; <c>hit 1000 uniform 2-threads</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var count in Subjects.Numbers(args, 1000, 100_000))
        {
            if (!args.Contains("2-threads"))
            {
                Measure(count, !args.Contains("uniform"), threads: 1);
            }

            if (!args.Contains("1-thread"))
            {
                Measure(count, !args.Contains("uniform"), threads: 2);
            }
        }

        return 0;
    }

    private static void Measure(int count, bool isZipf, int threads)
    {
        var stream = Keys.Stream(count, isZipf, seed: 7);
        var mask = stream.Length - 1;
        var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            dictionary[Keys.At(i)] = new object();
        }

        var plain = Fill(count, null);
        var tagged = Fill(count, new() { Tags = ["products", "category:7"] });
        var expiring = Fill(count, new() { Expiration = TimeSpan.FromHours(1) });
        var sliding = Fill(count, new() { SlidingExpiration = TimeSpan.FromHours(1) });
        using var memoryCache = new MemoryCache(new MemoryCacheOptions { SizeLimit = 2L * count });
        for (var i = 0; i < count; i++)
        {
            memoryCache.Set(Keys.At(i), new object(), new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) });
        }

        new Interleaved(string.Create(CultureInfo.InvariantCulture, $"Hit, {count:N0} keys, {(isZipf ? "Zipf" : "uniform")}"), threads)
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
            .Run();

        foreach (var cache in (ICache[])[plain, tagged, expiring, sliding])
        {
            ((IDisposable)cache).Dispose();
        }
    }

    // As applications see it: through the interface.
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1859:Use concrete types when possible for improved performance", Justification = "What is measured is the call through ICache.")]
    private static ICache Fill(int count, CacheEntryOptions? options)
    {
        // Twice the room, so that every look-up is a hit.
        var cache = Subjects.CreateCache(2L * count);
        for (var i = 0; i < count; i++)
        {
            cache.Set(Keys.At(i), new object(), options);
        }

        return cache;
    }
}
