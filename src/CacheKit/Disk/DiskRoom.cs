namespace CacheKit.Disk;

/// <summary>Whether the disk has room for all of the log. If not, the log goes on in the segments that have a file, which the operator is told when it begins and ends.</summary>
/// <remarks>
/// <para>What one process finds counts for all; each tells it in its own log.</para>
/// <para>That the disk is full is told when it is so, and that it has room again at most once a minute: of a disk that is full now and then the log says that it is full.</para>
/// <para>That there is room again shows when a segment is given a file, or a record could be written though no file is missing. Where little is written, somebody looks: in the background,
/// since who asks how much is missing is not to wait for a disk. The free bytes alone do not tell it, because a user may have a share of them only.</para>
/// </remarks>
internal sealed class DiskRoom(DiskIndex index, SegmentFiles files, DiskSettings settings)
{
    private static readonly TimeSpan _silence = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan _validity = TimeSpan.FromSeconds(10);

    private readonly Lock _telling = new();
    private readonly Queue<Action> _untold = new();
    private long _returnToldAt, _toldAt, _toldShortage, _lookedAt;
    private bool _wasReturnTold, _isTold, _isReturnHeldBack, _hasLooked, _hasNews;

    /// <summary>The bytes that the log lacks because there was no room for them, as it was last seen.</summary>
    internal long MissingBytes => IsShort ? Math.Max(index.Geometry.SegmentBytes, Volatile.Read(ref index.MissingBytes)) : 0;

    /// <summary>Whether there was no room when it was last needed.</summary>
    internal bool IsShort => Volatile.Read(ref index.IsShortOfRoom) != 0;

    /// <summary>Whether somebody should look whether that still holds.</summary>
    internal bool IsLookNeeded => IsShort && (!Volatile.Read(ref _hasLooked) || settings.TimeProvider.GetElapsedTime(Volatile.Read(ref _lookedAt)) >= _validity);

    /// <summary>Whether there is something to be told.</summary>
    internal bool HasNews => Volatile.Read(ref _hasNews) || (Volatile.Read(ref _isReturnHeldBack) && IsReturnDue);

    private bool IsReturnDue => settings.TimeProvider.GetElapsedTime(Volatile.Read(ref _returnToldAt)) >= _silence;

    /// <summary>A segment, or a record, had no room.</summary>
    /// <param name="freeBytes">How much was free on the disk before it was tried; while that is under way the disk may show anything.</param>
    internal void RanOut(long freeBytes)
    {
        if (!IsShort)
        {
            Measure();
        }

        if (Interlocked.Exchange(ref index.IsShortOfRoom, 1) == 0)
        {
            Interlocked.Increment(ref index.Shortages);
        }

        TellShortage(freeBytes);
    }

    /// <summary>There was room where there had been none before.</summary>
    internal void Returned()
    {
        Volatile.Write(ref index.IsShortOfRoom, 0);
        lock (_telling)
        {
            if (_isTold)
            {
                Volatile.Write(ref _isReturnHeldBack, true);
                TellReturnIfDue();
            }
        }
    }

    /// <summary>A record was written while there was no room: it has returned if no file is missing.</summary>
    internal void Wrote()
    {
        if (files.AreAllThere)
        {
            Returned();
        }
    }

    /// <summary>Looks how much is missing, and whether it can be had by now. Waits for the disk.</summary>
    internal void Look()
    {
        Measure();
        try
        {
            // Where no file is missing, or a file does not keep blocks for what will be written, only the next record tells.
            if (IsShort && files.FreeBytes > index.Geometry.SegmentBytes && files.TryPrepareMissing() && FileSystem.KeepsBlocks(files.Folder))
            {
                Returned();
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Not yet: the disk may have room that this user does not get.
        }

        if (IsShort)
        {
            TellShortage(files.FreeBytesBefore ?? files.FreeBytes); // who begins while it is has not told it yet
        }
    }

    /// <summary>Tells what there is to be told. A logger is somebody else's code, so nothing is held and nothing depends on it here.</summary>
    internal void TellNews()
    {
        while (TryTake() is { } tell)
        {
            try
            {
                tell();
            }
#pragma warning disable CA1031 // whatever a logger throws: what was being done has been done
            catch
#pragma warning restore CA1031
            {
                // There is nobody else to be told.
            }
        }
    }

    private void TellShortage(long freeBytes)
    {
        var shortage = Volatile.Read(ref index.Shortages);
        lock (_telling)
        {
            Volatile.Write(ref _isReturnHeldBack, false);

            // That one is over may have been found by another process, and so may that another has begun.
            if (_isTold && (_toldShortage == shortage || settings.TimeProvider.GetElapsedTime(_toldAt) < _silence))
            {
                return;
            }

            (_toldAt, _toldShortage, _isTold) = (settings.TimeProvider.GetTimestamp(), shortage, true);
            Tell(() => settings.Logger.DiskIsFull(settings.CacheName, files.Folder, index.Geometry.SegmentBytes, freeBytes, Measure(), index.Geometry.DataBytes));
        }
    }

    /// <summary>To be called under the lock.</summary>
    private void TellReturnIfDue()
    {
        if (_isReturnHeldBack && (!_wasReturnTold || IsReturnDue))
        {
            (_wasReturnTold, _isTold) = (true, false);
            Volatile.Write(ref _returnToldAt, settings.TimeProvider.GetTimestamp());
            Volatile.Write(ref _isReturnHeldBack, false);
            Tell(() => settings.Logger.DiskHasRoom(settings.CacheName, files.Folder));
        }
    }

    /// <summary>To be called under the lock that decides what is told, so that it is told in that order.</summary>
    private void Tell(Action tell)
    {
        _untold.Enqueue(tell);
        Volatile.Write(ref _hasNews, true);
    }

    private Action? TryTake()
    {
        lock (_telling)
        {
            TellReturnIfDue();
            Volatile.Write(ref _hasNews, _untold.Count > 1);
            return _untold.TryDequeue(out var tell) ? tell : null;
        }
    }

    /// <summary>Looks how many bytes the files have.</summary>
    private long Measure()
    {
        long held = 0;
        Volatile.Write(ref _lookedAt, settings.TimeProvider.GetTimestamp());
        Volatile.Write(ref _hasLooked, true);
        try
        {
            held = files.Measure().Bytes;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Who asks has trouble enough.
        }

        Volatile.Write(ref index.MissingBytes, Math.Max(0, index.Geometry.DataBytes - held));
        return held;
    }
}
