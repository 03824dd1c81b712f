using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>Memory for an index: that of a file, shared by all who map it, or of this process alone.</summary>
internal static unsafe partial class MappedMemory
{
    /// <summary>Maps a whole file.</summary>
    /// <remarks>
    /// Only the view is kept. Disposing the accessor would write the whole view to the disk first; letting the handle be collected just
    /// unmaps it.
    /// </remarks>
    internal static SafeMemoryMappedViewHandle Map(SafeFileHandle file, long bytes)
    {
        using var mapping = MemoryMappedFile.CreateFromFile(
            file, mapName: null, bytes, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: true);
        return mapping.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.ReadWrite).SafeMemoryMappedViewHandle;
    }

    /// <summary>Takes zeroed memory of this process.</summary>
    internal static SafeHandle Allocate(long bytes) => new PrivateMemory(bytes);

    /// <summary>Has changed pages of a mapping written to its file. The file is still to be flushed.</summary>
    internal static void Flush(byte* start, long bytes)
    {
        // Linux writes the pages of a shared mapping when the file is flushed.
        if (OperatingSystem.IsWindows())
        {
            if (!FlushViewOfFile(start, (nuint)bytes))
            {
                throw NotWritten();
            }
        }
        else if (OperatingSystem.IsMacOS() && Synchronize(start, (nuint)bytes, SynchronousWrite) != 0)
        {
            throw NotWritten();
        }
    }

    /// <summary>Has the system begin to read what of a mapping is not in memory yet, in large parts and without anybody waiting for it.</summary>
    internal static void Fetch(byte* start, long bytes)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            return;
        }

        // It takes no more at a time. That a part cannot be fetched is no error: its pages come one by one, as they are needed.
        const int Part = 128 << 10;
        for (long at = 0; at < bytes; at += Part)
        {
            _ = Advise(start + at, (nuint)Math.Min(Part, bytes - at), WillNeed);
        }
    }

    private const int SynchronousWrite = 0x10;
    private const int WillNeed = 3;

    private static IOException NotWritten() => new("The index could not be written to the disk: " + Marshal.GetLastPInvokeErrorMessage());

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool FlushViewOfFile(byte* start, nuint bytes);

    [LibraryImport("libc", EntryPoint = "msync", SetLastError = true)]
    private static partial int Synchronize(byte* start, nuint bytes, int flags);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(byte* start, nuint bytes, int advice);

    private sealed class PrivateMemory : SafeHandleZeroOrMinusOneIsInvalid
    {
        private readonly long _bytes;

        public PrivateMemory(long bytes)
            : base(ownsHandle: true)
        {
            _bytes = bytes;
            var start = NativeMemory.AlignedAlloc((nuint)bytes, 4096);
            NativeMemory.Clear(start, (nuint)bytes);
            SetHandle((nint)start);
            GC.AddMemoryPressure(bytes);
        }

        protected override bool ReleaseHandle()
        {
            NativeMemory.AlignedFree((void*)handle);
            GC.RemoveMemoryPressure(_bytes);
            return true;
        }
    }
}
