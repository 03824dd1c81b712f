using System.Globalization;
using CacheKit.Benchmarks.Tables;
using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing.Stores;

namespace CacheKit.Benchmarks.Memory;

/// <summary>A hit in memory with stores behind it, beside one in a cache that has memory alone: what is in memory should cost the same.</summary>
internal static class TieredHitBenchmark
{
    private static readonly Func<CancellationToken, ValueTask<string>> _factory = static _ => new("made");

    /// <summary>For example: <c>tiered-hit 1000 100000</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var count in Subjects.Numbers(args, 1000, 100_000))
        {
            Measure(count, args.Contains("2-threads") ? 2 : 1);
        }

        return 0;
    }

    private static void Measure(int count, int threads)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"cachekit-benchmark-{Environment.ProcessId}");
        try
        {
            var stream = Keys.Stream(count, isZipf: true, seed: 7);
            var mask = stream.Length - 1;
            (string Name, Cache Cache)[] subjects =
            [
                ("memory", Subjects.CreateCache(2L * count)),
                ("memory, again", Subjects.CreateCache(2L * count)),
                ("memory + store with messages", Create(count, new InMemoryStore(TimeProvider.System) { Name = "store" })),
                ("memory + disk", Create(count, Subjects.CreateDisk(folder))),
                ("memory + near store + store", Create(count, new InMemoryStore(TimeProvider.System) { Name = "near" }, new InMemoryStore(TimeProvider.System) { Name = "far" })),
            ];

            // Filled together, as the subjects of the other benchmark of hits are.
            for (var i = 0; i < count; i++)
            {
                foreach (var (_, cache) in subjects)
                {
                    cache.Set(Keys.At(i), "value");
                }
            }

            GC.Collect();
            var run = new Interleaved(string.Create(CultureInfo.InvariantCulture, $"GetOrCreateAsync, hit in memory, {count:N0} keys, Zipf"), threads);
            foreach (var (name, cache) in subjects)
            {
                run.Add(name, (thread, operations) =>
                {
                    for (var i = 0; i < operations; i++)
                    {
                        _ = cache.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                    }
                });
            }

            run.Run(rounds: 61, milliseconds: 4);
            foreach (var (_, cache) in subjects)
            {
                var statistics = cache.GetStatistics();
                if (statistics.FactoryRuns > 0)
                {
                    throw new InvalidOperationException($"Not all of these were hits: {statistics.FactoryRuns} factories ran.");
                }

                cache.Dispose();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Cache Create(int count, params ICacheStore[] stores) => Subjects.CreateCache(2L * count, hasMemory: true, stores);
}
