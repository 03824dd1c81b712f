using System.Globalization;

namespace CacheKit.Samples;

/// <summary>A row per pass: its time, and what the cache did in it.</summary>
internal sealed class PassTable(TextWriter output)
{
    private readonly List<string[]> _rows = [["pass", "", "time", "hits", "misses", "factory runs", "hit ratio"]];
    private PassTotals? _totals;

    public void Add(int pass, string title, TimeSpan elapsed, CacheStatistics before, CacheStatistics after, PassTotals totals)
    {
        var (hits, misses) = (after.Hits - before.Hits, after.Misses - before.Misses + after.Joins - before.Joins);
        _totals = totals;
        _rows.Add(
        [
            Format($"{pass}"), title, Format($"{elapsed.TotalMilliseconds:N1} ms"), Format($"{hits:N0}"), Format($"{misses:N0}"),
            Format($"{after.FactoryRuns - before.FactoryRuns:N0}"), Format($"{(hits + misses == 0 ? 0 : hits / (double)(hits + misses)):P1}"),
        ]);
    }

    public void Print()
    {
        var widths = Enumerable.Range(0, _rows[0].Length).Select(column => _rows.Max(row => row[column].Length)).ToArray();
        output.WriteLine();
        foreach (var row in _rows)
        {
            // Words to the left, numbers to the right.
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column == 1 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))));
        }

        if (_totals is { } totals)
        {
            output.WriteLine();
            output.WriteLine(Format($"{totals.Bytes:N0} bytes, {totals.Lines:N0} lines, {totals.Words:N0} words"));
            if (totals.Unreadable > 0)
            {
                output.WriteLine(Format($"{totals.Unreadable:N0} files could not be read."));
            }
        }
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
