using System.Globalization;

namespace CacheKit.Benchmarks.Charts;

/// <summary>A table of a result page: what is drawn is what is written there, and nothing else.</summary>
/// <param name="Title">The nearest heading or bold line above it.</param>
/// <param name="Columns">The names of its columns.</param>
/// <param name="Rows">Its cells, as text.</param>
internal sealed record ResultTable(string Title, string[] Columns, IReadOnlyList<string[]> Rows)
{
    /// <summary>Reads all tables of a page.</summary>
    internal static IEnumerable<ResultTable> ReadAll(string path)
    {
        var title = "";
        string[]? columns = null;
        var rows = new List<string[]>();
        foreach (var line in File.ReadLines(path).Append(""))
        {
            if (line.StartsWith('|'))
            {
                var cells = line.Trim('|').Split('|', StringSplitOptions.TrimEntries);
                if (columns is null)
                {
                    columns = cells;
                }
                else if (!cells.All(static cell => cell.Trim('-', ':').Length == 0))
                {
                    rows.Add(cells);
                }

                continue;
            }

            if (columns is not null)
            {
                yield return new(title, columns, [.. rows]);
                columns = null;
                rows.Clear();
            }

            if (line.StartsWith('#') || line.StartsWith("**", StringComparison.Ordinal))
            {
                title = line.Trim('#', '*', ' ').Replace("**", "", StringComparison.Ordinal);
            }
        }
    }

    /// <summary>The number in a cell; none if there is no number.</summary>
    internal double? Number(int row, string column)
    {
        var index = Array.IndexOf(Columns, column);
        return index >= 0 && double.TryParse(Rows[row][index].Trim('*'), NumberStyles.Number, CultureInfo.InvariantCulture, out var number) ? number : null;
    }
}
