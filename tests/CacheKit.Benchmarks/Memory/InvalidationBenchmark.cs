using System.Diagnostics;
using System.Globalization;
using CacheKit.Benchmarks.Tables;
using CacheKit.Engine;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Benchmarks.Memory;

/// <summary>
/// How long a removal takes until no later call sees what it covers: by a tag that few or many entries carry, and of everything.
/// Beside it, what removals of others' tags cost the hits between them.
/// </summary>
internal static class InvalidationBenchmark
{
    private const string Tag = "group";
    private const int Rounds = 15;

    private static readonly object _value = new();
    private static readonly Func<CancellationToken, ValueTask<object>> _factory = static _ => new(_value);

    /// <summary>For example: <c>invalidation 1 1000 100000</c>.</summary>
    internal static int Run(string[] args)
    {
        var counts = Subjects.Numbers(args, 1, 1000, 100_000);
        var folder = Path.Combine(Path.GetTempPath(), $"cachekit-benchmark-{Environment.ProcessId}");
        try
        {
            using (var byTag = new Candidates(folder))
            {
                Print("Removal by a tag, us until it has returned", counts, byTag.RemovingTag);
                Print("Removal of everything, us until it has returned", counts, byTag.Clearing);
            }

            MeasureHits();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return 0;
    }

    private static void Print(string title, int[] counts, Candidate[] candidates)
    {
        var medians = candidates.Select(_ => new List<double>()).ToArray();
        foreach (var count in counts)
        {
            var times = candidates.Select(_ => new List<double>()).ToArray();
            for (var round = -2; round < Rounds; round++) // the first ones compile
            {
                for (var i = 0; i < candidates.Length; i++)
                {
                    var microseconds = Once(candidates[i], count);
                    if (round >= 0)
                    {
                        times[i].Add(microseconds);
                    }
                }
            }

            for (var i = 0; i < candidates.Length; i++)
            {
                medians[i].Add(times[i].Order().ElementAt(Rounds / 2));
            }
        }

        Console.WriteLine();
        Console.WriteLine($"**{title}** (median of {Rounds} rounds)");
        Console.WriteLine();
        Console.WriteLine($"| subject | {string.Join(" | ", counts.Select(count => string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? "entry" : "entries")}")))} |");
        Console.WriteLine($"|---|{string.Concat(counts.Select(_ => "---:|"))}");
        for (var i = 0; i < candidates.Length; i++)
        {
            Console.WriteLine($"| {candidates[i].Name} | {string.Join(" | ", medians[i].Select(median => median.ToString("N1", CultureInfo.InvariantCulture)))} |");
        }
    }

    private static double Once(Candidate candidate, int count)
    {
        for (var i = 0; i < count; i++)
        {
            candidate.Set(Keys.At(i));
        }

        GC.Collect(); // or what one left would be collected in the time of another
        var start = Stopwatch.GetTimestamp();
        candidate.Remove();
        var elapsed = Stopwatch.GetElapsedTime(start);
        for (var i = 0; i < count; i += Math.Max(1, count / 1000))
        {
            if (candidate.IsThere(Keys.At(i)))
            {
                throw new InvalidOperationException($"{candidate.Name} still serves what it has removed.");
            }
        }

        return elapsed.TotalMicroseconds;
    }

    // What a removal leaves to be done is done by hits: each entry is judged once more.
    private static void MeasureHits()
    {
        const int Count = 1000;
        var stream = Keys.Stream(Count, isZipf: true, seed: 7);
        var mask = stream.Length - 1;
        var run = new Interleaved("GetOrCreateAsync, hit, 1,000 tagged keys, Zipf");
        List<Cache> caches = [];
        foreach (var between in (int[])[0, 0, 100_000, 1000, 100])
        {
            var cache = Subjects.CreateCache(2 * Count);
            caches.Add(cache);
            for (var i = 0; i < Count; i++)
            {
                cache.Set(Keys.At(i), _value, new() { Tags = [Tag] });
            }

            var name = between == 0 ? (caches.Count == 1 ? "no removals" : "no removals, again") : string.Create(CultureInfo.InvariantCulture, $"another tag removed every {between:N0} hits");
            var next = between;
            run.Add(name, operations =>
            {
                for (var i = 0; i < operations; i++)
                {
                    if (between != 0 && --next == 0)
                    {
                        next = between;
                        cache.RemoveByTagAsync("another").AsTask().Wait();
                    }

                    _ = cache.GetOrCreateAsync(stream[i & mask], _factory).Result;
                }
            });
        }

        run.Run();
        foreach (var cache in caches)
        {
            if (cache.GetStatistics().FactoryRuns > 0)
            {
                throw new InvalidOperationException("Not all of these were hits.");
            }

            cache.Dispose();
        }
    }

    private sealed record Candidate(string Name, Action<string> Set, Action Remove, Func<string, bool> IsThere);

    /// <summary>Ways to remove what belongs together.</summary>
    private sealed class Candidates : IDisposable
    {
        private readonly Cache _cache = Subjects.CreateCache(1_000_000);
        private readonly Cache _disk;
        private readonly MemoryCache _tokens = new(new MemoryCacheOptions());
        private readonly MemoryCache _listed = new(new MemoryCacheOptions());
        private readonly HashSet<string> _list = new(StringComparer.Ordinal);
        private CancellationTokenSource _source = new();

        internal Candidates(string folder)
        {
            _disk = Subjects.CreateCache(MemoryOptions.DefaultMaximumEntries, hasMemory: false, Subjects.CreateDisk(folder));
            var tags = new CacheEntryOptions { Tags = [Tag] };
            Candidate memory = new("CacheKit, memory", key => _cache.Set(key, _value, tags), () => _cache.RemoveByTagAsync(Tag).AsTask().Wait(), key => _cache.ExistsAsync(key).AsTask().Result);
            Candidate onDisk = new("CacheKit, disk", key => _disk.Set(key, 42, tags), () => _disk.RemoveByTagAsync(Tag).AsTask().Wait(), key => _disk.ExistsAsync(key).AsTask().Result);
            RemovingTag =
            [
                memory,
                onDisk,
                new("MemoryCache, a cancellation token for the tag", SetWithToken, Cancel, key => _tokens.TryGetValue(key, out _)),
                new("MemoryCache, a list of keys for the tag", SetAndList, RemoveListed, key => _listed.TryGetValue(key, out _)),
            ];
            Clearing =
            [
                memory with { Remove = () => _cache.ClearAsync().AsTask().Wait() },
                onDisk with { Remove = () => _disk.ClearAsync().AsTask().Wait() },
                new("MemoryCache.Clear", key => _listed.Set(key, _value), _listed.Clear, key => _listed.TryGetValue(key, out _)),
            ];
        }

        internal Candidate[] RemovingTag { get; }

        internal Candidate[] Clearing { get; }

        public void Dispose()
        {
            _cache.Dispose();
            _disk.Dispose();
            _tokens.Dispose();
            _listed.Dispose();
            _source.Dispose();
        }

        private void SetWithToken(string key) => _tokens.Set(key, _value, new CancellationChangeToken(_source.Token));

        private void Cancel()
        {
            using var ended = Interlocked.Exchange(ref _source, new());
            ended.Cancel();
        }

        private void SetAndList(string key)
        {
            lock (_list)
            {
                _list.Add(key);
            }

            _listed.Set(key, _value);
        }

        private void RemoveListed()
        {
            lock (_list)
            {
                foreach (var key in _list)
                {
                    _listed.Remove(key);
                }

                _list.Clear();
            }
        }
    }
}
