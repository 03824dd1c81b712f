using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CacheKit.Tests.Documentation;

/// <summary>What the pages show compiles, and where they point there is something. The package test runs the README's first block.</summary>
public sealed partial class DocumentationTests
{
    public static TheoryData<string> Pages => [.. FindPages()];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_block_compiles(string page) => MarkdownSnippet.ReadAll(page).SelectMany(Errors).Should().BeEmpty();

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_relative_link_leads_somewhere(string page)
    {
        var folder = Path.GetDirectoryName(Repository.PathTo(page))!; // a page is in a folder
        Link().Matches(File.ReadAllText(Repository.PathTo(page)))
            .Select(match => match.Groups["target"].Value)
            .Where(target => !Path.Exists(Path.Combine(folder, target)))
            .Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_link_to_a_heading_finds_it(string page)
    {
        var own = Repository.PathTo(page);
        HeadingLink().Matches(File.ReadAllText(own))
            .Select(match => (Target: match.Groups["target"].Value, Anchor: match.Groups["anchor"].Value))
            .Where(link => !Anchors(link.Target.Length == 0 ? own : Path.Combine(Path.GetDirectoryName(own)!, link.Target)).Contains(link.Anchor)) // as above
            .Should().BeEmpty();

        // As GitHub makes them of headings.
        static IEnumerable<string> Anchors(string path) => Heading().Matches(File.ReadAllText(path))
            .Select(match => NotInAnchor().Replace(match.Groups["text"].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-'));
    }

    [Fact]
    public void Blocks_are_found_with_what_is_given_for_them() =>
        MarkdownSnippet.Parse("x.md",
        [
            "<!-- given: int a = 1; -->", "", "```csharp", "a++;", "```",
            "<!-- given:", "int b = 1;", "class C;", "-->", "```csharp", "b++;", "", "b--;", "```",
            "<!-- given: int c; -->", "Words between, so the comment is not for this block:", "```csharp", "Run();", "```",
            "<!-- given: int d; -->", "```sh", "```csharp", "```",
        ])
        .Should().Equal(
            new("x.md", 3, "a++;", "int a = 1;"),
            new("x.md", 10, "b++;\n\nb--;", "int b = 1;\nclass C;"),
            new MarkdownSnippet("x.md", 17, "Run();", ""));

    [Theory]
    [InlineData("ICache cache = null!; await cache.ClearAsync();", "", true)]
    [InlineData("await cache.ClearAsync();", "", false)]
    [InlineData("await cache.ClearAsync();", "ICache cache = null!;", true)]
    [InlineData("await cache.SetAsync(\"k\", new P(1));", "ICache cache = null!; record P(int Id);", true)]
    [InlineData("using System.Text; var text = new StringBuilder(); class C;", "int unused = 1; class D;", true)]
    [InlineData("class C { ICache? _cache; }", "", true)]
    [InlineData("class C { ICash? _cache; }", "", false)]
    [InlineData("int broken = ;", "", false)]
    public void A_block_that_does_not_compile_is_an_error(string code, string given, bool compiles) =>
        Errors(new("x.md", 1, code, given)).Any().Should().Be(!compiles);

    private static IEnumerable<string> FindPages()
    {
        yield return "README.md";
        yield return "CHANGELOG.md";
        yield return "CONTRIBUTING.md";
        yield return "SECURITY.md";
        foreach (var project in Repository.SourceProjects)
            yield return $"src/{project}/PACKAGE.md";
        var docs = Repository.PathTo("docs");
        if (!Directory.Exists(docs))
            yield break;
        foreach (var path in Directory.GetFiles(docs, "*.md", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            yield return Path.GetRelativePath(Repository.Root, path);
    }

    private static IEnumerable<string> Errors(MarkdownSnippet snippet)
    {
        // C# wants usings, then statements, then types; a block and what is given for it each have their own.
        CompilationUnitSyntax[] parts = [Parse("using CacheKit;"), Parse(snippet.Given), Parse(snippet.Code)];
        var program = SyntaxFactory.CompilationUnit()
            .AddUsings([.. parts.SelectMany(part => part.Usings)])
            .AddMembers([.. parts.SelectMany(part => part.Members).OrderBy(member => member is not GlobalStatementSyntax)]);
        var kind = program.Members.Any(SyntaxKind.GlobalStatement) ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary;

        return parts.SelectMany(part => part.GetDiagnostics())
            .Concat(Compiler.Compile("Snippet", kind, program.ToFullString()).GetDiagnostics())
            .Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)
            .Select(diagnostic => $"{snippet.Page}:{snippet.Line}: {diagnostic.GetMessage(CultureInfo.InvariantCulture)}");

        static CompilationUnitSyntax Parse(string code) => SyntaxFactory.ParseCompilationUnit(code + "\n");
    }

    [GeneratedRegex(@"\]\((?!https?:|mailto:|#)(?<target>[^)#\s]+)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\]\((?!https?:|mailto:)(?<target>[^)#\s]*)#(?<anchor>[^)\s]+)\)")]
    private static partial Regex HeadingLink();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchor();
}
