namespace CacheKit.Disk;

/// <summary>A folder that only one store uses, and that goes with it.</summary>
internal static class PrivateFolder
{
    internal const string Prefix = "private-";
    internal const string OpenLockFile = "private.lock";
    private const string LockFile = "lock";

    /// <summary>Where a user's private folders go if the folder of the cache is another user's: beside that.</summary>
    internal static string Beside(string folder) => folder + "-of-" + FileSystem.User;

    /// <summary>Creates one beside the folder of a cache that is another user's.</summary>
    /// <exception cref="UnauthorizedAccessException">What has that name already is not this user's: it would be theirs to say what is in it.</exception>
    internal static (string Folder, FileLock Lock) CreateBeside(string folder, Action<DiskStep>? hook)
    {
        var beside = Beside(folder);
        if (!Path.Exists(beside) && new FileInfo(beside).LinkTarget is null)
        {
            CacheFolder.Create(beside);
        }

        // Whoever may create folders here could have been first, since the name can be guessed.
        return FileSystem.IsOwnFolder(beside) ? Create(beside, hook) : throw new UnauthorizedAccessException(
            $"'{folder}' is another user's, and '{beside}', which would be used instead, is a link, no folder or another user's, too. Whoever may should remove it.");
    }

    /// <summary>Creates one, and removes those that processes of this user have left which died.</summary>
    internal static (string Folder, FileLock Lock) Create(string parent, Action<DiskStep>? hook)
    {
        CacheFolder.Create(parent);

        // One after the other: a folder whose lock is not taken yet looks like one that was left behind.
        using var opening = TakeTurn(parent);
        hook?.Invoke(DiskStep.OpenLocked);
        var own = Path.Combine(parent, Prefix + Guid.NewGuid().ToString("N"));
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(own);
        }
        else
        {
            // Nobody is meant to share it, whoever may enter the folder it is in.
            Directory.CreateDirectory(own, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        var lockPath = Path.Combine(own, LockFile);
        var ownLock = FileLock.TryTake(lockPath) ?? throw new IOException($"'{lockPath}' cannot be locked.");

        // Where locks have no effect, nobody can tell an orphan from a folder that is in use.
        if (opening is not null && FileLock.IsHeld(lockPath))
        {
            RemoveOrphans(parent, own);
        }

        return (own, ownLock);
    }

    /// <summary>Removes one whose files are closed.</summary>
    internal static void Remove(string own, FileLock ownLock)
    {
        using var opening = TakeTurn(Path.GetDirectoryName(own)!); // it was created in a folder
        ownLock.Dispose();
        Directory.Delete(own, recursive: true);
    }

    /// <summary>Waits until nobody else creates or removes private folders.</summary>
    /// <returns><see langword="null"/> if the lock is another user's. Their folders and one's own are safe from each other in any case.</returns>
    private static FileLock? TakeTurn(string parent)
    {
        try
        {
            return FileLock.TakeTurn(Path.Combine(parent, OpenLockFile));
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void RemoveOrphans(string parent, string own)
    {
        foreach (var orphan in Directory.GetDirectories(parent, Prefix + "*"))
        {
            try
            {
                // One that is another user's may have been created just now, and not be locked yet: users need not take turns.
                var taken = FileSystem.HaveOneOwner(orphan, own) ? FileLock.TryTake(Path.Combine(orphan, LockFile), FileMode.Open) : null;
                if (taken is not null)
                {
                    taken.Dispose();
                    Directory.Delete(orphan, recursive: true);
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It is in use where that keeps it from being removed, or is gone.
            }
        }
    }
}
