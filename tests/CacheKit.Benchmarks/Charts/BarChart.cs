using System.Globalization;

namespace CacheKit.Benchmarks.Charts;

/// <summary>One bar per row of a table and column, with its number.</summary>
internal static class BarChart
{
    private const double Labels = 290;
    private const double Bars = 420;
    private const double BarHeight = 14;

    /// <param name="table">The table; its first column has the names.</param>
    /// <param name="columns">The columns drawn, each with its colour.</param>
    /// <param name="isSubject">Which rows are of what is measured here, not of a rival; those are drawn strong.</param>
    internal static Drawing Draw(ResultTable table, IReadOnlyList<(string Column, string Colour)> columns, Func<string, bool> isSubject)
    {
        var rowHeight = (columns.Count * BarHeight) + 8;
        var drawing = new Drawing(Labels + Bars + 70, 56 + (table.Rows.Count * rowHeight));
        var most = columns.Max(one => Enumerable.Range(0, table.Rows.Count).Max(row => table.Number(row, one.Column) ?? 0));
        drawing.Text(8, 18, table.Title, style: "title");
        for (var i = 0; i < columns.Count; i++)
        {
            drawing.Bar(Labels + (i * 170), 30, 10, 10, columns[i].Colour);
            drawing.Text(Labels + (i * 170) + 15, 39, columns[i].Column);
        }

        for (var row = 0; row < table.Rows.Count; row++)
        {
            var top = 50 + (row * rowHeight);
            var name = table.Rows[row][0].Trim('*').Replace("`", "", StringComparison.Ordinal);
            drawing.Text(Labels - 8, top + ((rowHeight - 8) / 2) + 4, name, "end", isSubject(name) ? "title" : "text");
            for (var i = 0; i < columns.Count; i++)
            {
                if (table.Number(row, columns[i].Column) is { } number)
                {
                    drawing.Bar(Labels, top + (i * BarHeight) + 1, number / most * Bars, BarHeight - 2, columns[i].Colour);
                    drawing.Text(Labels + (number / most * Bars) + 5, top + (i * BarHeight) + 11, number.ToString("0.##", CultureInfo.InvariantCulture));
                }
            }
        }

        return drawing;
    }
}
