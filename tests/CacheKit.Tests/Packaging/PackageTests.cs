using System.IO.Compression;
using System.Net;
using System.Xml.Linq;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Documentation;

namespace CacheKit.Tests.Packaging;

/// <summary>The packages hold what users need, and the quick start of each works in a fresh project that adds it.</summary>
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
            [$"lib/net10.0/{project}.dll", $"lib/net10.0/{project}.xml", "README.md", "icon.png", "LICENSE", $"{project}.nuspec"]);

        var metadata = ReadMetadata(package, project);
        string Value(string name) => metadata.Single(element => element.Name.LocalName == name).Value;
        Value("license").Should().Be("MIT");
        Value("readme").Should().Be("README.md");
        Value("authors").Should().Be("The CacheKit authors");
        Value("description").Should().NotBeNullOrWhiteSpace().And.NotBe("Package Description", "that is what the SDK writes when there is none");
        Value("tags").Should().StartWith("cache caching");
        Value("icon").Should().Be("icon.png");
        Value("copyright").Should().NotBeEmpty();
        Value("releaseNotes").Should().StartWith("### ", "it is a section of CHANGELOG.md").And.NotContain("\n## ", "and only one")
            .And.NotContain("](docs/", "the pages are not beside it").And.Contain("in constant time");
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void The_readme_of_a_package_is_its_own_and_has_no_links_that_break_outside_the_repository(string project)
    {
        using var package = ZipFile.OpenRead(packages.PathTo(project, "nupkg"));
        using var reader = new StreamReader(package.GetEntry("README.md")!.Open()); // asserted to be there
        var readme = reader.ReadToEnd();
        readme.Should().StartWith($"# {project}\n").And.Contain($"dotnet add package {project}\n");
        readme.Should().NotMatchRegex(@"\]\((?!https?:)");
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
        var project = packages.PathToProject("project");
        await PackagesFixture.DotNetAsync(project, "new", "console", "--framework", "net10.0", "--name", "QuickStart", "--output", ".");
        await PackagesFixture.DotNetAsync(project, "add", "package", "CacheKit", "--version", packages.Version);
        await File.WriteAllTextAsync(Path.Combine(project, "Program.cs"), MarkdownSnippet.ReadAll("README.md")[0].Code);

        var output = await PackagesFixture.DotNetAsync(project, "run", "-c", "Release");

        var lines = Lines(output);
        lines.Should().HaveCount(2);
        lines[0].Should().Be("42 True 42");
        lines[1].Should().MatchRegex("^[1-9][0-9]* hits, [1-9][0-9]* misses$");
    }

    [Fact]
    public void The_page_of_the_package_CacheKit_has_the_quick_start_of_the_readme() =>
        MarkdownSnippet.ReadAll(QuickStarts.PageOf("CacheKit"))[0].Code.Should().Be(MarkdownSnippet.ReadAll("README.md")[0].Code);

    [Fact]
    [Trait("Needs", "Redis")]
    public async Task The_quick_start_of_CacheKit_Redis_finds_on_the_second_run_what_the_first_has_stored()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        var program = await packages.QuickStarts.GetProgramAsync("CacheKit.Redis");

        var first = Lines(await PackagesFixture.DotNetAsync(packages.Folder, program, server.Configuration));
        var second = Lines(await PackagesFixture.DotNetAsync(packages.Folder, program, server.Configuration));

        first.Should().HaveCount(2);
        first[1].Should().Be("Redis: 0 found, 1 written, 0 failed.");
        second.Should().Equal(first[0], "Redis: 1 found, 0 written, 0 failed.");
    }

    [Fact]
    public async Task The_quick_start_of_CacheKit_AspNetCore_serves_a_cached_response_until_it_is_told_to_forget_it()
    {
        using var application = await WebProgram.StartAsync(await packages.QuickStarts.GetProgramAsync("CacheKit.AspNetCore"));
        var client = application.Client;

        var first = await client.GetStringAsync("/time");
        (await client.GetStringAsync("/time")).Should().Be(first);
        (await client.GetStringAsync("/health")).Should().Be("Healthy");
        (await client.PostAsync("/forget", null)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await client.GetStringAsync("/time")).Should().NotBe(first);
    }

    [Fact]
    public async Task The_quick_start_of_CacheKit_Testing_is_a_test_that_passes()
    {
        var program = await packages.QuickStarts.GetProgramAsync("CacheKit.Testing");
        var output = await PackagesFixture.DotNetAsync(packages.Folder, program, "-noColor");
        output.Should().MatchRegex("Total: 1, Errors: 0, Failed: 0, Skipped: 0");
    }

    [Fact]
    public async Task The_quick_start_of_CacheKit_Testing_Contracts_is_a_store_that_passes()
    {
        var program = await packages.QuickStarts.GetProgramAsync("CacheKit.Testing.Contracts");
        var output = await PackagesFixture.DotNetAsync(packages.Folder, program, "-noColor");
        output.Should().MatchRegex("Total: [1-9][0-9]*, Errors: 0, Failed: 0, Skipped: 0");
    }

    private static string[] Lines(string output) => output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static List<XElement> ReadMetadata(ZipArchive package, string project)
    {
        using var nuspec = package.GetEntry($"{project}.nuspec")!.Open(); // asserted to be there
        return [.. XDocument.Load(nuspec).Descendants()];
    }
}
