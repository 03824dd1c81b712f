using System.Diagnostics;
using System.Globalization;

namespace CacheKit.Benchmarks.Disk;

/// <summary>What several processes on one directory get done together, and how long the unluckiest call took.</summary>
internal static class DiskProcessesBenchmark
{
    private const int Keys = 20_000;
    private const double Seconds = 2;

    internal static int Run(string[] arguments)
    {
        if (arguments is ["worker", var ofKind, var path, var percent])
        {
            return Work(ofKind, path, int.Parse(percent, CultureInfo.InvariantCulture));
        }

        Console.WriteLine("| processes | writes | CacheKit kops/s | SQLite kops/s | ratio | CacheKit worst ms | SQLite worst ms |");
        Console.WriteLine("|---:|---:|---:|---:|---:|---:|---:|");
        foreach (var (processes, share) in new[] { (1, 10), (2, 10), (4, 10), (1, 50), (2, 50), (4, 50) })
        {
            var ring = Measure("ring", processes, share);
            var sqlite = Measure("sqlite", processes, share);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {processes} | {share} % | {ring.Rate / 1000:F0} | {sqlite.Rate / 1000:F0} | {ring.Rate / sqlite.Rate:F1} | {ring.Worst:F0} | {sqlite.Worst:F0} |"));
        }

        return 0;
    }

    private static (double Rate, double Worst) Measure(string kind, int processes, int share)
    {
        var folder = Directory.CreateTempSubdirectory("cachekit-disk-");
        try
        {
            using (Open(kind, folder.FullName, out var set, out _))
            {
                for (var i = 0; i < Keys; i++)
                {
                    set(i);
                }
            }

            var workers = Enumerable.Range(0, processes).Select(_ => Process.Start(new ProcessStartInfo(
                Environment.ProcessPath!, // of a program that runs
                [.. Self(), "disk-processes", "worker", kind, folder.FullName, share.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true })!).ToList();
            var results = workers.Select(worker => worker.StandardOutput.ReadToEnd().Trim().Split(' ')).ToList();
            return (results.Sum(result => Parse(result[0])), results.Max(result => Parse(result[1])));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static int Work(string kind, string path, int share)
    {
        using var cache = Open(kind, path, out var set, out var get);
        var random = new Random(Environment.ProcessId);
        var (worst, done) = (0.0, 0L);

        // The first half second is for the compiler, and for the others to start.
        var begin = Stopwatch.GetTimestamp();
        var measured = 0L;
        while (true)
        {
            var elapsed = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            if (elapsed > Seconds + 0.5)
            {
                break;
            }

            var start = Stopwatch.GetTimestamp();
            var key = (int)(Math.Pow(random.NextDouble(), 3) * Keys);
            if (random.Next(100) < share)
            {
                set(key);
            }
            else
            {
                get(key);
            }

            if (elapsed > 0.5)
            {
                measured = measured == 0 ? start : measured;
                done++;
                worst = Math.Max(worst, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{done / Stopwatch.GetElapsedTime(measured).TotalSeconds:F0} {worst:F2}"));
        return 0;
    }

    private static IDisposable Open(string kind, string path, out Action<int> set, out Action<int> get)
    {
        var value = new byte[1024];
        if (kind == "ring")
        {
            var disk = new DiskSubject(path, 256L << 20);
            set = key => disk.Set(Name(key), value);
            get = key => disk.Get(Name(key));
            return disk;
        }

        var sqlite = new SqliteCache(Path.Combine(path, "cache.db"));
        set = key => sqlite.Set(Name(key), value);
        get = key => sqlite.Get(Name(key));
        return sqlite;
    }

    private static string Name(int key) => string.Create(CultureInfo.InvariantCulture, $"entry:{key}");

    private static string[] Self() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(DiskProcessesBenchmark).Assembly.Location] : [];

    private static double Parse(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
