using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CacheKit.Tests;

/// <summary>A file is found where its namespace says, and what is on the main branch is finished.</summary>
public sealed partial class SourceFileTests
{
    public static TheoryData<string> Projects => [.. Repository.SourceProjects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_file_is_in_the_folder_of_its_namespace_and_finished(string project)
    {
        var root = Repository.PathTo("src", project);
        Repository.SourceFiles(project)
            .SelectMany(path => Complaints(project, Path.GetRelativePath(root, path), File.ReadAllText(path)))
            .Should().BeEmpty();
    }

    [Theory]
    [InlineData("Cache.cs", "namespace CacheKit; class X;", true)]
    [InlineData("Memory/Store.cs", "namespace CacheKit.Memory; class X;", true)]
    [InlineData("Memory/Policy/Sketch.cs", "namespace CacheKit.Memory.Policy; class X;", true)]
    [InlineData("DependencyInjection/Extensions.cs", "namespace Microsoft.Extensions.DependencyInjection; class X;", true)]
    [InlineData("DependencyInjection/Registry.cs", "namespace CacheKit.DependencyInjection; class X;", true)]
    [InlineData("Properties.cs", "[assembly: System.CLSCompliant(true)]", true)]
    [InlineData("Store.cs", "namespace CacheKit.Memory; class X;", false)]
    [InlineData("Memory/Store.cs", "namespace CacheKit; class X;", false)]
    [InlineData("Memory/Store.cs", "namespace Microsoft.Extensions.DependencyInjection; class X;", false)]
    [InlineData("Memory/Store.cs", "class X;", false)]
    [InlineData("Cache.cs", "namespace CacheKit; class X; // TODO: more", false)]
    [InlineData("Cache.cs", "namespace CacheKit; class X { int M() => throw new NotImplementedException(); }", false)]
    [InlineData("Cache.cs", "namespace CacheKit; class X { int MasToDo() => 1; }", true)]
    public void A_misplaced_or_unfinished_file_is_complained_of(string path, string text, bool good) =>
        Complaints("CacheKit", path.Replace('/', Path.DirectorySeparatorChar), text).Any().Should().Be(!good);

    private static IEnumerable<string> Complaints(string project, string path, string text)
    {
        foreach (Match match in Unfinished().Matches(text))
            yield return $"{project}/{path} says {match.Value}";

        var folders = Path.GetDirectoryName(path)!.Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries); // never a root
        var expected = string.Join('.', [project, .. folders]);
        string[] allowed = folders is ["DependencyInjection", ..] ? [expected, "Microsoft.Extensions.DependencyInjection"] : [expected];
        var root = CSharpSyntaxTree.ParseText(text).GetCompilationUnitRoot();
        var namespaces = root.Members.Select(member => (member as BaseNamespaceDeclarationSyntax)?.Name.ToString() ?? "the global namespace");
        foreach (var name in namespaces.Except(allowed))
            yield return $"{project}/{path} declares types in {name} instead of {string.Join(" or ", allowed)}";
    }

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|NotImplementedException)\b")]
    private static partial Regex Unfinished();
}
