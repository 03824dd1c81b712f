using System.Text;

namespace CacheKit.Disk;

/// <summary>The folder of one cache in the directory that was named.</summary>
internal static class CacheFolder
{
    private const int MostReadable = 32;
    private const UnixFileMode User = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    /// <summary>Where it is: readable where the name allows, and its own in any case.</summary>
    internal static string Of(string path, string cacheName)
    {
        var readable = string.Create(Math.Min(cacheName.Length, MostReadable), cacheName, static (letters, name) =>
        {
            for (var i = 0; i < letters.Length; i++)
            {
                letters[i] = char.IsAsciiLetterOrDigit(name[i]) ? char.ToLowerInvariant(name[i]) : '-';
            }
        });

        // No library of cryptography: loading one takes a tenth of the time that opening a cache may.
        return Path.Combine(Path.GetFullPath(path), $"{readable}-{Mix64.Of(Encoding.UTF8.GetBytes(cacheName), seed: 0):x16}");
    }

    /// <summary>Creates it unless it exists, so that nobody reads what is cached who is not to: neither it nor what will be in it.</summary>
    /// <remarks>
    /// Others never. A group only if the process lets it write what it creates: who cannot write cannot use the cache either, and so need not read it. The rights of
    /// a folder that exists are somebody's choice, and stay.
    /// </remarks>
    internal static void Create(string folder)
    {
        if (OperatingSystem.IsWindows() || Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(folder)!); // it is in one
        Directory.CreateDirectory(folder, User | Group);

        // A link that somebody has put in between would lead to a folder of which this was not asked.
        if (FileSystem.IsOwnFolder(folder) && (File.GetUnixFileMode(folder) & UnixFileMode.GroupWrite) == 0)
        {
            File.SetUnixFileMode(folder, User);
        }
    }
}
