using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>A lock between processes: a file that is open for nobody else. It goes with the process, however that ends.</summary>
/// <remarks>Only on files that hold nothing: a file of data that is open like this could be opened by nobody else.</remarks>
internal sealed class FileLock : IDisposable
{
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
}
