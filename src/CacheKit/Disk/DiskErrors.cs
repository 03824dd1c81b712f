namespace CacheKit.Disk;

/// <summary>What the errors of files mean.</summary>
internal static class DiskErrors
{
    private const int NotSaid = unchecked((int)0x8013_1620);
    private const int WouldBlockOnLinux = 11;
    private const int WouldBlockOnMac = 35;
    private const int SharingViolation = unchecked((int)0x8007_0020);
    private const int LockViolation = unchecked((int)0x8007_0021);
    private const int TooManyInSystem = 23;
    private const int TooManyInProcess = 24;
    private const int NoSpace = 28;
    private const int ReadOnly = 30;
    private const int QuotaOnLinux = 122;
    private const int QuotaOnMac = 69;
    private const int WindowsDiskFull = unchecked((int)0x8007_0070);
    private const int WindowsHandleDiskFull = unchecked((int)0x8007_0027);
    private const int WindowsTooManyFiles = unchecked((int)0x8007_0004);
    private const int WindowsWriteProtected = unchecked((int)0x8007_0013);

    internal static IOException Full(IOException cause) =>
        new("There is no room on the disk: " + cause.Message, OperatingSystem.IsWindows() ? WindowsDiskFull : NoSpace);

    /// <summary>Whether somebody else has a file open that only one may.</summary>
    internal static bool IsHeld(IOException exception) => OperatingSystem.IsWindows()
        ? exception.HResult is SharingViolation or LockViolation
        : IsHeld(exception.HResult);

    /// <summary>The same of what a call of the system has left, where that is no Windows.</summary>
    internal static bool IsHeld(int error) => error == (OperatingSystem.IsMacOS() ? WouldBlockOnMac : WouldBlockOnLinux);

    /// <summary>Whether the blocks of a new file could not be had: the one error that does not say which it was.</summary>
    internal static bool IsOfAllocation(IOException exception) => exception.GetType() == typeof(IOException) && exception.HResult == NotSaid;

    /// <summary>Whether the disk, or the user's share of it, is full.</summary>
    internal static bool IsFull(IOException exception) => OperatingSystem.IsWindows()
        ? exception.HResult is WindowsDiskFull or WindowsHandleDiskFull
        : exception.HResult is NoSpace or WindowsDiskFull || exception.HResult == (OperatingSystem.IsMacOS() ? QuotaOnMac : QuotaOnLinux);

    /// <summary>Whether the file system takes no writes from anybody.</summary>
    internal static bool IsReadOnly(IOException exception) => exception.HResult == (OperatingSystem.IsWindows() ? WindowsWriteProtected : ReadOnly);

    /// <summary>Whether the process, or the machine, has as many files open as it may.</summary>
    internal static bool IsOutOfHandles(IOException exception) => OperatingSystem.IsWindows()
        ? exception.HResult == WindowsTooManyFiles
        : exception.HResult is TooManyInProcess or TooManyInSystem;
}
