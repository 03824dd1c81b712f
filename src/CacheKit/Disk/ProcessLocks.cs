using System.Globalization;

namespace CacheKit.Disk;

/// <summary>Who has a directory open: each holds the lock of one file, which tells across containers whether it still lives.</summary>
internal static class ProcessLocks
{
    internal const string Folder = "proc";

    private const int MostProcesses = 10_000;

    /// <summary>Registers whoever is opening. Under the directory's lock.</summary>
    internal static FileLock Register(string directory)
    {
        for (var number = 0; number < MostProcesses; number++)
        {
            if (FileLock.TryTake(PathOf(directory, number)) is { } taken)
            {
                return taken;
            }
        }

        throw new IOException($"None of {MostProcesses:N0} lock files in '{Path.Combine(directory, Folder)}' can be locked.");
    }

    /// <summary>Whether anybody has it open, other than <paramref name="own"/>. Under the directory's lock.</summary>
    internal static bool IsAnyHeld(string directory, FileLock? own = null)
    {
        // One's own is counted, not asked for: taking and freeing it would let go of it.
        var held = Directory.GetFiles(Path.Combine(directory, Folder), "*.lock").Count(FileLock.IsHeld);
        return held > (own is null ? 0 : 1);
    }

    private static string PathOf(string directory, int number) =>
        Path.Combine(directory, Folder, string.Create(CultureInfo.InvariantCulture, $"{number}.lock"));
}
