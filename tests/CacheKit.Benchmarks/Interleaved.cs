using System.Diagnostics;
using System.Globalization;

namespace CacheKit.Benchmarks;

/// <summary>Compares subjects on a machine that is not quiet: they take turns in many short rounds, and ratios are taken within a round.</summary>
/// <remarks>
/// <para>The smallest time of all rounds is what the code costs when nothing disturbs it; the median of the ratios is what
/// remains when everything does. The first subject is the one all others are compared with; adding it twice shows the noise.</para>
/// <para>A subject gets a number of operations to do, and on several threads also which of them it is. Each subject
/// should loop in a lambda of its own: then the compiler has a profile for each.</para>
/// </remarks>
internal sealed class Interleaved(string title, int threads = 1)
{
    private readonly List<Subject> _subjects = [];
    private Action<int>? _prepare;

    /// <summary>Has something done before each turn that is not measured: it gets the number of operations, of all threads together.</summary>
    internal Interleaved Before(Action<int> prepare)
    {
        _prepare = prepare;
        return this;
    }

    /// <summary>Adds what does a number of operations.</summary>
    internal Interleaved Add(string name, Action<int> run) => Add(name, (_, operations) => run(operations));

    /// <summary>Adds what does, on the thread of a number, a number of operations.</summary>
    internal Interleaved Add(string name, Action<int, int> run)
    {
        _subjects.Add(new(name, run));
        return this;
    }

    /// <summary>Measures, and prints a Markdown table.</summary>
    /// <param name="rounds">How often each subject has its turn.</param>
    /// <param name="milliseconds">About how long a turn is. Short ones have a better chance of not being disturbed.</param>
    internal void Run(int rounds = 61, int milliseconds = 4)
    {
        WarmUp();
        foreach (var subject in _subjects)
        {
            Calibrate(subject, milliseconds);
        }

        for (var round = 0; round < rounds; round++)
        {
            for (var turn = 0; turn < _subjects.Count; turn++)
            {
                // Another one begins each time, so that none always follows the same.
                var subject = _subjects[(turn + round) % _subjects.Count];
                var (nanoseconds, bytes) = Measure(subject, subject.Operations);
                subject.Nanoseconds.Add(nanoseconds);
                subject.Bytes.Add(bytes);
            }
        }

        Print();
    }

    /// <summary>Until no subject gets faster any more: the compiler works in the background, in two steps, and may be kept waiting.</summary>
    private void WarmUp()
    {
        var best = new double[_subjects.Count];
        Array.Fill(best, double.MaxValue);
        for (var (pass, lastGain) = (0, 0); pass < 60 && pass - lastGain < 8; pass++)
        {
            for (var i = 0; i < best.Length; i++)
            {
                var fastest = Enumerable.Range(0, 40).Min(_ => Measure(_subjects[i], 500).Nanoseconds);
                if (fastest < 0.9 * best[i])
                {
                    lastGain = pass;
                }

                best[i] = Math.Min(best[i], fastest);
            }

            Thread.Sleep(50);
        }
    }

    private void Calibrate(Subject subject, int milliseconds)
    {
        var operations = 1000;
        while (true)
        {
            var expected = Measure(subject, operations).Nanoseconds * operations / 1e6;
            if (expected >= milliseconds / 2.0 || operations > 100_000_000)
            {
                subject.Operations = (int)Math.Clamp(operations * milliseconds / Math.Max(expected, 1e-3), 1000, 200_000_000);
                return;
            }

            operations *= 2;
        }
    }

    private (double Nanoseconds, double Bytes) Measure(Subject subject, int operations)
    {
        _prepare?.Invoke(operations * threads);
        if (threads == 1)
        {
            var bytes = GC.GetAllocatedBytesForCurrentThread();
            var start = Stopwatch.GetTimestamp();
            subject.Run(0, operations);
            var elapsed = Stopwatch.GetElapsedTime(start);
            return (elapsed.TotalNanoseconds / operations, (GC.GetAllocatedBytesForCurrentThread() - bytes) / (double)operations);
        }

        // The mean of the threads' own times: the slowest would be the one that the machine had no processor for.
        var times = new double[threads];
        var allocated = new long[threads];
        using var together = new Barrier(threads);
        var workers = Enumerable.Range(0, threads).Select(number => new Thread(() =>
        {
            together.SignalAndWait();
            var bytes = GC.GetAllocatedBytesForCurrentThread();
            var start = Stopwatch.GetTimestamp();
            subject.Run(number, operations);
            times[number] = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            allocated[number] = GC.GetAllocatedBytesForCurrentThread() - bytes;
        })).ToList();
        workers.ForEach(worker => worker.Start());
        workers.ForEach(worker => worker.Join());
        return (times.Average() / operations, allocated.Average() / operations);
    }

    private void Print()
    {
        var first = _subjects[0].Nanoseconds;
        Console.WriteLine();
        Console.WriteLine($"**{title}**{(threads == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $", {threads} threads"))} ({first.Count} rounds)");
        Console.WriteLine();
        Console.WriteLine("| subject | min ns | median ns | ratio min | ratio median | B/op |");
        Console.WriteLine("|---|---:|---:|---:|---:|---:|");
        foreach (var subject in _subjects)
        {
            var ratios = subject.Nanoseconds.Zip(first, (own, other) => own / other);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {subject.Name} | {subject.Nanoseconds.Min():F1} | {Median(subject.Nanoseconds):F1} | {subject.Nanoseconds.Min() / first.Min():F2} | {Median(ratios):F2} | {Median(subject.Bytes):F0} |"));
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private sealed class Subject(string name, Action<int, int> run)
    {
        internal readonly string Name = name;
        internal readonly Action<int, int> Run = run;
        internal readonly List<double> Nanoseconds = [];
        internal readonly List<double> Bytes = [];
        internal int Operations;
    }
}
