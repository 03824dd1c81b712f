namespace CacheKit.Samples;

/// <summary>A file to digest: where it is, and the key and tags it is cached under.</summary>
internal sealed record SourceFile(string Path, string Key, string[] Folders, string[] Tags)
{
    private static readonly string[] _leftByTools = [".git", ".vs", ".idea", "bin", "obj", "artifacts", "TestResults", "node_modules"];

    /// <summary>Finds the files below a directory; what may not be read is left out, and what is below <paramref name="except"/>.</summary>
    public static IReadOnlyList<SourceFile> Find(string directory, string? except = null)
    {
        var files = new List<SourceFile>();
        var pending = new Stack<string>([directory]);
        var options = new EnumerationOptions { IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        while (pending.TryPop(out var current))
        {
            foreach (var below in Directory.EnumerateDirectories(current, "*", options))
            {
                if (!_leftByTools.Contains(System.IO.Path.GetFileName(below)) && below != except)
                {
                    pending.Push(below);
                }
            }

            files.AddRange(new DirectoryInfo(current).EnumerateFiles("*", options).Select(file => Describe(directory, file)));
        }

        files.Sort((one, other) => string.CompareOrdinal(one.Path, other.Path));
        return files;
    }

    /// <summary>The folder at the top with the most files below it, for the pass that removes one.</summary>
    public static string? LargestFolder(IReadOnlyList<SourceFile> files) => files
        .Where(file => file.Folders.Length > 0)
        .GroupBy(file => file.Folders[0])
        .MaxBy(folder => folder.Count())?.Key;

    private static SourceFile Describe(string directory, FileInfo file)
    {
        var relative = System.IO.Path.GetRelativePath(directory, file.FullName).Replace('\\', '/');
        var parts = relative.Split('/');

        // Every folder on the way, so that removing one removes what is below it too.
        var folders = Enumerable.Range(1, parts.Length - 1).Select(depth => string.Join('/', parts[..depth])).ToArray();
        string[] tags = [.. folders.Select(folder => $"folder:{folder}"), $"extension:{file.Extension}"];
        return new(file.FullName, $"digest:{relative}:{file.Length}:{file.LastWriteTimeUtc.Ticks}", folders, tags);
    }
}
