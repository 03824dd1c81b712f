namespace CacheKit.Disk;

/// <summary>What is to be known of the file system a directory is on.</summary>
internal static class FileSystem
{
    // Neither memory mapped from them nor locks on them are the same for all who use them.
    private static readonly string[] _remote =
        ["nfs", "cifs", "smb", "9p", "v9fs", "virtiofs", "fuse", "afs", "ceph", "lustre", "gfs", "gpfs", "glusterfs", "ncp", "webdav", "vboxsf", "vmhgfs", "prl_fs", "osxfs"];

    private static readonly string[] _allocating = ["ext", "xfs", "tmpfs", "ntfs"];

    /// <summary>Why processes cannot share memory through files here; <see langword="null"/> if nothing is known against it.</summary>
    internal static string? ReasonNotToShare(string directory)
    {
        if (!BitConverter.IsLittleEndian)
        {
            return "this processor orders bytes in a way the files do not allow for";
        }

        try
        {
            var drive = new DriveInfo(directory);
            return drive.DriveType == DriveType.Network || IsOneOf(_remote, drive.DriveFormat)
                ? $"its file system ({drive.DriveFormat}) does not keep memory and locks the same for all processes"
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return OperatingSystem.IsWindows() && directory.StartsWith(@"\\", StringComparison.Ordinal)
                ? "it is on another machine"
                : null; // the locks are tried out
        }
    }

    /// <summary>Whether a file that has its blocks allocated keeps them when it is written through a mapping.</summary>
    internal static bool AllocatesForGood(string directory)
    {
        try
        {
            return IsOneOf(_allocating, new DriveInfo(directory).DriveFormat);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false;
        }
    }

    private static bool IsOneOf(string[] formats, string format) =>
        Array.Exists(formats, known => format.StartsWith(known, StringComparison.OrdinalIgnoreCase));
}
