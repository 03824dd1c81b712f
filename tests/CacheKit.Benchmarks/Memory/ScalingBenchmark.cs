using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using CacheKit.Benchmarks.Tables;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>How many times as many hits two threads get done as one, on the same cache: 2 if nothing that they share holds them up.</summary>
/// <remarks>
/// Each turn of two threads follows one of a single thread of the same subject. What the machine itself gives is told by a subject that shares nothing but what is
/// only read: it hashes the keys. A processor that others use as well gives less than 2 even so.
/// </remarks>
internal static class ScalingBenchmark
{
    private const int Rounds = 101;
    private const int Milliseconds = 4;

    private static readonly Func<CancellationToken, ValueTask<object>> _factory = static _ => new(new object());

    /// <summary>For example: <c>scaling 1000 100000</c>.</summary>
    internal static int Run(string[] args)
    {
        foreach (var count in Subjects.Numbers(args, 1000, 100_000))
        {
            Measure(count);
        }

        return 0;
    }

    private static void Measure(int count)
    {
        var stream = Keys.Stream(count, isZipf: true, seed: 7);
        var mask = stream.Length - 1;
        var dictionary = new ConcurrentDictionary<string, object>(StringComparer.Ordinal);
        using var cache = Subjects.CreateCache(2L * count);
        using var sliding = Subjects.CreateCache(2L * count);
        using var memoryCache = new MemoryCache(new MemoryCacheOptions());
        CacheEntryOptions slidingExpiration = new() { SlidingExpiration = TimeSpan.FromHours(1) };
        for (var i = 0; i < count; i++)
        {
            dictionary[Keys.At(i)] = new object();
            cache.Set(Keys.At(i), new object());
            sliding.Set(Keys.At(i), new object(), slidingExpiration);
            memoryCache.Set(Keys.At(i), new object(), TimeSpan.FromHours(1));
        }

        Subject[] subjects =
        [
            new("hashing of the keys: what the machine gives", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    Use(stream[(i + (thread * 7919)) & mask].GetHashCode(StringComparison.Ordinal));
                }
            }),
            new("ConcurrentDictionary.TryGetValue", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    dictionary.TryGetValue(stream[(i + (thread * 7919)) & mask], out _);
                }
            }),
            new("CacheKit: GetOrCreateAsync", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = cache.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                }
            }),
            new("CacheKit: GetOrCreateAsync, sliding", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    _ = sliding.GetOrCreateAsync(stream[(i + (thread * 7919)) & mask], _factory).Result;
                }
            }),
            new("MemoryCache.TryGetValue", (thread, operations) =>
            {
                for (var i = 0; i < operations; i++)
                {
                    memoryCache.TryGetValue(stream[(i + (thread * 7919)) & mask], out _);
                }
            }),
        ];
        foreach (var subject in subjects)
        {
            subject.Calibrate();
        }

        for (var round = 0; round < Rounds; round++)
        {
            for (var turn = 0; turn < subjects.Length; turn++)
            {
                subjects[(turn + round) % subjects.Length].Measure();
            }
        }

        Print(count, subjects);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Use(int value) => _ = value;

    private static void Print(int count, Subject[] subjects)
    {
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"**Hits of two threads beside those of one, {count:N0} keys, Zipf** ({Rounds} rounds)"));
        Console.WriteLine();
        Console.WriteLine("| subject | one, min ns | two, min ns | times as many, least times | median |");
        Console.WriteLine("|---|---:|---:|---:|---:|");
        foreach (var subject in subjects)
        {
            var (alone, together) = (subject.Alone, subject.Together);
            var ratios = alone.Zip(together, static (one, two) => 2 * one / two).Order().ToArray();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {subject.Name} | {alone.Min():F1} | {together.Min():F1} | {2 * alone.Min() / together.Min():F2} | {ratios[ratios.Length / 2]:F2} |"));
        }
    }

    private sealed class Subject(string name, Action<int, int> run)
    {
        private int _operations;

        internal string Name => name;

        internal List<double> Alone { get; } = [];

        internal List<double> Together { get; } = [];

        /// <summary>Warms up, and finds out how many operations make a turn.</summary>
        internal void Calibrate()
        {
            var end = Stopwatch.GetTimestamp() + Stopwatch.Frequency;
            while (Stopwatch.GetTimestamp() < end)
            {
                Time(threads: 2, 20_000);
            }

            _operations = (int)(Milliseconds * 1e6 / Enumerable.Range(0, 20).Min(_ => Time(threads: 1, 20_000)));
        }

        internal void Measure()
        {
            Alone.Add(Time(threads: 1, _operations));
            Together.Add(Time(threads: 2, _operations));
        }

        /// <returns>Nanoseconds of an operation: the mean of the threads' own times.</returns>
        private double Time(int threads, int operations)
        {
            var times = new double[threads];
            using var together = new Barrier(threads);
            var workers = Enumerable.Range(0, threads).Select(number => new Thread(() =>
            {
                together.SignalAndWait();
                var start = Stopwatch.GetTimestamp();
                run(number, operations);
                times[number] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            })).ToList();
            workers.ForEach(static worker => worker.Start());
            workers.ForEach(static worker => worker.Join());
            return times.Average() / operations;
        }
    }
}
