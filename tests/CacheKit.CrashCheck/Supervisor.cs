using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using CacheKit.Disk;
using CacheKit.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using static CacheKit.CrashCheck.CheckTable;

namespace CacheKit.CrashCheck;

/// <summary>Starts the processes, kills and stops them, starts others in their place, and in the end looks at what is left.</summary>
internal sealed partial class Supervisor(CheckOptions options)
{
    private const int Stop = 19;
    private const int Continue = 18;

    private readonly string _root = options.Directory ?? Path.Combine(Path.GetTempPath(), "cachekit-crash-" + Guid.NewGuid().ToString("N"));
    private readonly Random _random = new();
    private int _killed;
    private int _stopped;

    internal int Run()
    {
        Directory.CreateDirectory(_root);
        var tablePath = Path.Combine(_root, "check.table");
        using var table = new CheckTable(tablePath);
        var clock = Stopwatch.StartNew();
        var workers = Enumerable.Range(0, options.Processes).Select(Start).ToArray();
        var deaths = 0;
        var starts = Enumerable.Repeat(clock.Elapsed, workers.Length).ToArray();
        while (clock.Elapsed.TotalSeconds < options.Seconds && table[Counter.Violations] < 20)
        {
            Thread.Sleep(_random.Next(2, 40));
            for (var i = 0; i < workers.Length; i++)
            {
                if (workers[i].HasExited)
                {
                    deaths++;
                    table.EndSetsOf(i);
                    table.ForgetSteps(i);
                    workers[i].Dispose();
                    workers[i] = Start(i);
                    starts[i] = clock.Elapsed;
                }
            }

            var victim = _random.Next(workers.Length);

            // Mostly not before it has done something: starting takes longer than most of what is to be interrupted.
            if (options.Kills && (table.StepsOf(victim) > _random.Next(3000) || clock.Elapsed - starts[victim] > TimeSpan.FromSeconds(5)))
            {
                _killed++;
                Kill(workers[victim]);
            }
            else if (!OperatingSystem.IsWindows() && _random.Next(8) == 0)
            {
                // One that is gone by now cannot be stopped, and none may stay so.
                _stopped += Signal(workers[victim].Id, Stop) == 0 ? 1 : 0;
                Thread.Sleep(_random.Next(5, 120));
                _ = Signal(workers[victim].Id, Continue);
            }
        }

        table.IsStopping = true;
        foreach (var worker in workers)
        {
            if (!worker.WaitForExit(20_000))
            {
                table.Count(Counter.Violations);
                Console.WriteLine("HANG: a process did not stop within 20 seconds");
                Kill(worker);
            }

            worker.WaitForExit();
            worker.Dispose();
        }

        var summary = Conclude(table, deaths, clock.Elapsed);
        Console.WriteLine(summary);
        var violations = table[Counter.Violations];
        if (violations == 0 && options.Directory is null)
        {
            Directory.Delete(_root, recursive: true);
        }

        return violations == 0 ? 0 : 1;
    }

    /// <summary>Opens the cache and says whether it is shared.</summary>
    internal int Probe()
    {
        try
        {
            var store = OpenToLook();
            Console.WriteLine(store.IsShared ? "shared" : "private");
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
            return 0;
        }
        catch (CacheStoreException exception)
        {
            Console.WriteLine(exception.Message);
            return 1;
        }
    }

    private string Conclude(CheckTable table, int deaths, TimeSpan elapsed)
    {
        for (var worker = 0; worker < options.Processes; worker++)
        {
            table.EndSetsOf(worker);
        }

        var store = OpenToLook();
        try
        {
            store.Verify();
            for (var key = 0; key < Worker.KeysOf(options.Mode); key++)
            {
                using var lookup = store.ReadAsync(Worker.Name(key), default, default).AsTask().GetAwaiter().GetResult();
                if (lookup.IsFound && Worker.IsWrong(
                    table, key, lookup, table.LastChangeOf(key, expiriesToo: false), table.LastChangeOf(key, expiriesToo: true), out var what, out _))
                {
                    table.Count(Counter.Violations);
                    Console.WriteLine($"in the end: {what}");
                }
            }

            var statistics = store.GetStatistics();
            var check = store.Check(default);
            var laps = statistics.BytesWritten / (double)(statistics.MaximumBytes - statistics.IndexBytes);
            return string.Create(CultureInfo.InvariantCulture, $"""
                mode {options.Mode}, broken: {options.Break}, {elapsed.TotalSeconds:F1} s, {options.Processes} processes
                deaths {deaths} ({_killed} from outside, {table[Counter.SelfKills]} in the middle of an operation), stopped {_stopped}, paused {table[Counter.Pauses]}, opened {table[Counter.Opens]}
                reads {table[Counter.Reads]:N0}, hits {table[Counter.Hits]:N0}, hits in memory {table[Counter.MemoryHits]:N0}, sets {table[Counter.Sets]:N0}, loads {table[Counter.Loads]:N0} ({table[Counter.LoadsRefused]:N0} refused), invalidations {table[Counter.Invalidations]:N0}, renewals {table[Counter.Expirations]:N0}
                streamed in {table[Counter.Streams]:N0} ({table[Counter.StreamsRefused]:N0} refused), streamed out {table[Counter.StreamedReads]:N0}
                steps from an entry {table[Counter.Steps]:N0} ({table[Counter.StepsRefused]:N0} refused)
                laps {laps:F0}, carried on {statistics.ReinsertedEntries:N0}, segments dropped {statistics.DroppedSegments:N0}, displaced {statistics.DisplacedEntries:N0}, declined {statistics.DeclinedWrites:N0}
                in the end: live {check.LiveEntries}, dead {check.DeadEntries}, damaged {check.DamagedEntries}
                violations {table[Counter.Violations]}
                """);
        }
        finally
        {
            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private DiskStore OpenToLook() => new(new()
    {
        Path = CacheDirectory,
        CacheName = "default",
        Geometry = Worker.GeometryOf(options.Mode),
        TimeProvider = TimeProvider.System,
        Logger = NullLogger.Instance,
        VerifySums = options.Break != Break.Checksum,
    });

    private string CacheDirectory => Path.Combine(_root, "cache");

    private Process Start(int number) => StartSelf(
    [
        "--worker", number.ToString(CultureInfo.InvariantCulture), "--directory", _root,
        "--mode", options.Mode.ToString(), "--break", options.Break.ToString(), .. options.Kills ? Array.Empty<string>() : ["--quiet-kills"],
    ]);

    /// <summary>Starts another process of this program.</summary>
    internal static Process StartSelf(string[] arguments)
    {
        var self = Environment.ProcessPath!; // of a program that runs
        string[] assembly = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [typeof(Supervisor).Assembly.Location] : [];
        return Process.Start(new ProcessStartInfo(self, [.. assembly, .. arguments]) { UseShellExecute = false })!; // not a shell's: it is always new
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has killed itself.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int process, int signal);
}
