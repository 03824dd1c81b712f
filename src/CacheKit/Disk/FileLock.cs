using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>A lock between processes: a file that is open for nobody else. It goes with the process, however that ends.</summary>
/// <remarks>Only on files that hold nothing: a file of data that is open like this could be opened by nobody else.</remarks>
internal sealed partial class FileLock : IDisposable
{
    // As on every processor that Linux runs .NET on.
    private const int ReadWriteCloseOnExec = 2 | 0x8_0000;
    private const int ExclusiveWithoutWaiting = 2 | 4;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(15);

    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes a lock if it is free.</summary>
    /// <returns><see langword="null"/> if somebody has it, in this process or another.</returns>
    internal static FileLock? TryTake(string path, FileMode mode = FileMode.OpenOrCreate)
    {
        try
        {
            return new(File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException exception) when (DiskErrors.IsHeld(exception))
        {
            return null;
        }
    }

    /// <summary>Whether somebody has a lock, in this process or another. For a moment nobody else can take it.</summary>
    /// <remarks>Where the system can be asked as it is: what the framework throws for the answer takes milliseconds the first time, and each that opens a directory asks for all who are there.</remarks>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    internal static bool IsHeld(string path)
    {
        if (OperatingSystem.IsLinux() && Open(path, ReadWriteCloseOnExec) is >= 0 and var file)
        {
            try
            {
                if (Lock(file, ExclusiveWithoutWaiting) == 0)
                {
                    return false;
                }

                if (DiskErrors.IsHeld(Marshal.GetLastPInvokeError()))
                {
                    return true;
                }
            }
            finally
            {
                _ = Close(file);
            }
        }

        using var taken = TryTake(path, FileMode.Open);
        return taken is null;
    }

    /// <summary>Waits for a lock.</summary>
    /// <returns><see langword="null"/> if it was not free in time.</returns>
    internal static FileLock? Take(string path)
    {
        var start = TimeProvider.System.GetTimestamp();
        using var never = new ManualResetEventSlim();
        while (true)
        {
            if (TryTake(path) is { } taken)
            {
                return taken;
            }

            if (TimeProvider.System.GetElapsedTime(start) > _patience)
            {
                return null;
            }

            // There is nothing to be waited for but time: the system does not tell when a lock becomes free.
            never.Wait(TimeSpan.FromMilliseconds(5));
        }
    }

    /// <summary>Waits for a lock that others only hold while they open or close.</summary>
    /// <exception cref="IOException">It was not free in time.</exception>
    internal static FileLock TakeTurn(string path) => Take(path) ?? throw new IOException(string.Create(
        CultureInfo.InvariantCulture, $"Another process has been opening or closing it for more than {_patience.TotalSeconds} seconds."));

    public void Dispose() => _file.Dispose();

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(int file, int operation);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
