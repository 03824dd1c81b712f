using System.Globalization;
using System.Text;
using CacheKit.Memory;

namespace CacheKit.Benchmarks.HitRatio;

/// <summary>Replays traces against the product's memory tier and against published policies, and compares hit ratios.</summary>
/// <remarks>
/// Regret: how many points of hit ratio a policy stays behind the best published one at one (trace, size). Sizes are
/// shares of the distinct keys of the trace. Usage: <c>hit-ratio [folder of *.trace.gz] [--set tuning|held-out|later|fresh|all]
/// [--only name,name] [--traces part,part] [--tsv file]</c>
/// </remarks>
internal static class HitRatioBenchmark
{
    private const string Ours = "CacheKit";
    private static readonly double[] _shares = [0.001, 0.01, 0.05, 0.10, 0.25];

    // Made of whole families, so that what is held out differs in kind from what was looked at.
    private static readonly string[] _heldOutFiles = ["oltp", "web12", "lirs-multi3", "scarab-recs"];

    private static readonly (string Name, Func<int, Trace, string[], ICacheSimulator> Create)[] _subjects =
    [
        (Ours, (capacity, _, keys) => new TierSubject(new AdaptiveClockPolicy(capacity), capacity, keys)),
        (Ours + ", one tuning", (capacity, _, keys) =>
            new TierSubject(new AdaptiveClockPolicy(capacity, tunings: [new(0.1, Admission.ByFrequency)]), capacity, keys)),
        ("LRU", (capacity, trace, _) => new LruSimulator(capacity, trace.UniqueKeys)),
        ("SIEVE", (capacity, trace, _) => new SieveSimulator(capacity, trace.UniqueKeys)),
        ("ARC", (capacity, trace, _) => new ArcSimulator(capacity, trace.UniqueKeys)),
        ("LIRS", (capacity, trace, _) => new LirsSimulator(capacity, trace.UniqueKeys)),
        ("Segmented LRU", (capacity, trace, _) => new SegmentedLruSimulator(capacity, trace.UniqueKeys)),
        ("S3-FIFO", (capacity, trace, _) => new S3FifoSimulator(capacity, trace.UniqueKeys)),
        ("W-TinyLFU 1%", (capacity, trace, _) => new WTinyLfuSimulator(capacity, trace.UniqueKeys, climbs: false)),
        ("W-TinyLFU hc", (capacity, trace, _) => new WTinyLfuSimulator(capacity, trace.UniqueKeys, climbs: true)),
        ("OPT", (capacity, trace, _) => new OptimalSimulator(capacity, trace)),
    ];

    public static int Run(string[] args)
    {
        var folder = args.Length > 0 && !args[0].StartsWith('-') ? args[0] : null;
        var set = Option(args, "--set") ?? "all";
        var only = Option(args, "--only")?.Split(',');
        var traceNames = Option(args, "--traces")?.Split(',');
        var subjects = _subjects.Where(subject => only is null || only.Contains(subject.Name)).ToArray();
        using var tsv = Option(args, "--tsv") is { } path ? new StreamWriter(path) : null;

        var cells = new List<(string Trace, int Capacity, double[] Ratios)>();
        foreach (var trace in Traces(folder, set, traceNames))
        {
            Console.WriteLine($"{Environment.NewLine}### {trace.Name}: {trace.Requests.Length:N0} requests, {trace.UniqueKeys:N0} keys{Environment.NewLine}");
            Console.WriteLine($"| entries | {string.Join(" | ", subjects.Select(subject => subject.Name))} |");
            Console.WriteLine($"|---:|{string.Concat(subjects.Select(_ => "---:|"))}");
            var keys = TierSubject.Keys(trace.UniqueKeys);
            foreach (var capacity in _shares.Select(share => (int)(trace.UniqueKeys * share)).Where(capacity => capacity > 0))
            {
                var ratios = new double[subjects.Length];
                Parallel.For(0, subjects.Length, new ParallelOptions { MaxDegreeOfParallelism = 2 }, index => ratios[index] = HitRatio(subjects[index].Create(capacity, trace, keys), trace));
                cells.Add((trace.Name, capacity, ratios));
                Console.WriteLine($"| {capacity:N0} | {string.Join(" | ", ratios.Select(ratio => Points(ratio)))} |");
                for (var index = 0; index < ratios.Length; index++)
                {
                    tsv?.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{trace.Name}\t{capacity}\t{subjects[index].Name}\t{ratios[index]:F3}"));
                }
            }
        }

        PrintRegrets(subjects.Select(subject => subject.Name).ToArray(), cells);
        return 0;
    }

    private static void PrintRegrets(string[] names, List<(string Trace, int Capacity, double[] Ratios)> cells)
    {
        var published = Enumerable.Range(0, names.Length).Where(index => names[index] != "OPT" && !names[index].StartsWith(Ours, StringComparison.Ordinal)).ToArray();
        if (published.Length == 0)
        {
            return;
        }

        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Environment.NewLine}### Regret against the best published policy, {cells.Count} cells{Environment.NewLine}");
        text.AppendLine("| policy | mean | worst | at |").AppendLine("|---|---:|---:|---|");
        foreach (var index in Enumerable.Range(0, names.Length).Where(index => names[index] != "OPT"))
        {
            // Being ahead of the best is no regret; it must not make up for falling behind elsewhere.
            var regrets = cells.Select(cell => (Regret: Math.Max(0, published.Max(each => cell.Ratios[each]) - cell.Ratios[index]), cell)).ToArray();
            var worst = regrets.MaxBy(regret => regret.Regret);
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {names[index]} | {regrets.Average(regret => regret.Regret):F2} | {worst.Regret:F1} | {worst.cell.Trace}, {worst.cell.Capacity:N0} entries |");
        }

        Console.Write(text);
    }

    private static IEnumerable<Trace> Traces(string? folder, string set, string[]? names)
    {
        var files = folder is null ? [] : Directory.GetFiles(folder, "*.trace.gz").Order(StringComparer.Ordinal).ToArray();
        foreach (var file in files)
        {
            var name = Path.GetFileName(file).Replace(".trace.gz", "", StringComparison.Ordinal);
            if ((set == "all" || (set is "tuning" or "held-out" && _heldOutFiles.Contains(name) == (set == "held-out"))) && (names is null || names.Contains(name)))
            {
                yield return Trace.Read(file);
            }
        }

        (string Set, IEnumerable<Trace> Traces)[] generated =
            [("tuning", GeneratedTraces.Tuning()), ("held-out", GeneratedTraces.HeldOut()), ("later", GeneratedTraces.Later()), ("fresh", FreshTraces.All())];
        foreach (var trace in generated.Where(each => set == "all" || set == each.Set).SelectMany(each => each.Traces).Where(trace => names is null || names.Contains(trace.Name)))
        {
            yield return trace;
        }
    }

    private static double HitRatio(ICacheSimulator subject, Trace trace)
    {
        var hits = 0L;
        foreach (var id in trace.Requests)
        {
            hits += subject.Access(id) ? 1 : 0;
        }

        (subject as IDisposable)?.Dispose();
        return 100.0 * hits / trace.Requests.Length;
    }

    private static string Points(double ratio) => ratio.ToString("F2", CultureInfo.InvariantCulture);

    private static string? Option(string[] args, string name) =>
        Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;
}
