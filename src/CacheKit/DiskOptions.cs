namespace CacheKit;

/// <summary>Where a cache keeps entries on disk, and how much.</summary>
public sealed class DiskOptions
{
    /// <summary>
    /// The directory. It is created if it is missing, and each cache has a folder of its own in it; nothing else there is touched. A relative
    /// path begins at the current directory of the process.
    /// </summary>
    /// <value>Not empty.</value>
    public string Path { get; set; } = "";

    /// <summary>The most bytes on disk at any instant, the index included. Default: 1 GiB.</summary>
    /// <value>16 MiB to 1 TiB. An entry may take about a ninth of it: an eighth of what the index leaves.</value>
    /// <remarks>
    /// The sizes are fixed when the files are created. The first process that opens them with another value, while no other process has
    /// them open, starts empty.
    /// </remarks>
    public long MaximumBytes { get; set; } = 1L << 30;

    /// <summary>
    /// About how many bytes an entry takes, with its key and about 100 bytes for upkeep. It decides how many entries the index has room for.
    /// Default: 1,024.
    /// </summary>
    /// <value>64 to 64 MiB.</value>
    /// <remarks>
    /// The index takes 16 to 32 bytes for each entry that is expected, of memory that all processes share. If there are twice as many as
    /// expected, the index evicts entries for which the disk would have had room.
    /// </remarks>
    public int ExpectedEntryBytes { get; set; } = 1024;

    /// <summary>
    /// About how many different tags are invalidated while an entry lives. Up to so many, fewer than one in a hundred invalidations removes an
    /// entry without need. Default: 100,000, or fewer in a cache that is expected to hold fewer than 400,000 entries.
    /// </summary>
    /// <value>100 to 10,000,000. Each takes 80 to 160 bytes of the index.</value>
    public int? ExpectedTags { get; set; }

    /// <summary>
    /// Whether other processes may use the same directory and see the same entries, and the entries outlive the process. Default: on. Where locks or
    /// memory cannot be shared through files, such as on network file systems, it is off in any case, which is logged.
    /// </summary>
    public bool IsShared { get; set; } = true;

    /// <summary>How the cache uses this store.</summary>
    public CacheStoreOptions Store { get; } = new();
}
