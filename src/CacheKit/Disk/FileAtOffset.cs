using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>Reads and writes files at offsets, with as little as there can be around the call of the system.</summary>
/// <remarks>
/// <para>Where it is known how that is called, it is called as it is, without what the framework does to be safe from a file that is closed meanwhile. So the caller must be: a store closes
/// its files when nothing is under way any more.</para>
/// <para>What does not do all it should is done again by the framework, which goes on or says why it cannot.</para>
/// </remarks>
internal static unsafe partial class FileAtOffset
{
    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const int NoAccessTime = 0x4_0000;

    private static readonly bool _isDirect = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>Reads what there is, which may be less than asked for.</summary>
    internal static int Read(SafeFileHandle file, Span<byte> into, long offset)
    {
        if (_isDirect)
        {
            fixed (byte* start = into)
            {
                if (Read((int)file.DangerousGetHandle(), start, into.Length, (nint)offset) is >= 0 and var count)
                {
                    return (int)count;
                }
            }
        }

        return RandomAccess.Read(file, into, offset);
    }

    /// <summary>Writes all of it.</summary>
    internal static void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        if (_isDirect)
        {
            fixed (byte* start = bytes)
            {
                if (Write((int)file.DangerousGetHandle(), start, bytes.Length, (nint)offset) == bytes.Length)
                {
                    return;
                }
            }
        }

        RandomAccess.Write(file, bytes, offset);
    }

    /// <summary>Spares the system from noting when the file was last read, with every read, where it can be told so.</summary>
    internal static void SkipAccessTime(SafeFileHandle file)
    {
        // It takes a variable number of arguments, which not every processor hands over like others.
        if (_isDirect && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64)
        {
            var descriptor = (int)file.DangerousGetHandle();
            if (Control(descriptor, GetFlags, 0) is >= 0 and var flags)
            {
                // Only the owner of a file may; others go on as they are.
                _ = Control(descriptor, SetFlags, flags | NoAccessTime);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int file, int command, int flags);

    [LibraryImport("libc", EntryPoint = "pread")]
    private static partial nint Read(int file, byte* into, nint count, nint offset);

    [LibraryImport("libc", EntryPoint = "pwrite")]
    private static partial nint Write(int file, byte* bytes, nint count, nint offset);
}
