using System.Globalization;
using System.Text;

namespace CacheKit.Benchmarks.Charts;

/// <summary>An SVG picture in the making, readable on a light and on a dark page.</summary>
internal sealed class Drawing(double width, double height)
{
    private readonly StringBuilder _body = new();

    internal double Height => height;

    internal void Line(double x1, double y1, double x2, double y2, string style) =>
        Add($"<line x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\" class=\"{style}\"/>");

    internal void Curve(IEnumerable<(double X, double Y)> points, string colour, bool isSubject, bool isDashed) => Add(
        $"<polyline points=\"{string.Join(' ', points.Select(static point => string.Create(CultureInfo.InvariantCulture, $"{point.X:0.#},{point.Y:0.#}")))}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{(isSubject ? 2.6 : 1.3)}\"{(isDashed ? " stroke-dasharray=\"4 3\"" : "")}/>");

    internal void Bar(double x, double y, double barWidth, double barHeight, string colour) =>
        Add($"<rect x=\"{x:0.#}\" y=\"{y:0.#}\" width=\"{Math.Max(barWidth, 0.5):0.#}\" height=\"{barHeight:0.#}\" fill=\"{colour}\"/>");

    internal void Text(double x, double y, string text, string anchor = "start", string style = "text") =>
        Add($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" class=\"{style}\">{Escape(text)}</text>");

    internal void Save(string path, string description)
    {
        var svg = string.Create(CultureInfo.InvariantCulture, $$"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width:0}} {{height:0}}" width="{{width:0}}" height="{{height:0}}" role="img" aria-label="{{Escape(description)}}">
            <style>
            text { font: 11px system-ui, sans-serif; fill: #1f2328; }
            .title { font-weight: 600; font-size: 12px; }
            .axis { stroke: #8c959f; stroke-width: 1; }
            .grid { stroke: #8c959f; stroke-width: 0.4; stroke-dasharray: 2 3; }
            @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
            </style>

            """);
        File.WriteAllText(path, svg + _body + "</svg>\n");
    }

    private static string Escape(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);

    private void Add(FormattableString element) => _body.Append(element.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
