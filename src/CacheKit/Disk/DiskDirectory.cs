using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CacheKit.Stores;
using Microsoft.Win32.SafeHandles;

namespace CacheKit.Disk;

/// <summary>The files of one cache, opened: shared with other processes, or in a folder that only this store uses.</summary>
/// <remarks>
/// <para>Within one boot of the machine the index is what its last writer saw, however that process ended, because the system keeps the
/// pages. After a boot it is only if it was closed cleanly; else the cache starts empty.</para>
/// <para>Opening and closing are done under a lock, one process after the other. Nothing else ever waits for another process.</para>
/// </remarks>
internal sealed unsafe class DiskDirectory
{
    // What a change of format changes, so that old and new versions can run beside each other.
    internal const string FormatFolder = "v1";
    internal const string OpenLockFile = "open.lock";
    internal const string IndexFile = "index.ck";
    internal const string PrivatePrefix = "private-";
    internal const string PrivateOpenLockFile = "private.lock";
    private const string NewIndexFile = "index.new";
    private const string PrivateLockFile = "lock";

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(15);

    private readonly DiskSettings _settings;
    private readonly string _folder;
    private readonly SafeFileHandle? _indexFile;
    private readonly FileLock _lock;

    private DiskDirectory(DiskSettings settings, string folder, DiskIndex index, SafeFileHandle? indexFile, FileLock ownLock)
    {
        _settings = settings;
        _folder = folder;
        _indexFile = indexFile;
        _lock = ownLock;
        Index = index;
        Files = new(folder, index.Geometry);
    }

    internal DiskIndex Index { get; }

    internal SegmentFiles Files { get; }

    internal string Folder => _folder;

    /// <summary>Whether other processes may use it at the same time, and it is still there at the next start.</summary>
    internal bool IsShared => _indexFile is not null;

    /// <summary>Opens the files of a cache, creating what is missing.</summary>
    /// <exception cref="CacheStoreException">It is impossible; the message says why.</exception>
    internal static DiskDirectory Open(DiskSettings settings)
    {
        var folder = FolderOf(settings.Path, settings.CacheName);
        try
        {
            if (settings.Geometry is null)
            {
                return OpenExisting(settings, Path.Combine(folder, FormatFolder));
            }

            if (settings.IsShared)
            {
                var shared = Path.Combine(folder, FormatFolder);
                string? reason;
                try
                {
                    Directory.CreateDirectory(Path.Combine(shared, ProcessLocks.Folder));
                    reason = FileSystem.ReasonNotToShare(shared);
                    if (reason is null && TryOpenShared(settings, settings.Geometry, shared, out reason) is { } opened)
                    {
                        return opened;
                    }
                }
                catch (UnauthorizedAccessException exception)
                {
                    // Perhaps only the files are another user's.
                    reason = exception.Message;
                }

                settings.Logger.DiskNotShared(settings.CacheName, folder, reason ?? "it cannot be");
            }

            return OpenPrivate(settings, settings.Geometry, folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw DiskOpeningError.Of(settings.Path, exception);
        }
    }

    /// <summary>The folder of one cache: readable where the name allows, and its own in any case.</summary>
    internal static string FolderOf(string path, string cacheName)
    {
        var readable = new string([.. cacheName.Select(static c => char.IsAsciiLetterOrDigit(c) ? char.ToLowerInvariant(c) : '-').Take(32)]);
        var unique = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(cacheName)).AsSpan(0, 8));
        return Path.Combine(Path.GetFullPath(path), $"{readable}-{unique}");
    }

    /// <summary>Closes the files. Whoever is the last leaves everything on the disk, for the next boot.</summary>
    internal void Close()
    {
        try
        {
            if (_indexFile is null)
            {
                Files.Dispose();
                using var opening = TakePrivateTurn(Path.GetDirectoryName(_folder)!); // it is in the cache's
                _lock.Dispose();
                Directory.Delete(_folder, recursive: true);
            }
            else if (_settings.FlushOnClose)
            {
                using var opening = FileLock.Take(Path.Combine(_folder, OpenLockFile), _patience);
                if (opening is not null && !ProcessLocks.IsAnyHeld(_folder, _lock))
                {
                    MarkClean(_indexFile);
                }

                _lock.Dispose();
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _settings.Logger.DiskNotClosed(_settings.CacheName, _folder, exception);
        }
        finally
        {
            _lock.Dispose();
            Files.Dispose();
            _indexFile?.Dispose();
        }
    }

    /// <summary>Opens what is there, with the sizes it has, and leaves it as it is if it does not count any more.</summary>
    private static DiskDirectory OpenExisting(DiskSettings settings, string folder)
    {
        try
        {
            // Not whether it exists, which it does not seem to where it may not be seen.
            File.GetAttributes(Path.Combine(folder, IndexFile));
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw DiskOpeningError.Refused(settings, "Processes share none of that name there.");
        }

        if (FileSystem.ReasonNotToShare(folder) is { } reason)
        {
            throw DiskOpeningError.Refused(settings, $"Only the process that uses it can look into it, because {reason}.");
        }

        using var opening = TakeTurn(folder);
        var isAnyoneThere = ProcessLocks.IsAnyHeld(folder);
        return TryAttach(settings, folder, isAnyoneThere, isNew: false, out reason)
            ?? throw DiskOpeningError.Refused(settings, $"What is there does not count any more, because {reason ?? "its index is gone"}.");
    }

    private static DiskDirectory? TryOpenShared(DiskSettings settings, DiskGeometry geometry, string folder, out string? reason)
    {
        using var opening = TakeTurn(folder);
        using (var second = FileLock.TryTake(Path.Combine(folder, OpenLockFile)))
        {
            if (second is not null)
            {
                reason = "locks on its files have no effect";
                return null;
            }
        }

        settings.Hook?.Invoke(DiskStep.OpenLocked);
        var isAnyoneThere = ProcessLocks.IsAnyHeld(folder);
        if (TryAttach(settings, folder, isAnyoneThere, isNew: false, out reason) is { } attached)
        {
            return attached;
        }

        if (isAnyoneThere)
        {
            reason = "its index is damaged, and other processes are using it";
            return null;
        }

        if (reason is not null)
        {
            settings.Logger.DiskStartsEmpty(settings.CacheName, reason);
        }

        Rebuild(settings, geometry, folder);
        return TryAttach(settings, folder, isAnyoneThere: false, isNew: true, out reason)
            ?? throw new IOException("The index that was just created cannot be read.");
    }

    /// <summary>Waits until nobody else opens or closes it.</summary>
    private static FileLock TakeTurn(string folder) => FileLock.Take(Path.Combine(folder, OpenLockFile), _patience) ?? throw HeldForLong();

    /// <summary>Uses the files that are there, if they count.</summary>
    /// <returns><see langword="null"/> if there are none, or they do not, which has a reason.</returns>
    private static DiskDirectory? TryAttach(DiskSettings settings, string folder, bool isAnyoneThere, bool isNew, out string? reason)
    {
        reason = null;
        var path = Path.Combine(folder, IndexFile);
        if (!File.Exists(path))
        {
            return null;
        }

        var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        DiskDirectory? attached = null;
        try
        {
            if (TryUse(settings, file, isAnyoneThere, isNew, out reason) is { } index)
            {
                attached = new(settings, folder, index, file, ProcessLocks.Register(folder));
            }

            return attached;
        }
        finally
        {
            if (attached is null)
            {
                file.Dispose();
            }
        }
    }

    private static DiskIndex? TryUse(DiskSettings settings, SafeFileHandle file, bool isAnyoneThere, bool isNew, out string? reason)
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
            var isAsWanted = settings.Geometry is null || settings.Geometry == geometry;
            if (!isAnyoneThere)
            {
                if (!isClean && !isNew && (boot == 0 || DiskIndex.Header.Boot(start) != boot))
                {
                    reason = "it was not closed before the machine started anew";
                    return null;
                }

                if (!isAsWanted)
                {
                    reason = "its options have changed";
                    return null;
                }
            }
            else if (!isAsWanted)
            {
                settings.Logger.DiskOptionsIgnored(settings.CacheName);
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

    private static ulong BootOf(DiskSettings settings) =>
        settings.Boot is { } boot ? Mix64.Of(Encoding.UTF8.GetBytes(boot), 0) | 1 : 0;

    private static void Rebuild(DiskSettings settings, DiskGeometry geometry, string folder)
    {
        foreach (var segment in Directory.GetFiles(folder, SegmentFiles.Pattern))
        {
            File.Delete(segment);
        }

        // First, since there may be room for one only. Under another name until it is whole; and written through the file, which nobody has mapped yet.
        var named = Path.Combine(folder, IndexFile);
        Insist(named, File.Delete);
        var path = Path.Combine(folder, NewIndexFile);
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

    private static void WriteHeader(byte* start, DiskSettings settings, DiskGeometry geometry)
    {
        DiskIndex.Header.Write(start, geometry, settings.HashSeed ?? RandomWord(), RandomWord());
        DiskIndex.Header.Boot(start) = BootOf(settings);
    }

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

    private static DiskDirectory OpenPrivate(DiskSettings settings, DiskGeometry geometry, string folder)
    {
        Directory.CreateDirectory(folder);

        // One after the other: a folder whose lock is not taken yet looks like one that was left behind.
        using var opening = TakePrivateTurn(folder);
        settings.Hook?.Invoke(DiskStep.OpenLocked);
        var own = Path.Combine(folder, PrivatePrefix + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(own);
        var lockPath = Path.Combine(own, PrivateLockFile);
        var ownLock = FileLock.TryTake(lockPath) ?? throw new IOException($"'{lockPath}' cannot be locked.");
        using (var second = FileLock.TryTake(lockPath))
        {
            // Where locks have no effect, nobody can tell an orphan from a folder that is in use.
            if (opening is not null && second is null)
            {
                RemoveOrphans(folder);
            }
        }

        var memory = MappedMemory.Allocate(geometry.IndexBytes);
        WriteHeader((byte*)memory.DangerousGetHandle(), settings, geometry);
        return new(settings, own, new(memory, geometry), indexFile: null, ownLock);
    }

    /// <summary>Waits until nobody else creates or removes private folders.</summary>
    /// <returns><see langword="null"/> if the lock is another user's: then their folders and one's own are safe from each other.</returns>
    private static FileLock? TakePrivateTurn(string folder)
    {
        try
        {
            return FileLock.Take(Path.Combine(folder, PrivateOpenLockFile), _patience) ?? throw HeldForLong();
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static IOException HeldForLong() => new(string.Create(
        CultureInfo.InvariantCulture, $"Another process has been opening or closing it for more than {_patience.TotalSeconds} seconds."));

    private static void RemoveOrphans(string folder)
    {
        foreach (var orphan in Directory.GetDirectories(folder, PrivatePrefix + "*"))
        {
            try
            {
                var taken = FileLock.TryTake(Path.Combine(orphan, PrivateLockFile), FileMode.Open);
                if (taken is not null)
                {
                    taken.Dispose();
                    Directory.Delete(orphan, recursive: true);
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It is another user's, or in use where that keeps it from being removed.
            }
        }
    }

    private void MarkClean(SafeFileHandle file)
    {
        Files.Flush();
        var start = Index.Start;
        DiskIndex.Header.CleanSum(start) = Index.SumOfInvalidations();
        Index.Flush();
        RandomAccess.FlushToDisk(file);
        _settings.Hook?.Invoke(DiskStep.CloseFlushed);
        DiskIndex.Header.IsClean(start) = 1;
        Index.Flush();
        RandomAccess.FlushToDisk(file);
        _settings.Hook?.Invoke(DiskStep.CloseMarked);
    }
}
