namespace CacheKit.Benchmarks.Charts;

/// <summary>Draws the pictures of the result pages from the tables on them.</summary>
internal static class ChartDrawing
{
    private const string Subject = "#0969da";

    private static readonly (string Column, string Colour)[] _policies =
        [("CacheKit", Subject), ("S3-FIFO", "#1a7f37"), ("W-TinyLFU hc", "#bf3989"), ("ARC", "#9a6700"), ("LRU", "#cf222e"), ("OPT", "#8c959f")];

    /// <param name="arguments">The folder of the pages; <c>docs/benchmarks</c> if there is none.</param>
    internal static int Run(string[] arguments)
    {
        var pages = arguments is [var folder, ..] ? folder : Path.Combine("docs", "benchmarks");
        var charts = Directory.CreateDirectory(Path.Combine(pages, "charts")).FullName;

        var traces = ResultTable.ReadAll(Path.Combine(pages, "hit-ratio.md")).Where(static table => table.Columns[0] == "entries").ToList();
        LineChart.Draw(traces, "entries", _policies, "hits, %").Save(
            Path.Combine(charts, "hit-ratio.svg"), "Hit ratio over the size of the cache, on traces not used for tuning, beside published policies");

        var hit = ResultTable.ReadAll(Path.Combine(pages, "hit.md")).First(static table => table.Columns.Contains("median ns"));
        BarChart.Draw(hit, [("min ns", Subject), ("median ns", "#54aeff")], static name => name.StartsWith("Get", StringComparison.Ordinal)).Save(
            Path.Combine(charts, "hit.svg"), "Nanoseconds of a hit, beside ConcurrentDictionary and MemoryCache");

        (string Column, string Colour)[] callers = [("ratio, 1 caller", "#54aeff"), ("8 callers", "#218bff"), ("64 callers", "#0550ae")];
        foreach (var table in ResultTable.ReadAll(Path.Combine(pages, "redis.md")).Where(static table => table.Columns.Any(static column => column.StartsWith("ratio,", StringComparison.Ordinal))
            && !char.IsAsciiDigit(table.Columns[0][0]))) // those of older clients
        {
            var question = table.Columns[0].Split(' ', ':')[0];
            BarChart.Draw(
                table with { Title = $"Redis: {table.Columns[0]}, throughput beside the bare client's" },
                [.. callers.Where(one => table.Columns.Contains(one.Column))],
                static name => name.StartsWith("store", StringComparison.Ordinal) || name.StartsWith("cache", StringComparison.Ordinal)).Save(
                Path.Combine(charts, $"redis-{question}.svg"), $"Throughput over callers: {table.Columns[0]}");
        }

        foreach (var file in Directory.EnumerateFiles(charts, "*.svg").Order())
        {
            Console.WriteLine(Path.GetRelativePath(".", file));
        }

        return 0;
    }
}
