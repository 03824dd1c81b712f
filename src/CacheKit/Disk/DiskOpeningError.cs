using System.Globalization;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>Says why a disk cache cannot be opened, and what to do about it.</summary>
internal static class DiskOpeningError
{
    /// <summary>The error of a directory that cannot be used.</summary>
    internal static CacheStoreException Of(DiskSettings settings, Exception cause)
    {
        var full = Path.GetFullPath(settings.Path);
        var nearest = NearestThatExists(full);
        var remedy = cause switch
        {
            _ when nearest is not null && !Directory.Exists(nearest) => $"'{nearest}' is a file. Choose another directory, or remove the file.",
            UnauthorizedAccessException => $"{(nearest is null ? null : FileSystem.RightsOf(nearest))}Give the process the right to write there, or choose another directory.",
            IOException error when DiskErrors.IsReadOnly(error) => "Its file system can only be read. Choose another directory, or have it mounted for writing.",
            IOException error when DiskErrors.IsFull(error) => $"{RoomOf(settings, nearest)}Free some space, or {(CanBeLess(settings) ? "set DiskOptions.MaximumBytes to less" : "choose another directory")}.",
            IOException error when DiskErrors.IsOutOfHandles(error) => "Allow the process to have more files open.",
            _ when nearest != full => $"{(nearest is null ? null : $"Of its path there is '{nearest}'{FileSystem.KindOf(nearest)}. ")}Choose a directory that exists or can be created.",
            _ => "Try again; if it lasts, choose another directory.",
        };
        return new($"The disk cache cannot be opened in '{full}': {cause.Message.TrimEnd('.')}. {remedy}", StoreFailure.Permanent, cause);
    }

    private static bool CanBeLess(DiskSettings settings) => settings.Geometry is { } geometry && geometry.DataBytes + geometry.IndexBytes > DiskGeometry.LeastBytes;

    /// <summary>The error of a cache that is only to be looked into.</summary>
    internal static CacheStoreException Refused(DiskSettings settings, string why) =>
        new($"There is no disk cache '{settings.CacheName}' to look into in '{Path.GetFullPath(settings.Path)}'. {why}", StoreFailure.Permanent);

    /// <summary>A sentence on how much is free, and how much it takes to open: entries make do with what is left.</summary>
    private static string? RoomOf(DiskSettings settings, string? existing) =>
        existing is null || settings.Geometry is not { } geometry || FileSystem.FreeBytesOf(existing) is not { } free ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{free:N0} bytes are free there, and the index for entries of {geometry.DataBytes:N0} bytes takes {geometry.IndexBytes:N0}. ");

    /// <summary>The path, or what there is of it.</summary>
    private static string? NearestThatExists(string path)
    {
        var existing = path;
        while (existing is { Length: > 0 } && !Path.Exists(existing))
        {
            existing = Path.GetDirectoryName(existing);
        }

        return existing;
    }
}
