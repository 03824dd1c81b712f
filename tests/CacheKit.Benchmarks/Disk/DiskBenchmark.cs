using System.Globalization;

namespace CacheKit.Benchmarks.Disk;

/// <summary>What reads and writes of one process cost, beside a bare file and SQLite.</summary>
internal static class DiskBenchmark
{
    internal static int Run(string[] arguments)
    {
        var rounds = arguments is [var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 31;
        foreach (var (size, count) in new[] { (100, 100_000), (1024, 50_000), (16 << 10, 3000), (256 << 10, 200) })
        {
            var folder = Directory.CreateTempSubdirectory("cachekit-disk-");
            try
            {
                Compare(folder.FullName, size, count, rounds);
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }

        return 0;
    }

    private static void Compare(string folder, int size, int count, int rounds)
    {
        var keys = Enumerable.Range(0, count).Select(i => string.Create(CultureInfo.InvariantCulture, $"entry:{i}")).ToArray();
        var order = Enumerable.Range(0, 1 << 16).Select(_ => (int)(Math.Pow(Random.Shared.NextDouble(), 3) * count)).ToArray();
        var value = new byte[size];
        Random.Shared.NextBytes(value);

        using var disk = new DiskSubject(Path.Combine(folder, "ring"), 512L << 20, Math.Max(256, size));
        using var sqlite = new SqliteCache(Path.Combine(folder, "cache.db"));
        using var raw = File.OpenHandle(Path.Combine(folder, "raw"), FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.None, preallocationSize: (long)count * size);
        sqlite.InOneTransaction(() =>
        {
            for (var i = 0; i < count; i++)
            {
                disk.Set(keys[i], value);
                sqlite.Set(keys[i], value);
                RandomAccess.Write(raw, value, (long)i * size);
            }
        });

        var name = string.Create(CultureInfo.InvariantCulture, $"{(size < 1024 ? size : size >> 10)} {(size < 1024 ? "B" : "KB")}");
        new TimedRounds($"Get of {name}, {count:N0} entries")
            .Add("file: pread into a new array", i => RandomAccess.Read(raw, new byte[size], (long)order[i & 0xFFFF] * size))
            .Add("CacheKit", i => disk.Get(keys[order[i & 0xFFFF]]))
            .Add("SQLite", i => sqlite.Get(keys[order[i & 0xFFFF]]))
            .Run(rounds, milliseconds: 20);
        if (size == 1024)
        {
            new TimedRounds("Miss").Add("CacheKit", i => disk.Get("absent")).Add("SQLite", i => sqlite.Get("absent")).Run(rounds, milliseconds: 10);
        }

        new TimedRounds($"Set of {name}")
            .Add("file: pwrite in order", i => RandomAccess.Write(raw, value, (long)(i % count) * size))
            .Add("CacheKit", i => disk.Set(keys[order[i & 0xFFFF]], value))
            .Add("SQLite", i => sqlite.Set(keys[order[i & 0xFFFF]], value))
            .Run(rounds, milliseconds: 40);
    }
}
