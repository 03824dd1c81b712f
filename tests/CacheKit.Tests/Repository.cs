using System.Reflection;

namespace CacheKit.Tests;

/// <summary>The working copy these tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>"Release" or "Debug": what these tests, and so the projects they reference, were built as.</summary>
    public static string Configuration { get; } =
        typeof(Repository).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration; // the SDK writes it

    /// <summary>The names of the projects below src, which are those of their assemblies and packages.</summary>
    public static IReadOnlyList<string> SourceProjects { get; } =
        [.. Directory.GetFiles(PathTo("src"), "*.csproj", SearchOption.AllDirectories)
            .Select(path => Path.GetFileNameWithoutExtension(path))
            .Order(StringComparer.Ordinal)];

    public static string PathTo(params ReadOnlySpan<string> parts) => Path.Combine([Root, .. parts]);

    /// <summary>The C# files of a project below src, without what the build made.</summary>
    public static IEnumerable<string> SourceFiles(string project)
    {
        var folder = PathTo("src", project);
        return Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(path => Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar)[0] is not ("bin" or "obj"))
            .Order(StringComparer.Ordinal);
    }

    // From the assembly's place, not from [CallerFilePath]: deterministic builds replace source paths.
    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "CacheKit.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException($"No CacheKit.sln above {AppContext.BaseDirectory}.");
    }
}
