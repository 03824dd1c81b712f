using System.Globalization;

namespace CacheKit.Benchmarks.Charts;

/// <summary>Curves over a logarithmic axis, one small chart per table, beside each other.</summary>
internal static class LineChart
{
    private const double PanelWidth = 300;
    private const double PanelHeight = 210;
    private const int PanelsInARow = 3;

    /// <param name="tables">One chart each.</param>
    /// <param name="over">The column of the horizontal axis.</param>
    /// <param name="series">The columns drawn, each with its colour; the first is the subject, the last the bound.</param>
    /// <param name="unit">What the vertical axis counts.</param>
    internal static Drawing Draw(IReadOnlyList<ResultTable> tables, string over, IReadOnlyList<(string Column, string Colour)> series, string unit)
    {
        var rows = (tables.Count + PanelsInARow - 1) / PanelsInARow;
        var drawing = new Drawing(PanelWidth * PanelsInARow, (PanelHeight * rows) + 30);
        for (var i = 0; i < series.Count; i++)
        {
            var x = 14 + (i * 128.0);
            drawing.Line(x, 14, x + 18, 14, "axis");
            drawing.Curve([(x, 14), (x + 18, 14)], series[i].Colour, i == 0, i == series.Count - 1);
            drawing.Text(x + 23, 18, series[i].Column);
        }

        for (var panel = 0; panel < tables.Count; panel++)
        {
            DrawPanel(drawing, tables[panel], (panel % PanelsInARow) * PanelWidth, 30 + ((panel / PanelsInARow) * PanelHeight), over, series, unit);
        }

        return drawing;
    }

    private static void DrawPanel(
        Drawing drawing, ResultTable table, double left, double top, string over, IReadOnlyList<(string Column, string Colour)> series, string unit)
    {
        var (x0, x1, y0, y1) = (left + 36, left + PanelWidth - 12, top + PanelHeight - 34, top + 26);
        var sizes = Enumerable.Range(0, table.Rows.Count).Select(row => Math.Log(table.Number(row, over) ?? 1)).ToArray();
        var most = Math.Ceiling(series.Max(one => Enumerable.Range(0, table.Rows.Count).Max(row => table.Number(row, one.Column) ?? 0)) / 20) * 20;
        double X(int row) => x0 + ((sizes[row] - sizes[0]) / (sizes[^1] - sizes[0]) * (x1 - x0));
        double Y(double value) => y0 - (value / most * (y0 - y1));

        drawing.Text(left + 36, top + 16, table.Title.Split(':')[0], style: "title");
        for (var value = 0.0; value <= most; value += most / 4)
        {
            drawing.Line(x0, Y(value), x1, Y(value), value == 0 ? "axis" : "grid");
            drawing.Text(x0 - 5, Y(value) + 4, string.Create(CultureInfo.InvariantCulture, $"{value:0}"), "end");
        }

        foreach (var row in new[] { 0, table.Rows.Count / 2, table.Rows.Count - 1 })
        {
            drawing.Text(X(row), y0 + 14, table.Rows[row][Array.IndexOf(table.Columns, over)], row == 0 ? "start" : row == table.Rows.Count - 1 ? "end" : "middle");
        }

        drawing.Text((x0 + x1) / 2, y0 + 28, $"{over} → {unit}", "middle");
        foreach (var ((column, colour), index) in series.Select(static (one, index) => (one, index)).Reverse())
        {
            var points = Enumerable.Range(0, table.Rows.Count).Where(row => table.Number(row, column) is not null).Select(row => (X(row), Y(table.Number(row, column) ?? 0)));
            drawing.Curve(points, colour, index == 0, index == series.Count - 1);
        }
    }
}
