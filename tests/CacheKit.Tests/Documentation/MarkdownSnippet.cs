namespace CacheKit.Tests.Documentation;

/// <summary>A <c>csharp</c> block of a Markdown page.</summary>
/// <param name="Page">The page's path within the repository.</param>
/// <param name="Line">The line its fence stands on, counted from 1.</param>
/// <param name="Code">The block as readers see it.</param>
/// <param name="Given">What the hidden comment right above the block declares for it, or nothing.</param>
/// <remarks>
/// Readers of a short snippet know what <c>cache</c> is; the compiler does not. The comment tells it, in C#:
/// <code>&lt;!-- given: ICache cache = null!; record Product(int Id); --&gt;</code>
/// </remarks>
internal sealed record MarkdownSnippet(string Page, int Line, string Code, string Given)
{
    private const string CommentStart = "<!-- given:";
    private const string CommentEnd = "-->";

    public static IReadOnlyList<MarkdownSnippet> ReadAll(string page) =>
        Parse(page, File.ReadAllLines(Repository.PathTo(page)));

    public static IReadOnlyList<MarkdownSnippet> Parse(string page, IReadOnlyList<string> lines)
    {
        var snippets = new List<MarkdownSnippet>();
        var given = "";
        for (var i = 0; i < lines.Count; i++)
        {
            var line = lines[i].Trim();
            if (line.StartsWith(CommentStart, StringComparison.Ordinal))
            {
                var comment = new List<string> { line[CommentStart.Length..] };
                while (!comment[^1].EndsWith(CommentEnd, StringComparison.Ordinal) && i + 1 < lines.Count)
                    comment.Add(lines[++i].TrimEnd());
                given = string.Join('\n', comment).Replace(CommentEnd, "", StringComparison.Ordinal).Trim();
            }
            else if (line.StartsWith("```", StringComparison.Ordinal))
            {
                var fence = i;
                var code = lines.Skip(fence + 1).TakeWhile(text => text.Trim() != "```").ToList();
                i += code.Count + 1;
                if (line == "```csharp")
                    snippets.Add(new(page, fence + 1, string.Join('\n', code), given));
                given = "";
            }
            else if (line.Length > 0)
                given = "";
        }
        return snippets;
    }
}
