using System.Diagnostics;
using System.Globalization;

namespace CacheKit.Benchmarks.Disk;

/// <summary>Compares subjects whose operations take from nanoseconds to milliseconds: each has its turn for the same time in every round.</summary>
/// <remarks>Ratios are taken within a round, to the first subject; their median is what counts on a machine that is not quiet.</remarks>
internal sealed class TimedRounds(string title)
{
    private readonly List<(string Name, Action<int> Run, List<double> Microseconds)> _subjects = [];

    /// <summary>Adds what does one operation, given its number.</summary>
    internal TimedRounds Add(string name, Action<int> run)
    {
        _subjects.Add((name, run, []));
        return this;
    }

    internal void Run(int rounds, int milliseconds)
    {
        var operation = 0;
        for (var round = -3; round < rounds; round++)
        {
            for (var turn = 0; turn < _subjects.Count; turn++)
            {
                var (_, run, microseconds) = _subjects[(turn + round + 3) % _subjects.Count];
                var start = Stopwatch.GetTimestamp();
                var done = 0;
                do
                {
                    for (var i = 0; i < 8; i++)
                    {
                        run(operation++);
                    }

                    done += 8;
                }
                while (Stopwatch.GetElapsedTime(start).TotalMilliseconds < milliseconds);

                if (round >= 0)
                {
                    microseconds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds / done);
                }
            }
        }

        Print();
    }

    private void Print()
    {
        var first = _subjects[0].Microseconds;
        Console.WriteLine();
        Console.WriteLine($"**{title}** ({first.Count} rounds)");
        Console.WriteLine();
        Console.WriteLine("| subject | min us | median us | ratio min | ratio median |");
        Console.WriteLine("|---|---:|---:|---:|---:|");
        foreach (var (name, _, own) in _subjects)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {own.Min():F2} | {Median(own):F2} | {own.Min() / first.Min():F2} | {Median(own.Zip(first, (mine, other) => mine / other)):F2} |"));
        }
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
