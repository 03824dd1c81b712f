using System.Runtime.CompilerServices;
using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>A cache in a log on disk with its index in shared memory: what its parts do together, and what each invalidation does.</summary>
/// <remarks>Everything is synchronous and free of locks. Errors of the disk are thrown as they come; the caller translates them.</remarks>
[SkipLocalsInit]
internal sealed class Ring
{
    private const int MostTagsOnStack = 32;

    private readonly DiskIndex _index;
    private readonly RingLog _log;
    private readonly Invalidations _invalidations;
    private readonly SlotTable _slots;
    private readonly EntryExpiry _expiry;
    private readonly Action<DiskStep>? _hook;

    internal Ring(DiskIndex index, SegmentFiles files, DiskSettings settings)
    {
        _index = index;
        _hook = settings.Hook;
        Room = new(index, files, settings);
        _log = new(index, files, Room, settings.Hook);
        _invalidations = new(index, settings.RaiseFences);
        var reader = new RecordReader(index, _log, settings.VerifySums);
        var judge = new EntryJudge(_invalidations, settings.TimeProvider);
        _slots = new(index, reader, judge, settings.Hook);
        _expiry = new(index, _log, _slots, reader, judge, _invalidations);
        Feed = new(index, origin: (ulong)Random.Shared.NextInt64(), settings.Hook);
        Reads = new(index, _slots, reader, judge, settings.Hook);
        Writes = new(index, _slots, reader, new(index, _log, reader), judge, _invalidations, Feed, settings.Hook);
        Reclaimer = new(index, _log, _slots, reader, judge, settings);
        Scan = new(index, reader, judge);
    }

    internal readonly EntryReads Reads;

    internal readonly EntryWrites Writes;

    internal readonly SharedFeed Feed;

    internal readonly DiskRoom Room;

    internal readonly Reclaimer Reclaimer;

    internal readonly IndexScan Scan;

    /// <summary>Has segments made free ahead of the tail, whenever one is opened.</summary>
    internal void ReclaimWith(Action start) => _log.SegmentOpened = start;

    /// <summary>Removes or expires the entry of a key.</summary>
    internal StoreInvalidation Invalidate(string key, InvalidationKind kind)
    {
        using var hashed = new HashedKey(key, stackalloc byte[HashedKey.StackBytes], _index.HashSeed);
        var stamp = _index.DrawStamp();
        _invalidations.RaiseFence(hashed.Hash, stamp);
        _hook?.Invoke(DiskStep.Fenced);
        var wasFresh = kind == InvalidationKind.Expire ? _expiry.Expire(hashed, stamp) : _slots.RemoveUpTo(hashed, stamp);
        Feed.PublishKey(hashed.Bytes);
        return new(stamp, wasFresh);
    }

    /// <summary>Removes or expires what carries any, or all, of some tags.</summary>
    internal long InvalidateTags(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind)
    {
        var hashes = tags.Count <= MostTagsOnStack ? stackalloc ulong[tags.Count] : new ulong[tags.Count];
        HashedKey.OfTags(tags, _index.HashSeed, hashes);
        var stamp = _invalidations.Add(hashes, match, kind);
        if (match == TagMatch.All && tags.Count > 1)
        {
            Feed.PublishAll(isCleared: false);
            return stamp;
        }

        foreach (var tag in tags)
        {
            Feed.PublishTag(tag, kind);
        }

        return stamp;
    }

    /// <summary>Removes everything.</summary>
    internal long Clear()
    {
        var stamp = _invalidations.Clear();

        // What is in the log now was begun before; dropping it gives slots and counts back at once. What is just being written is written again.
        _log.DropBefore(Volatile.Read(ref _index.Tail));
        Feed.PublishAll(isCleared: true);
        return stamp;
    }

    /// <summary>Changes the instants of an entry.</summary>
    internal bool SetExpiration(string key, long stamp, long expiresAt, long retainUntil) => _expiry.SetExpiration(key, stamp, expiresAt, retainUntil);
}
