using CacheKit.Tests.Documentation;

namespace CacheKit.Tests.Packaging;

/// <summary>Fresh projects that hold what their package's page shows, built against the packages alone, all at once.</summary>
internal sealed class QuickStarts(PackagesFixture packages)
{
    private static readonly string _xunit = typeof(FactAttribute).Assembly.GetName().Version!.ToString(3); // the version these tests run with

    private readonly Lazy<Task> _build = new(() => BuildAllAsync(packages));

    /// <summary>The page that is packed as the README of a package.</summary>
    public static string PageOf(string package) => $"src/{package}/PACKAGE.md";

    /// <summary>Where the program is that was made of the first block of the package's page.</summary>
    /// <remarks>That of CacheKit.Redis takes its server as an argument.</remarks>
    public async Task<string> GetProgramAsync(string package)
    {
        await _build.Value;
        return Path.Combine(packages.PathToProject(NameOf(package)), "bin", "Release", "net10.0", $"{NameOf(package)}.dll");
    }

    private static async Task BuildAllAsync(PackagesFixture packages)
    {
        string[] projects =
        [
            await WriteAsync(packages, "CacheKit.Redis", "Microsoft.NET.Sdk"),
            await WriteAsync(packages, "CacheKit.AspNetCore", "Microsoft.NET.Sdk.Web"),
            await WriteAsync(packages, "CacheKit.Testing", "Microsoft.NET.Sdk", $"""<PackageReference Include="xunit.v3" Version="{_xunit}" />"""),
            await WriteAsync(packages, "CacheKit.Testing.Contracts", "Microsoft.NET.Sdk", $"""<PackageReference Include="xunit.v3" Version="{_xunit}" />"""),
        ];
        var solution = packages.PathToProject("solution");
        await File.WriteAllTextAsync(
            Path.Combine(solution, "QuickStarts.slnx"),
            $"<Solution>{string.Concat(projects.Select(project => $"<Project Path=\"{project}\" />"))}</Solution>");
        await PackagesFixture.DotNetAsync(solution, "build", "-c", "Release", "-nologo", "-p:UseSharedCompilation=false");
    }

    private static async Task<string> WriteAsync(PackagesFixture packages, string package, string sdk, string furtherReferences = "")
    {
        var folder = packages.PathToProject(NameOf(package));
        var project = Path.Combine(folder, $"{NameOf(package)}.csproj");
        await File.WriteAllTextAsync(project, $"""
            <Project Sdk="{sdk}">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="{package}" Version="{packages.Version}" />
                {furtherReferences}
              </ItemGroup>
            </Project>
            """);
        var code = MarkdownSnippet.ReadAll(PageOf(package))[0].Code.Replace("\"localhost:6379\"", "args[0]", StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "QuickStart.cs"), code);
        return project;
    }

    // Not the package's own name: a project cannot reference a package of its name.
    private static string NameOf(string package) => $"{package.Replace("CacheKit.", "", StringComparison.Ordinal)}QuickStart";
}
