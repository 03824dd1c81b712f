using System.Diagnostics;
using System.Globalization;
using CacheKit.Disk;
using CacheKit.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.CrashCheck;

/// <summary>Processes that open one empty directory at once: whoever creates the cache, and whoever dies while doing so, all others end up in one cache.</summary>
internal static class OpenRace
{
    private const string Begin = "begin";
    private const string Written = "written";
    private const string End = "end";

    /// <summary>Runs rounds of it until the time is over.</summary>
    internal static int Run(CheckOptions options, Func<string[], Process> start)
    {
        var clock = Stopwatch.StartNew();
        var (rounds, deaths, violations) = (0, 0, 0);
        for (; rounds == 0 || clock.Elapsed.TotalSeconds < options.Seconds; rounds++)
        {
            var folder = Directory.CreateTempSubdirectory("cachekit-race-").FullName;
            var racers = Enumerable.Range(0, options.Race ?? 0).Select(number => start(
                ["--racer", number.ToString(CultureInfo.InvariantCulture), "--directory", folder])).ToList();
            foreach (var step in new[] { Begin, Written, End })
            {
                if (step != Begin)
                {
                    var all = racers.Count;
                    WaitFor(() => Directory.GetFiles(folder, $"{(step == Written ? "opened" : "read")}*").Length + racers.Count(static racer => racer.HasExited) >= all);
                }

                File.WriteAllText(Path.Combine(folder, step), "");
            }

            racers.ForEach(static racer => racer.WaitForExit());
            deaths += racers.Count(static racer => racer.ExitCode > 1);
            violations += racers.Count(static racer => racer.ExitCode == 1);
            racers.ForEach(static racer => racer.Dispose());
            Directory.Delete(folder, recursive: true);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"rounds {rounds}, processes {options.Race}, deaths {deaths}\nviolations {violations}"));
        return violations == 0 ? 0 : 1;
    }

    /// <summary>Opens the cache when all are there, writes a key, and reads those of all others that have written theirs.</summary>
    internal static int Take(int number, string folder)
    {
        var isDying = number % 4 == 3;
        WaitFor(() => File.Exists(Path.Combine(folder, Begin)));
        var store = new DiskStore(new()
        {
            Path = Path.Combine(folder, "cache"),
            CacheName = "default",
            Geometry = Worker.GeometryOf(CheckMode.Default),
            TimeProvider = TimeProvider.System,
            Logger = NullLogger.Instance,
            Hook = step =>
            {
                if (isDying && step is DiskStep.OpenLocked or DiskStep.IndexWritten or DiskStep.IndexNamed && Random.Shared.Next(2) == 0)
                {
                    Process.GetCurrentProcess().Kill();
                    Thread.Sleep(Timeout.Infinite);
                }
            },
        });
        var entry = new StoreEntry { Payload = new[] { (byte)number }, ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = [] };
        Wait(store.WriteAsync(Worker.Name(number), entry, StoreCondition.Always, default));
        File.WriteAllText(Path.Combine(folder, $"opened{number}"), "");
        WaitFor(() => File.Exists(Path.Combine(folder, Written)));
        var isWhole = store.IsShared;
        foreach (var other in Directory.GetFiles(folder, "opened*"))
        {
            var expected = int.Parse(Path.GetFileName(other).AsSpan("opened".Length), CultureInfo.InvariantCulture);
            using var lookup = Wait(store.ReadAsync(Worker.Name(expected), default, default));
            isWhole &= lookup.IsFound && lookup.Payload.Span.SequenceEqual([(byte)expected]);
        }

        File.WriteAllText(Path.Combine(folder, $"read{number}"), "");
        WaitFor(() => File.Exists(Path.Combine(folder, End)));
        store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return isWhole ? 0 : 1;
    }

    private static void WaitFor(Func<bool> condition)
    {
        while (!condition())
        {
            Thread.Sleep(1);
        }
    }

    private static T Wait<T>(ValueTask<T> task) => task.AsTask().GetAwaiter().GetResult();
}
