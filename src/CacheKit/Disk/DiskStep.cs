namespace CacheKit.Disk;

/// <summary>Where in an operation a test may stop, or kill, the process.</summary>
internal enum DiskStep
{
    /// <summary>A place in the log is taken, nothing is written.</summary>
    Allocated,

    /// <summary>A segment was opened by moving the tail into it.</summary>
    SegmentOpened,

    /// <summary>A segment is about to be given a file.</summary>
    Creating,

    /// <summary>The place was found to be still in the log, and is about to be written.</summary>
    Writing,

    /// <summary>A record is in the log, and no slot points to it.</summary>
    Written,

    /// <summary>The entry in the slot may be replaced, and the fence has been looked at.</summary>
    Admitted,

    /// <summary>A record is in its slot, pending.</summary>
    Pending,

    /// <summary>A record is in its slot, visible, and nobody has been told.</summary>
    Published,

    /// <summary>A place in the feed is taken, and nothing is written there.</summary>
    Telling,

    /// <summary>A key's fence is raised, its slot still there.</summary>
    Fenced,

    /// <summary>A record was copied to the tail, the slot still points to the one it was copied from.</summary>
    Copied,

    /// <summary>A segment has been gone through, and still counts.</summary>
    Reclaimed,

    /// <summary>A read has found its slot, and is about to read the file.</summary>
    Found,

    /// <summary>The directory is locked, nothing decided.</summary>
    OpenLocked,

    /// <summary>A new index is written under another name.</summary>
    IndexWritten,

    /// <summary>A new index has its name, and this process is not registered.</summary>
    IndexNamed,

    /// <summary>Everything is on the disk, and the index is not marked clean.</summary>
    CloseFlushed,

    /// <summary>The index is marked clean.</summary>
    CloseMarked,
}
