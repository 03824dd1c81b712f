namespace CacheKit.Disk;

/// <summary>What the errors of files mean.</summary>
internal static class DiskErrors
{
    private const int NoSpace = 28;
    private const int QuotaOnLinux = 122;
    private const int QuotaOnMac = 69;
    private const int WindowsDiskFull = unchecked((int)0x8007_0070);
    private const int WindowsHandleDiskFull = unchecked((int)0x8007_0027);

    internal static IOException Full(IOException cause) =>
        new("There is no room on the disk: " + cause.Message, OperatingSystem.IsWindows() ? WindowsDiskFull : NoSpace);

    /// <summary>Whether the disk, or the user's share of it, is full.</summary>
    internal static bool IsFull(IOException exception) => OperatingSystem.IsWindows()
        ? exception.HResult is WindowsDiskFull or WindowsHandleDiskFull
        : exception.HResult is NoSpace or WindowsDiskFull || exception.HResult == (OperatingSystem.IsMacOS() ? QuotaOnMac : QuotaOnLinux);
}
