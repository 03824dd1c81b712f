using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>The file of an index: how it is made, whether what it says counts, and how it is left for the next boot. All of it under the directory's lock.</summary>
internal static unsafe class IndexFile
{
    internal const string Name = "index.ck";
    private const string NewName = "index.new";

    /// <summary>Maps the index that is there, if what it says counts.</summary>
    /// <param name="settings">What is wanted.</param>
    /// <param name="folder">Where it is, for the log.</param>
    /// <param name="file">The file.</param>
    /// <param name="isAnyoneThere">Whether others are using it.</param>
    /// <param name="isNew">Whether it was made just now.</param>
    /// <param name="news">What is to be logged once nothing is held.</param>
    /// <param name="reason">Why it does not count.</param>
    internal static DiskIndex? TryUse(DiskSettings settings, string folder, SafeFileHandle file, bool isAnyoneThere, bool isNew, List<Action> news, out string? reason)
    {
        reason = null;
        var length = RandomAccess.GetLength(file);
        if (length < DiskGeometry.HeaderBytes)
        {
            reason = "its index is damaged";
            return null;
        }

        var view = MappedMemory.Map(file, length);
        var isUsed = false;
        try
        {
            var start = (byte*)view.DangerousGetHandle();
            if (DiskIndex.Header.Read(start, length) is not { } geometry)
            {
                reason = "its index is damaged, or of another format";
                return null;
            }

            var boot = BootOf(settings);
            var isClean = DiskIndex.Header.IsClean(start) == 1;
            var wanted = settings.Geometry ?? geometry;
            if (!isAnyoneThere)
            {
                if (!isClean && !isNew && (boot == 0 || DiskIndex.Header.Boot(start) != boot))
                {
                    reason = "it was not closed before the machine started anew";
                    return null;
                }

                if (wanted != geometry)
                {
                    reason = "its options have changed";
                    return null;
                }
            }
            else if (wanted != geometry)
            {
                news.Add(() => settings.Logger.DiskOptionsIgnored(settings.CacheName, folder, geometry, wanted));
            }

            var index = new DiskIndex(view, geometry);
            if (isClean && index.SumOfInvalidations() != DiskIndex.Header.CleanSum(start))
            {
                reason = "its index is damaged";
                return null;
            }

            DiskIndex.Header.Boot(start) = boot;
            if (isClean)
            {
                // From now on it may differ from what is on the disk, so this must be there first.
                DiskIndex.Header.IsClean(start) = 0;
                index.Flush();
                RandomAccess.FlushToDisk(file);
            }

            if (!isAnyoneThere)
            {
                new Conjunctions(index).Repair();
                index.StreamMarks.Repair();
            }

            isUsed = true;
            return index;
        }
        finally
        {
            if (!isUsed)
            {
                view.Dispose();
            }
        }
    }

    /// <summary>Makes a new index, of a cache that has nothing. Only while nobody else is there.</summary>
    internal static void Rebuild(DiskSettings settings, DiskGeometry geometry, string folder)
    {
        var named = Path.Combine(folder, Name);
        var segments = Directory.GetFiles(folder, SegmentFiles.Pattern);

        // What is there is of no use here, but may be to whoever has made it: it goes only for what has room without it.
        var held = segments.Append(named).Where(File.Exists).Sum(static path => new FileInfo(path).Length);
        if (FileSystem.FreeBytesOf(folder) is { } free && free + held < geometry.IndexBytes)
        {
            throw DiskErrors.Full(new IOException("the index is larger than all there is"));
        }

        Array.ForEach(segments, File.Delete);

        // First, since there may be room for one only. Under another name until it is whole; and written through the file, which nobody has mapped yet.
        Insist(named, File.Delete);
        var path = Path.Combine(folder, NewName);
        File.Delete(path);
        var bytes = geometry.IndexBytes;
        using (var file = CreateAllocated(path, bytes))
        {
            var header = new byte[DiskGeometry.HeaderBytes];
            fixed (byte* start = header)
            {
                WriteHeader(start, settings, geometry);
            }

            RandomAccess.SetLength(file, bytes);
            if (!FileSystem.TryAllocate(file, folder, bytes))
            {
                // A page without a block that cannot get one later would be the end of the process.
                FillWithZeros(file, bytes);
            }

            RandomAccess.Write(file, header, 0);
            RandomAccess.FlushToDisk(file);
        }

        settings.Hook?.Invoke(DiskStep.IndexWritten);
        Insist(path, from => File.Move(from, named, overwrite: true));
        settings.Hook?.Invoke(DiskStep.IndexNamed);
    }

    /// <summary>Has everything written to the disk, and then says so in it: the next boot believes it.</summary>
    internal static void MarkClean(DiskSettings settings, DiskIndex index, SafeFileHandle file, SegmentFiles segments)
    {
        segments.Flush();
        var start = index.Start;
        DiskIndex.Header.CleanSum(start) = index.SumOfInvalidations();
        index.Flush();
        RandomAccess.FlushToDisk(file);
        settings.Hook?.Invoke(DiskStep.CloseFlushed);
        DiskIndex.Header.IsClean(start) = 1;
        index.Flush();
        RandomAccess.FlushToDisk(file);
        settings.Hook?.Invoke(DiskStep.CloseMarked);
    }

    /// <summary>Writes the header of a new index into memory that is zero.</summary>
    internal static void WriteHeader(byte* start, DiskSettings settings, DiskGeometry geometry)
    {
        DiskIndex.Header.Write(start, geometry, settings.HashSeed ?? RandomWord(), RandomWord());
        DiskIndex.Header.Boot(start) = BootOf(settings);
    }

    private static SafeFileHandle CreateAllocated(string path, long bytes)
    {
        try
        {
            return File.OpenHandle(
                path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.None, preallocationSize: bytes);
        }
        catch (IOException exception) when (DiskErrors.IsOfAllocation(exception))
        {
            throw DiskErrors.Full(exception);
        }
    }

    private static ulong BootOf(DiskSettings settings) =>
        settings.Boot is { } boot ? Mix64.Of(Encoding.UTF8.GetBytes(boot), 0) | 1 : 0;

    private static ulong RandomWord() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));

    private static void FillWithZeros(SafeFileHandle file, long bytes)
    {
        var zeros = new byte[1 << 20];
        for (long at = 0; at < bytes; at += zeros.Length)
        {
            RandomAccess.Write(file, zeros.AsSpan(0, (int)Math.Min(zeros.Length, bytes - at)), at);
        }
    }

    private static void Insist(string path, Action<string> change)
    {
        try
        {
            change(path);
        }
        catch (Exception exception) when (OperatingSystem.IsWindows() && exception is IOException or UnauthorizedAccessException)
        {
            // A store of this process that was disposed, but not collected, still has the old one mapped.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            change(path);
        }
    }
}
