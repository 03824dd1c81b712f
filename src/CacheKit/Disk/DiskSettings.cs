using Microsoft.Extensions.Logging;

namespace CacheKit.Disk;

/// <summary>What a disk store is opened with, once options are checked and sizes computed.</summary>
/// <remarks>Its values are fields, which nobody changes once it is made: whoever opens a directory waits until every accessor that is called has been compiled.</remarks>
internal sealed record DiskSettings
{
    /// <summary>The folder of all caches of the application; those of others may be in it, too.</summary>
    internal required string Path;

    internal required string CacheName;

    /// <summary>The sizes of what is created; <see langword="null"/> to open only what exists, with the sizes it has.</summary>
    internal required DiskGeometry? Geometry;

    internal required TimeProvider TimeProvider;

    internal required ILogger Logger;

    /// <summary>Whether to share the folder with other processes where that is safe.</summary>
    internal bool IsShared = true;

    /// <summary>Runs work in the background.</summary>
    internal Action<Action> Schedule = static work => ThreadPool.UnsafeQueueUserWorkItem(static work => work(), work, preferLocal: false);

    /// <summary>Tells tests where an operation is. It may throw, or never return.</summary>
    internal Action<DiskStep>? Hook;

    /// <summary>Off only where a test shows that it would notice.</summary>
    internal bool VerifySums = true;

    /// <summary>Off only where a test shows that it would notice.</summary>
    internal bool RaiseFences = true;

    /// <summary>Whether the files may be left by the last process without being on the disk: then the next boot starts empty.</summary>
    internal bool FlushOnClose = true;

    /// <summary>Seeds the hashes of keys and tags of a cache that is created; at random if not set. A test sets it so that chance plays no part.</summary>
    internal ulong? HashSeed;

    /// <summary>Identifies the boot of the machine; <see langword="null"/> if that cannot be told.</summary>
    internal string? Boot = BootIdentity.Current;
}
