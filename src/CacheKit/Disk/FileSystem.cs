using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>What is to be known of the file system a directory is on.</summary>
internal static partial class FileSystem
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

    /// <summary>Whether a file that was given blocks has them for whatever is written to it, as far as is known: others copy what they write to new ones.</summary>
    internal static bool KeepsBlocks(string directory) => Ask(directory, static drive => IsOneOf(_allocating, drive.DriveFormat));

    /// <summary>How much room this user has on the disk that a directory is on; nothing where that cannot be told.</summary>
    internal static long? FreeBytesOf(string directory) => Ask<long?>(directory, static drive => drive.AvailableFreeSpace);

    /// <summary>Gives a file blocks that it keeps when it is written through a mapping.</summary>
    /// <returns><see langword="false"/> if that has to be done by writing to it.</returns>
    /// <exception cref="IOException">There is no room.</exception>
    internal static bool TryAllocate(SafeFileHandle file, string directory, long bytes)
    {
        if (!KeepsBlocks(directory))
        {
            return false;
        }

        if (!OperatingSystem.IsLinux())
        {
            return true;
        }

        // Several kinds go by the name of ext; that blocks were asked for when the file was created says nothing, since it is no error there if some kind cannot.
        var error = Allocate(file, 0, (nint)bytes);
        return DiskErrors.IsFull(new IOException(null, error))
            ? throw DiskErrors.Full(new IOException(Marshal.GetPInvokeErrorMessage(error)))
            : error == 0;
    }

    /// <summary>Who this process runs as, as part of a name.</summary>
    internal static string User => OperatingSystem.IsWindows()
        ? new string([.. Environment.UserName.Select(static c => char.IsAsciiLetterOrDigit(c) ? c : '-')])
        : EffectiveUser().ToString(CultureInfo.InvariantCulture);

    /// <summary>A sentence on who may do what in a directory that exists; nothing where that cannot be told.</summary>
    internal static string? RightsOf(string directory) => Describe(directory, followsLinks: true) is not { } described ? null : string.Create(
        CultureInfo.InvariantCulture,
        $"'{directory}' belongs to user {described.Owner} and has the rights {Convert.ToString(described.Mode & 0xFFF, 8)}, and this process runs as user {EffectiveUser()}. ");

    /// <summary>Whether what is at a path is a folder, no link, wherever that leads, and this user's; on Windows nobody is asked whose it is.</summary>
    internal static bool IsOwnFolder(string path)
    {
        if (new DirectoryInfo(path) is not { Exists: true, LinkTarget: null })
        {
            return false;
        }

        if (Describe(path, followsLinks: false) is { } described)
        {
            return described.Owner == EffectiveUser();
        }

        if (!OperatingSystem.IsWindows())
        {
            try
            {
                // Only who owns it may do that, where there is no other way to ask.
                File.SetUnixFileMode(path, File.GetUnixFileMode(path));
            }
            catch (UnauthorizedAccessException)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether a folder, which is no link, is of the same user as one that this process has made: mounts may show another user for both.</summary>
    internal static bool HaveOneOwner(string path, string own) => new DirectoryInfo(path) is { Exists: true, LinkTarget: null }
        && (OperatingSystem.IsLinux() ? Describe(path, followsLinks: false) is { } described && described.Owner == Describe(own, followsLinks: false)?.Owner : IsOwnFolder(path));

    /// <summary>The kind of file system that a directory is on, in brackets; nothing where that cannot be told.</summary>
    internal static string? KindOf(string directory) => Ask(directory, static drive => $" (file system {drive.DriveFormat})");

    /// <summary>Whose something is, and what it is with which rights; nothing where that cannot be told.</summary>
    private static unsafe (uint Owner, ushort Mode)? Describe(string path, bool followsLinks)
    {
        const int CurrentDirectory = -100;
        const int DoNotFollow = 0x100;
        const int OwnerOffset = 20;
        const int ModeOffset = 28;
        const int OwnerAndMode = 0xA;
        const int BytesOfAll = 256;
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        try
        {
            Span<byte> all = stackalloc byte[BytesOfAll];
            fixed (byte* start = all)
            {
                return Describe(CurrentDirectory, path, followsLinks ? 0 : DoNotFollow, OwnerAndMode, start) == 0
                    ? (BitConverter.ToUInt32(all[OwnerOffset..]), BitConverter.ToUInt16(all[ModeOffset..]))
                    : null;
            }
        }
        catch (EntryPointNotFoundException)
        {
            return null; // an old library
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();

    // The one call for this whose structure is the same on all processors.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Describe(int directory, string path, int flags, uint wanted, byte* into);

    [LibraryImport("libc", EntryPoint = "posix_fallocate")]
    private static partial int Allocate(SafeFileHandle file, nint offset, nint bytes);

    /// <summary>What is to be known of the disk that a directory is on; the default where that cannot be told.</summary>
    private static T? Ask<T>(string directory, Func<DriveInfo, T> question)
    {
        try
        {
            return question(new DriveInfo(directory));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return default;
        }
    }

    private static bool IsOneOf(string[] formats, string format) =>
        Array.Exists(formats, known => format.StartsWith(known, StringComparison.OrdinalIgnoreCase));
}
