using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Caching.Memory;

namespace CacheKit.Benchmarks.Memory;

/// <summary>A thousand callers ask for one missing key at once; the factory takes 20 milliseconds. How often does it run, and when has the last got its value?</summary>
internal static class StampedeBenchmark
{
    private const int Callers = 1000;

    /// <summary>No arguments.</summary>
    internal static int Run(string[] args)
    {
        using var cache = Subjects.CreateCache(1000);
        using var memoryCache = new MemoryCache(new MemoryCacheOptions());
        (string Name, Func<string, Func<Task<int>>, Task<int>> Get)[] subjects =
        [
            ("MemoryCache.GetOrCreateAsync", (key, factory) => memoryCache.GetOrCreateAsync(key, _ => factory())!),
            ("CacheKit.GetOrCreateAsync", (key, factory) => cache.GetOrCreateAsync(key, _ => factory()).AsTask()),
        ];

        Measure(subjects, 42);
        return 0;
    }

    /// <summary>Puts the question to subjects in turns.</summary>
    internal static void Measure<T>((string Name, Func<string, Func<Task<T>>, Task<T>> Get)[] subjects, T value)
    {
        Console.WriteLine();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"**{Callers:N0} callers of one missing key, factory of 20 ms (21 rounds)**"));
        Console.WriteLine();
        Console.WriteLine("| subject | factory runs, median | last caller served after, median ms |");
        Console.WriteLine("|---|---:|---:|");
        var runs = subjects.Select(_ => new List<int>()).ToArray();
        var times = subjects.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < 23; round++)
        {
            for (var i = 0; i < subjects.Length; i++)
            {
                var (count, elapsed) = Once(subjects[i].Get, string.Create(CultureInfo.InvariantCulture, $"key:{round}"), value);
                if (round >= 2) // the first ones compile
                {
                    runs[i].Add(count);
                    times[i].Add(elapsed);
                }
            }
        }

        for (var i = 0; i < subjects.Length; i++)
        {
            runs[i].Sort();
            times[i].Sort();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {subjects[i].Name} | {runs[i][runs[i].Count / 2]} | {times[i][times[i].Count / 2]:F1} |"));
        }
    }

    private static (int Runs, double Milliseconds) Once<T>(Func<string, Func<Task<T>>, Task<T>> get, string key, T value)
    {
        var runs = 0;
        var start = Stopwatch.GetTimestamp();
        var callers = Enumerable.Range(0, Callers).Select(_ => Task.Run(() => get(key, async () =>
        {
            Interlocked.Increment(ref runs);
            await Task.Delay(20);
            return value;
        }))).ToArray();
        Task.WaitAll(callers);
        return (runs, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }
}
