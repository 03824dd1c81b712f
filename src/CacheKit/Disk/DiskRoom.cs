namespace CacheKit.Disk;

/// <summary>Whether the disk has room for all of the log. If not, the log goes on in the segments that have a file, which the operator is told when it begins and ends.</summary>
/// <remarks>What one process finds counts for all; each tells it in its own log.</remarks>
internal sealed class DiskRoom(DiskIndex index, SegmentFiles files, DiskSettings settings)
{
    // Where the disk is full now and then.
    private static readonly TimeSpan _silence = TimeSpan.FromMinutes(1);

    private readonly Lock _telling = new();
    private long _toldAt;
    private bool _wasTold, _isTold;

    /// <summary>The bytes of the segments that have no file because there was no room for it.</summary>
    /// <remarks>While it is short of room, this asks the file system. Once there is room, what is missing comes with the next entries.</remarks>
    internal long MissingBytes =>
        Volatile.Read(ref index.IsShortOfRoom) == 0 || files.FreeBytes > index.Geometry.SegmentBytes ? 0 : Math.Max(0, index.Geometry.DataBytes - HeldBytes);

    private long HeldBytes
    {
        get
        {
            try
            {
                return files.Measure().Bytes;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return 0; // who asks has trouble enough
            }
        }
    }

    /// <summary>A segment, or a record, had no room.</summary>
    internal void RanOut()
    {
        if (Interlocked.Exchange(ref index.IsShortOfRoom, 1) == 0)
        {
            Volatile.Write(ref _isTold, false); // there was room meanwhile, as another process has found
        }

        if (!Volatile.Read(ref _isTold) && IsToBeTold())
        {
            settings.Logger.DiskIsFull(settings.CacheName, files.Folder, files.FreeBytes, HeldBytes, index.Geometry.DataBytes);
        }
    }

    /// <summary>There was room where there had been none before.</summary>
    internal void Returned()
    {
        Volatile.Write(ref index.IsShortOfRoom, 0);
        if (Interlocked.Exchange(ref _isTold, false))
        {
            settings.Logger.DiskHasRoom(settings.CacheName, files.Folder);
        }
    }

    private bool IsToBeTold()
    {
        lock (_telling)
        {
            if (_isTold || (_wasTold && settings.TimeProvider.GetElapsedTime(_toldAt) < _silence))
            {
                return false;
            }

            (_toldAt, _wasTold, _isTold) = (settings.TimeProvider.GetTimestamp(), true, true);
            return true;
        }
    }
}
