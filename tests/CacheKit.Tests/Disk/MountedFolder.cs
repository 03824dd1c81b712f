using System.Diagnostics;

namespace CacheKit.Tests.Disk;

/// <summary>A small file system of its own in a folder, for as long as the test lasts. The test is skipped where that takes rights it does not have.</summary>
internal sealed class MountedFolder : IDisposable
{
    private readonly string _path;

    /// <summary>Mounts a file system in memory.</summary>
    public MountedFolder(string path, string options)
        : this(path, ["-t", "tmpfs", "-o", options, "tmpfs", path])
    {
    }

    /// <summary>Mounts what is in a folder once more, so that nobody may write it.</summary>
    public static MountedFolder ReadOnly(string path) => new(path, ["-o", "bind,ro", path, path]);

    private MountedFolder(string path, string[] arguments)
    {
        _path = path;
        Directory.CreateDirectory(path);
        Assert.SkipUnless(OperatingSystem.IsLinux() && Run("mount", arguments), "A file system cannot be mounted here: that takes Linux and root.");
    }

    public void Dispose() => Run("umount", "-l", _path);

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, UseShellExecute = false })!; // not a shell's
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
