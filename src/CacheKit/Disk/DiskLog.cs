using Microsoft.Extensions.Logging;

namespace CacheKit.Disk;

/// <summary>What a disk store tells an operator.</summary>
internal static partial class DiskLog
{
    [LoggerMessage(200, LogLevel.Warning, "Cache '{Cache}': the disk cache in '{Folder}' is not shared with other processes and does not outlive this one, because {Reason}.")]
    internal static partial void DiskNotShared(this ILogger logger, string cache, string folder, string reason);

    [LoggerMessage(201, LogLevel.Information, "Cache '{Cache}': the disk cache starts empty, because {Reason}.")]
    internal static partial void DiskStartsEmpty(this ILogger logger, string cache, string reason);

    [LoggerMessage(202, LogLevel.Warning, "Cache '{Cache}': the disk cache in '{Folder}' keeps the sizes it was created with, {There}, because somebody has it open; the options here ask for {Wanted}. Give all who open it the same options.")]
    internal static partial void DiskOptionsIgnored(this ILogger logger, string cache, string folder, DiskGeometry there, DiskGeometry wanted);

    [LoggerMessage(203, LogLevel.Warning, "Cache '{Cache}': the disk cache in '{Folder}' could not be closed cleanly. It is complete unless the machine stops without notice.")]
    internal static partial void DiskNotClosed(this ILogger logger, string cache, string folder, Exception exception);

    [LoggerMessage(205, LogLevel.Warning, "Cache '{Cache}': the disk, or this user's share of it, has no room for all of the disk cache in '{Folder}', which grows by {Segment:N0} bytes at a time: {Free:N0} were free on the disk. It goes on with {Bytes:N0} of {Maximum:N0} bytes.")]
    internal static partial void DiskIsFull(this ILogger logger, string cache, string folder, long segment, long free, long bytes, long maximum);

    [LoggerMessage(206, LogLevel.Information, "Cache '{Cache}': the disk has room again for the disk cache in '{Folder}'.")]
    internal static partial void DiskHasRoom(this ILogger logger, string cache, string folder);

    [LoggerMessage(207, LogLevel.Error, "Cache '{Cache}': the directory of the disk cache, '{Folder}', was deleted or replaced while it was in use. Nothing is read from it or written to it any more; the next start begins a new one.")]
    internal static partial void DiskIsGone(this ILogger logger, string cache, string folder);

    [LoggerMessage(204, LogLevel.Error, "Cache '{Cache}': making room in the disk cache failed unexpectedly. It goes on by dropping the oldest entries.")]
    internal static partial void DiskReclaimFailed(this ILogger logger, string cache, Exception exception);
}
