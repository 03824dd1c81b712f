using System.Globalization;

namespace CacheKit.Benchmarks.Disk;

/// <summary>What reads and writes of one process cost, beside a bare file and SQLite.</summary>
internal static class DiskBenchmark
{
    private const long LogBytes = 512L << 20;

    /// <summary>Takes the number of rounds, and the size of the values if only one is wanted.</summary>
    internal static int Run(string[] arguments)
    {
        var rounds = arguments is [var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 31;
        var wanted = arguments is [_, var only, ..] ? int.Parse(only, CultureInfo.InvariantCulture) : 0;
        foreach (var (size, count) in new[] { (100, 100_000), (1024, 50_000), (16 << 10, 3000), (256 << 10, 200) })
        {
            if (wanted != 0 && size != wanted)
            {
                continue;
            }

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

        using var disk = new DiskSubject(Path.Combine(folder, "ring"), LogBytes, Math.Max(256, size));
        using var sqlite = new SqliteCache(Path.Combine(folder, "cache.db"));
        using var bounded = new BoundedSqliteCache(Path.Combine(folder, "bounded.db"), LogBytes);
        using var raw = File.OpenHandle(Path.Combine(folder, "raw"), FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.None, preallocationSize: (long)count * size);
        using var log = File.OpenHandle(Path.Combine(folder, "log"), FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.None, LogBytes);
        sqlite.InOneTransaction(() =>
        {
            for (var i = 0; i < count; i++)
            {
                disk.Set(keys[i], value);
                sqlite.Set(keys[i], value);
                RandomAccess.Write(raw, value, (long)i * size);
            }
        });
        bounded.InOneTransaction(() => Array.ForEach(keys, key => bounded.SetWithin(key, value)));

        var name = string.Create(CultureInfo.InvariantCulture, $"{(size < 1024 ? size : size >> 10)} {(size < 1024 ? "B" : "KB")}");
        new TimedRounds($"Get of {name}, {count:N0} entries")
            .Add("file: pread into a new array", i => RandomAccess.Read(raw, new byte[size], (long)order[i & 0xFFFF] * size))
            .Add("CacheKit", i => disk.Get(keys[order[i & 0xFFFF]]))
            .Add("SQLite, a bare table", i => sqlite.Get(keys[order[i & 0xFFFF]]))
            .Add("SQLite as python-diskcache uses it", i => bounded.Get(keys[order[i & 0xFFFF]]))
            .Run(rounds, milliseconds: 20);
        if (size == 1024)
        {
            new TimedRounds("Miss").Add("CacheKit", i => disk.Get("absent"))
                .Add("SQLite, a bare table", i => sqlite.Get("absent")).Add("SQLite as python-diskcache uses it", i => bounded.Get("absent")).Run(rounds, milliseconds: 10);
        }

        // A cache is full for most of its life: its log, and the bare one, have been all round before.
        var end = 0L;
        for (var written = 0L; written < LogBytes; written += size)
        {
            disk.Set(keys[order[(written / size) & 0xFFFF]], value);
            RandomAccess.Write(log, value, written);
        }

        new TimedRounds($"Set of {name}")
            .Add("file: pwrite over as many bytes as there are entries", i => RandomAccess.Write(raw, value, (long)(i % count) * size))
            .Add("file: pwrite over as many bytes as the log of CacheKit has", _ => RandomAccess.Write(log, value, (end += size) % (LogBytes - size)))
            .Add("CacheKit", i => disk.Set(keys[order[i & 0xFFFF]], value))
            .Add("SQLite, a bare table", i => sqlite.Set(keys[order[i & 0xFFFF]], value))
            .Add("SQLite as python-diskcache uses it", i => bounded.Set(keys[order[i & 0xFFFF]], value))
            .Run(rounds, milliseconds: 40);
    }
}
