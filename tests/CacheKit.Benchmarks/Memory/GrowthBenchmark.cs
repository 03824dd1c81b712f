using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>How long a single insert keeps its caller waiting while a cache grows, through its public call, to a million entries.</summary>
/// <remarks>
/// Collections of garbage and the scheduler stop whoever happens to be inserting, too: the control, an array of objects as large as entries, shows how
/// long. So the inserts during which a collection happened are also left out.
/// </remarks>
internal static class GrowthBenchmark
{
    private static readonly object _value = new();

    /// <summary>For example: <c>growth 1000000</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var count in Subjects.Numbers(args, 1_000_000))
        {
            var keys = Enumerable.Range(0, count).Select(Keys.At).ToArray();
            Console.WriteLine();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"**Growing to {count:N0} entries: the longest insert, ms, least and median of 7**"));
            Console.WriteLine();
            Console.WriteLine("| subject | of those without a collection | of all | inserts over 1 ms, median | all inserts, s |");
            Console.WriteLine("|---|---:|---:|---:|---:|");
            Report("control: objects of the size of entries, into an array", keys, () =>
            {
                var held = new byte[count][];
                var next = 0;
                return _ => held[next++] = new byte[48];
            });
            Report("ConcurrentDictionary", keys, () =>
            {
                var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
                return key => dictionary[key] = _value;
            });
            Report("MemoryCache", keys, () =>
            {
                var cache = new MemoryCache(new MemoryCacheOptions());
                return key => cache.Set(key, _value, new MemoryCacheEntryOptions { AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) });
            });
            Report("CacheKit", keys, () =>
            {
                var cache = Subjects.CreateCache(count);
                var expiration = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) };
                return key => cache.Set(key, _value, expiration);
            });
            Report("CacheKit, with room for ten times as many", keys, () =>
            {
                var cache = Subjects.CreateCache(10L * count);
                var expiration = new CacheEntryOptions { Expiration = TimeSpan.FromHours(1) };
                return key => cache.Set(key, _value, expiration);
            });
        }

        return 0;
    }

    private static void Report(string name, string[] keys, Func<Action<string>> create)
    {
        List<double> quiet = [], all = [], over = [], seconds = [];
        for (var run = 0; run < 8; run++)
        {
            GC.Collect();
            var insert = create();
            var (longestQuiet, longest, longer) = (0.0, 0.0, 0);
            var start = Stopwatch.GetTimestamp();
            var before = start;
            var collections = GC.CollectionCount(0);
            foreach (var key in keys)
            {
                insert(key);
                var now = Stopwatch.GetTimestamp();
                var took = Stopwatch.GetElapsedTime(before, now).TotalMilliseconds;
                before = now;
                if (took > 0.05)
                {
                    longer += took > 1 ? 1 : 0;
                    longest = Math.Max(longest, took);
                    var collectionsNow = GC.CollectionCount(0);
                    if (collectionsNow == collections)
                    {
                        longestQuiet = Math.Max(longestQuiet, took);
                    }

                    collections = collectionsNow;
                    before = Stopwatch.GetTimestamp();
                }
            }

            if (run > 0) // the first is compiled meanwhile
            {
                quiet.Add(longestQuiet);
                all.Add(longest);
                over.Add(longer);
                seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }

            GC.KeepAlive(insert);
        }

        foreach (var figures in (List<double>[])[quiet, all, over, seconds])
        {
            figures.Sort();
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {quiet[0]:F1} / {quiet[3]:F1} | {all[0]:F1} / {all[3]:F1} | {over[3]:F0} | {seconds[3]:F2} |"));
    }
}
