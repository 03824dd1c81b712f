using System.IO.Compression;
using System.Xml.Linq;
using CacheKit.Tests.Documentation;

namespace CacheKit.Tests.Packaging;

/// <summary>The packages hold what users need, and the README's quick start works in a fresh project that adds them.</summary>
[Trait("Category", "Packaging")]
public sealed class PackageTests(PackagesFixture packages) : IClassFixture<PackagesFixture>
{
    public static TheoryData<string> Projects => [.. Repository.SourceProjects];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_package_holds_the_library_its_documentation_and_the_readme(string project)
    {
        using var package = ZipFile.OpenRead(packages.PathTo(project, "nupkg"));
        package.Entries.Select(entry => entry.FullName).Should().Contain(
            [$"lib/net10.0/{project}.dll", $"lib/net10.0/{project}.xml", "README.md", $"{project}.nuspec"]);

        var metadata = ReadMetadata(package, project);
        string Value(string name) => metadata.Single(element => element.Name.LocalName == name).Value;
        Value("license").Should().Be("MIT");
        Value("readme").Should().Be("README.md");
        Value("authors").Should().Be("The CacheKit authors");
        Value("description").Should().NotBeNullOrWhiteSpace().And.NotBe("Package Description", "that is what the SDK writes when there is none");
        Value("tags").Should().NotBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_symbol_package_holds_the_debug_information(string project)
    {
        using var symbols = ZipFile.OpenRead(packages.PathTo(project, "snupkg"));
        symbols.Entries.Select(entry => entry.FullName).Should().Contain($"lib/net10.0/{project}.pdb");
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_package_depends_on_the_others_in_its_own_version(string project)
    {
        using var package = ZipFile.OpenRead(packages.PathTo(project, "nupkg"));
        ReadMetadata(package, project)
            .Where(element => element.Name.LocalName == "dependency" && Repository.SourceProjects.Contains(element.Attribute("id")?.Value))
            .Select(dependency => dependency.Attribute("version")?.Value)
            .Should().BeSubsetOf([packages.Version]);
    }

    [Fact]
    public async Task The_quick_start_of_the_readme_works_in_a_fresh_project()
    {
        await PackagesFixture.DotNetAsync(packages.Project, "new", "console", "--framework", "net10.0", "--name", "QuickStart", "--output", ".");
        await PackagesFixture.DotNetAsync(packages.Project, "add", "package", "CacheKit", "--version", packages.Version);
        await File.WriteAllTextAsync(Path.Combine(packages.Project, "Program.cs"), MarkdownSnippet.ReadAll("README.md")[0].Code);

        var output = await PackagesFixture.DotNetAsync(packages.Project, "run", "-c", "Release");

        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        lines.Should().HaveCount(2);
        lines[0].Should().Be("42 True 42");
        lines[1].Should().MatchRegex("^[1-9][0-9]* hits, [1-9][0-9]* misses$");
    }

    private static List<XElement> ReadMetadata(ZipArchive package, string project)
    {
        using var nuspec = package.GetEntry($"{project}.nuspec")!.Open(); // asserted to be there
        return [.. XDocument.Load(nuspec).Descendants()];
    }
}
