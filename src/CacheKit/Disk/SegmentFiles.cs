using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>The files of the log: each holds one segment at a time, and is used again when the log comes round.</summary>
/// <remarks>
/// Only read and written at addresses, never mapped: a page that cannot be read is an error here, and the death of the process there, and
/// a slow one would hold up garbage collection. Handles are shared by all threads and stay open.
/// </remarks>
internal sealed class SegmentFiles(string folder, DiskGeometry geometry, Action<DiskStep>? hook = null) : IDisposable
{
    internal const string Pattern = "seg*.ck";

    private readonly SafeFileHandle?[] _files = new SafeFileHandle?[geometry.SegmentCount];
    private readonly Lock _opening = new();
    private readonly int _segmentShift = geometry.SegmentShift;
    private bool _isDisposed;
    private int _firstUnseen;
    private long _freeBytesBefore = -1;

    internal string Folder => folder;

    /// <summary>How much room the disk has; 0 if that cannot be told.</summary>
    internal long FreeBytes => FileSystem.FreeBytesOf(folder) ?? 0;

    /// <summary>How much room the disk had before a file was last created, or could not be; <see langword="null"/> if none was.</summary>
    internal long? FreeBytesBefore => Volatile.Read(ref _freeBytesBefore) is >= 0 and var free ? free : null;

    /// <summary>Reads up to the end of the segment.</summary>
    /// <returns>How many bytes there were.</returns>
    internal int Read(long address, Span<byte> into)
    {
        if (!TryOpen(address, create: false, out var file))
        {
            return 0;
        }

        var offset = OffsetOf(address);
        into = into[..(int)Math.Min(into.Length, geometry.SegmentBytes - offset)];
        var read = 0;
        while (read < into.Length && FileAtOffset.Read(file, into[read..], offset + read) is > 0 and var count)
        {
            read += count;
        }

        return read;
    }

    /// <summary>Whether every segment has a file, as far as this one has seen: costs next to nothing once that is so, and till then a look for the first that has none.</summary>
    internal bool AreAllThere
    {
        get
        {
            var number = Volatile.Read(ref _firstUnseen);
            while (number < _files.Length && (Volatile.Read(ref _files[number]) is not null || File.Exists(PathOf(number))))
            {
                number++;
            }

            Volatile.Write(ref _firstUnseen, number);
            return number == _files.Length;
        }
    }

    /// <summary>Makes sure that a segment has a file with room for all of it.</summary>
    /// <returns>Whether it was given one that it did not have.</returns>
    /// <exception cref="IOException">There is no room, or no folder.</exception>
    internal bool Prepare(long address)
    {
        var number = NumberOf(address);
        return Volatile.Read(ref _files[number]) is null && TryOpenFile(number, create: true, out _, out var isNew) && isNew;
    }

    /// <summary>Gives a segment that has no file one, before the log comes to it.</summary>
    /// <returns>Whether one was missing, and is there now.</returns>
    /// <exception cref="IOException">There is no room, or no folder.</exception>
    internal bool TryPrepareMissing() => !AreAllThere && Prepare(Volatile.Read(ref _firstUnseen) * geometry.SegmentBytes);

    internal void Write(long address, ReadOnlySpan<byte> bytes)
    {
        TryOpen(address, create: true, out var file);
        FileAtOffset.Write(file!, bytes, OffsetOf(address)); // there since it was created
    }

    /// <summary>Has all segments written to the disk, also what other processes wrote.</summary>
    internal void Flush()
    {
        for (var number = 0; number < _files.Length; number++)
        {
            if (TryOpen(number * geometry.SegmentBytes, create: false, out var file))
            {
                RandomAccess.FlushToDisk(file);
            }
        }
    }

    /// <summary>How many segments have a file, and how many bytes these take.</summary>
    internal (int Count, long Bytes) Measure()
    {
        var files = new DirectoryInfo(folder).GetFiles(Pattern);
        return (files.Length, files.Sum(static file => file.Length));
    }

    public void Dispose()
    {
        lock (_opening)
        {
            _isDisposed = true;
            foreach (var file in _files)
            {
                file?.Dispose();
            }
        }
    }

    private int NumberOf(long address)
    {
        var segment = address >> _segmentShift;
        return segment <= uint.MaxValue ? (int)((uint)segment % (uint)_files.Length) : (int)(segment % _files.Length);
    }

    private long OffsetOf(long address) => address & (geometry.SegmentBytes - 1);

    private string PathOf(int number) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"seg{number:D5}.ck"));

    private bool TryOpen(long address, bool create, [NotNullWhen(true)] out SafeFileHandle? file)
    {
        var number = NumberOf(address);
        file = Volatile.Read(ref _files[number]);
        return file is not null || TryOpenFile(number, create, out file, out _);
    }

    private bool TryOpenFile(int number, bool create, [NotNullWhen(true)] out SafeFileHandle? file, out bool isNew)
    {
        isNew = false;
        lock (_opening)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if ((file = _files[number]) is not null)
            {
                return true;
            }

            var path = PathOf(number);
            if (!File.Exists(path))
            {
                if (!create)
                {
                    return false;
                }

                file = Create(path);
                isNew = file is not null;
            }

            Volatile.Write(ref _files[number], file ??= Open(path, FileMode.Open, 0));
            return true;
        }
    }

    private SafeFileHandle? Create(string path)
    {
        SafeFileHandle? file = null;
        Volatile.Write(ref _freeBytesBefore, FreeBytes);
        try
        {
            hook?.Invoke(DiskStep.Creating);

            // With its blocks, so that the disk cannot become full in the middle of it.
            file = Open(path, FileMode.CreateNew, geometry.SegmentBytes);
            RandomAccess.SetLength(file, geometry.SegmentBytes);
            return file;
        }
        catch (IOException exception)
        {
            if (file is not null)
            {
                file.Dispose();
                File.Delete(path);
            }
            else if (File.Exists(path))
            {
                return null; // another process was faster
            }

            throw DiskErrors.IsOfAllocation(exception) ? DiskErrors.Full(exception) : exception;
        }
    }

    private static SafeFileHandle Open(string path, FileMode mode, long preallocate)
    {
        var file = File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.None, preallocate);
        FileAtOffset.SkipAccessTime(file);
        return file;
    }
}
