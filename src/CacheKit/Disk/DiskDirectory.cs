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

    private readonly DiskSettings _settings;
    private readonly string _folder;
    private readonly SafeFileHandle? _indexFile;
    private readonly FileLock _lock;
    private int _isGoneTold;

    private DiskDirectory(DiskSettings settings, string folder, DiskIndex index, SafeFileHandle? indexFile, FileLock ownLock)
    {
        _settings = settings;
        _folder = folder;
        _indexFile = indexFile;
        _lock = ownLock;
        Index = index;
        Files = new(folder, index.Geometry, settings.Hook);
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
        var folder = CacheFolder.Of(settings.Path, settings.CacheName);
        try
        {
            if (settings.Geometry is null)
            {
                return OpenExisting(settings, Path.Combine(folder, FormatFolder));
            }

            if (!settings.IsShared)
            {
                return OpenPrivate(settings, settings.Geometry, folder);
            }

            if (OpenShared(settings, settings.Geometry, folder, out var reason) is { } shared)
            {
                return shared;
            }

            var alone = OpenPrivate(settings, settings.Geometry, folder);
            settings.Logger.DiskNotShared(settings.CacheName, alone.Folder, reason.TrimEnd('.'));
            return alone;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw DiskOpeningError.Of(settings, exception);
        }
    }

    /// <summary>Whether somebody has deleted it while it is used, or what is there by now is another one. Waits for the disk.</summary>
    internal bool IsGone()
    {
        try
        {
            if (_indexFile is null)
            {
                return !File.GetAttributes(_folder).HasFlag(FileAttributes.Directory);
            }

            using var file = File.OpenHandle(Path.Combine(_folder, IndexFile.Name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return DiskIndex.Header.ReadStoreId(file) != Index.StoreId;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false; // as far as one can see
        }
    }

    /// <summary>Tells that it is gone, unless that was told.</summary>
    internal void TellGone()
    {
        if (Interlocked.Exchange(ref _isGoneTold, 1) == 0)
        {
            _settings.Logger.DiskIsGone(_settings.CacheName, _folder);
        }
    }

    /// <summary>Closes the files. Whoever is the last leaves everything on the disk, for the next boot.</summary>
    internal void Close()
    {
        try
        {
            if (IsGone())
            {
                TellGone();
            }
            else if (_indexFile is null)
            {
                Files.Dispose();
                PrivateFolder.Remove(_folder, _lock);
            }
            else if (_settings.FlushOnClose)
            {
                using var opening = FileLock.Take(Path.Combine(_folder, OpenLockFile));
                if (opening is not null && !ProcessLocks.IsAnyHeld(_folder, _lock))
                {
                    IndexFile.MarkClean(_settings, Index, _indexFile, Files);
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
            File.GetAttributes(Path.Combine(folder, IndexFile.Name));
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
        return TryAttach(settings, folder, isAnyoneThere, isNew: false, [], out reason)
            ?? throw DiskOpeningError.Refused(settings, $"What is there does not count any more, because {reason ?? "its index is gone"}.");
    }

    /// <summary>Opens the folder that all processes share.</summary>
    /// <returns><see langword="null"/> if that cannot be, for a reason.</returns>
    private static DiskDirectory? OpenShared(DiskSettings settings, DiskGeometry geometry, string folder, out string reason)
    {
        try
        {
            var shared = Path.Combine(folder, FormatFolder);
            CacheFolder.Create(folder);
            Directory.CreateDirectory(Path.Combine(shared, ProcessLocks.Folder));
            var known = FileSystem.ReasonNotToShare(shared);
            List<Action> news = [];
            var opened = known is null ? TryOpenShared(settings, geometry, shared, news, out known) : null;
            reason = known ?? "it cannot be";

            // Now that others may open it, too: a logger is somebody else's code.
            news.ForEach(static tell => tell());
            return opened;
        }
        catch (UnauthorizedAccessException exception) when (Directory.Exists(folder))
        {
            reason = "its files are another user's: " + exception.Message;
            return null;
        }
    }

    private static DiskDirectory? TryOpenShared(DiskSettings settings, DiskGeometry geometry, string folder, List<Action> news, out string? reason)
    {
        using var opening = TakeTurn(folder);
        if (!FileLock.IsHeld(Path.Combine(folder, OpenLockFile)))
        {
            reason = "locks on its files have no effect";
            return null;
        }

        settings.Hook?.Invoke(DiskStep.OpenLocked);
        var isAnyoneThere = ProcessLocks.IsAnyHeld(folder);
        if (TryAttach(settings, folder, isAnyoneThere, isNew: false, news, out reason) is { } attached)
        {
            return attached;
        }

        if (isAnyoneThere)
        {
            reason = "its index is damaged, and other processes are using it";
            return null;
        }

        if (reason is { } why)
        {
            news.Add(() => settings.Logger.DiskStartsEmpty(settings.CacheName, why));
        }

        IndexFile.Rebuild(settings, geometry, folder);
        return TryAttach(settings, folder, isAnyoneThere: false, isNew: true, news, out reason)
            ?? throw new IOException("The index that was just created cannot be read.");
    }

    /// <summary>Waits until nobody else opens or closes it.</summary>
    private static FileLock TakeTurn(string folder) => FileLock.TakeTurn(Path.Combine(folder, OpenLockFile));

    /// <summary>Uses the files that are there, if they count.</summary>
    /// <returns><see langword="null"/> if there are none, or they do not, which has a reason.</returns>
    private static DiskDirectory? TryAttach(DiskSettings settings, string folder, bool isAnyoneThere, bool isNew, List<Action> news, out string? reason)
    {
        reason = null;
        var path = Path.Combine(folder, IndexFile.Name);
        if (!File.Exists(path))
        {
            return null;
        }

        var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        DiskDirectory? attached = null;
        try
        {
            if (IndexFile.TryUse(settings, folder, file, isAnyoneThere, isNew, news, out reason) is { } index)
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

    private static DiskDirectory OpenPrivate(DiskSettings settings, DiskGeometry geometry, string folder)
    {
        var (own, ownLock) = CreatePrivate(settings, folder);
        var memory = MappedMemory.Allocate(geometry.IndexBytes);
        IndexFile.WriteHeader((byte*)memory.DangerousGetHandle(), settings, geometry);
        return new(settings, own, new(memory, geometry), indexFile: null, ownLock);
    }

    private static (string Folder, FileLock Lock) CreatePrivate(DiskSettings settings, string folder)
    {
        try
        {
            return PrivateFolder.Create(folder, settings.Hook);
        }
        catch (UnauthorizedAccessException) when (Directory.Exists(folder))
        {
            // It is another user's, who began with the directory. Where that lets others create folders, there is room beside.
            return PrivateFolder.CreateBeside(folder, settings.Hook);
        }
    }
}
