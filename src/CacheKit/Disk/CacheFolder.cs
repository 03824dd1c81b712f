using System.Security.Cryptography;
using System.Text;

namespace CacheKit.Disk;

/// <summary>The folder of one cache in the directory that was named.</summary>
internal static class CacheFolder
{
    private const UnixFileMode User = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Group = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    /// <summary>Where it is: readable where the name allows, and its own in any case.</summary>
    internal static string Of(string path, string cacheName)
    {
        var readable = new string([.. cacheName.Select(static c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-').Take(32)]);
        var unique = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(cacheName)).AsSpan(0, 8));
        return Path.Combine(Path.GetFullPath(path), $"{readable}-{unique}");
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
