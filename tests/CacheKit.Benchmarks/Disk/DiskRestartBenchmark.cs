using System.Diagnostics;
using System.Globalization;
using System.Runtime;

namespace CacheKit.Benchmarks.Disk;

/// <summary>How long it takes until the first entry of a million is read: in a new process, and once more in the same.</summary>
internal static class DiskRestartBenchmark
{
    private const int Entries = 1_000_000;

    private static TimeSpan _compiledBefore;

    internal static int Run(string[] arguments)
    {
        if (arguments is ["child", var ofKind, var path])
        {
            var first = OpenAndGet(ofKind, path);
            var compiling = JitInfo.GetCompilationTime().TotalMilliseconds - _compiledBefore.TotalMilliseconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{first:F2} {compiling:F2} {OpenAndGet(ofKind, path):F2}"));
            return 0;
        }

        var folder = Directory.CreateTempSubdirectory("cachekit-disk-");
        try
        {
            Fill(folder.FullName);
            Console.WriteLine("| | open and first get in a new process, ms (median of 15) | of it compiling, ms | again in the same process, ms |");
            Console.WriteLine("|---|---:|---:|---:|");
            foreach (var (kind, name) in new[] { ("ring", "CacheKit"), ("sqlite", "SQLite") })
            {
                var runs = Enumerable.Range(0, 15).Select(_ => RunChild(kind, folder.FullName)).ToList();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {Median(runs.Select(run => run.New)):F1} | {Median(runs.Select(run => run.Compiling)):F1} | {Median(runs.Select(run => run.Again)):F2} |"));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        return 0;
    }

    private static void Fill(string path)
    {
        var value = new byte[200];
        var start = Stopwatch.GetTimestamp();
        using (var disk = OpenRing(path))
        {
            for (var i = 0; i < Entries; i++)
            {
                disk.Set(Name(i), value);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"CacheKit filled in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s"));
            var hits = Enumerable.Range(0, 10_000).Count(i => disk.Get(Name(i * 100)) == 200);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{hits:N0} of 10,000 found"));
        }

        start = Stopwatch.GetTimestamp();
        using var sqlite = new SqliteCache(Path.Combine(path, "cache.db"));
        sqlite.InOneTransaction(() =>
        {
            for (var i = 0; i < Entries; i++)
            {
                sqlite.Set(Name(i), value);
            }
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"SQLite filled in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, in one transaction"));
        Console.WriteLine();
    }

    private static (double New, double Compiling, double Again) RunChild(string kind, string path)
    {
        string[] self = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(DiskRestartBenchmark).Assembly.Location] : [];
        using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. self, "disk-restart", "child", kind, path]) { RedirectStandardOutput = true })!; // of a program that runs
        var result = child.StandardOutput.ReadToEnd().Trim().Split(' ');
        return (Parse(result[0]), Parse(result[1]), Parse(result[2]));

        static double Parse(string number) => double.Parse(number, CultureInfo.InvariantCulture);
    }

    private static double OpenAndGet(string kind, string path)
    {
        // The caller's, as is what making it loads: the tables of cultures, which any host has loaded before.
        var key = Name(500_000);
        _compiledBefore = JitInfo.GetCompilationTime();
        var start = Stopwatch.GetTimestamp();
        using IDisposable cache = kind == "ring" ? OpenRing(path) : new SqliteCache(Path.Combine(path, "cache.db"));
        _ = cache is DiskSubject disk ? disk.Get(key) : ((SqliteCache)cache).Get(key)?.Length;
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static DiskSubject OpenRing(string path) => new(path, 512L << 20, expectedEntryBytes: 320);

    private static string Name(int i) => string.Create(CultureInfo.InvariantCulture, $"entry:{i}");

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
