using System.Diagnostics;
using System.Text.Json;

namespace CacheKit.Tests.Packaging;

/// <summary>Packs every project below src, as this build made it, into a folder of its own and under a version of its own.</summary>
public sealed class PackagesFixture : IAsyncLifetime
{
    // Outside the repository, so that a project made here inherits none of its settings.
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-packages-");
    private readonly string _suffix = $"test.{DateTime.UtcNow.Ticks}";

    /// <summary>Never used before, so that no package cache can stand in with an older package.</summary>
    public string Version { get; private set; } = "";

    public PackagesFixture() => QuickStarts = new(this);

    /// <summary>Programs that use the packages; they are built when the first of them is asked for.</summary>
    internal QuickStarts QuickStarts { get; }

    /// <summary>Where all of it is.</summary>
    public string Folder => _folder.FullName;

    /// <summary>Where the packages are: a package source.</summary>
    public string Source => Path.Combine(Folder, "packages");

    /// <summary>A folder for a project that uses the packages; empty at first.</summary>
    public string PathToProject(string name) => Directory.CreateDirectory(Path.Combine(Folder, name)).FullName;

    public string PathTo(string package, string extension) => Path.Combine(Source, $"{package}.{Version}.{extension}");

    public async ValueTask InitializeAsync()
    {
        await DotNetAsync(Repository.Root,
            "pack", "CacheKit.sln", "-c", Repository.Configuration, "--no-build", "-nologo", "-o", Source, $"-p:VersionSuffix={_suffix}");
        var file = Path.GetFileNameWithoutExtension(Directory.GetFiles(Source, "CacheKit.*.nupkg").Order(StringComparer.Ordinal).First());
        Version = file["CacheKit.".Length..];

        await File.WriteAllTextAsync(Path.Combine(Folder, "nuget.config"), $"""
            <configuration>
              <packageSources>
                <add key="built-just-now" value="{Source}" />
              </packageSources>
            </configuration>
            """);
    }

    public ValueTask DisposeAsync()
    {
        // The restore copied the packages to the user's cache, where nothing will ask for this version again.
        foreach (var assets in _folder.EnumerateFiles("project.assets.json", SearchOption.AllDirectories))
        {
            using var document = JsonDocument.Parse(File.ReadAllText(assets.FullName));
            foreach (var cache in document.RootElement.GetProperty("packageFolders").EnumerateObject())
            {
                foreach (var project in Repository.SourceProjects)
                {
                    var copies = new DirectoryInfo(Path.Combine(cache.Name, project.ToLowerInvariant()));
                    if (!copies.Exists)
                        continue;
                    foreach (var copy in copies.GetDirectories(Version.ToLowerInvariant()))
                        copy.Delete(recursive: true);
                    if (!copies.EnumerateFileSystemInfos().Any())
                        copies.Delete();
                }
            }
        }
        _folder.Delete(recursive: true);
        return default;
    }

    /// <summary>Runs the SDK as a user at a prompt would, and returns what it printed.</summary>
    public static async Task<string> DotNetAsync(string folder, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The SDK that runs these tests leaves its own settings in the environment.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";

        using var process = Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start.");
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"dotnet {string.Join(' ', start.ArgumentList)} failed:\n{await output}{await errors}");
    }
}
