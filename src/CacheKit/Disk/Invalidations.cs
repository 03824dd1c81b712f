using CacheKit.Stores;

namespace CacheKit.Disk;

/// <summary>What was invalidated when, and whether that covers an entry.</summary>
internal sealed class Invalidations(DiskIndex index, bool raisesFences)
{
    private readonly Conjunctions _conjunctions = new(index);

    /// <summary>Whether an entry was removed by tags or with everything.</summary>
    internal bool AreCovering(in Record record) =>
        record.Cover < Volatile.Read(ref index.Cleared) || IsAnyTagLater(record, InvalidationKind.Remove) || _conjunctions.Covers(record, InvalidationKind.Remove);

    /// <summary>Whether an entry was made to expire, itself or by tags.</summary>
    internal bool AreExpiring(in Record record) =>
        record.IsExpired || IsAnyTagLater(record, InvalidationKind.Expire) || _conjunctions.Covers(record, InvalidationKind.Expire);

    /// <summary>Whether a value with these tags, begun under this stamp, has been removed meanwhile.</summary>
    internal bool AreCovering(ReadOnlySpan<ulong> tags, long stamp)
    {
        if (stamp < Volatile.Read(ref index.Cleared))
        {
            return true;
        }

        if (Volatile.Read(ref index.LastTag) > stamp)
        {
            foreach (var tag in tags)
            {
                if (index.Tags.IsLater(tag, stamp))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Keeps what was begun under an earlier stamp from coming after what happens to a key now.</summary>
    internal void RaiseFence(ulong hash, long stamp)
    {
        if (raisesFences)
        {
            index.Fences.Raise(hash, stamp);
            index.StreamMarks.Raise(hash, stamp);
        }
    }

    /// <summary>Invalidates what carries any, or all, of some tags.</summary>
    internal long Add(ReadOnlySpan<ulong> tags, TagMatch match, InvalidationKind kind)
    {
        var stamp = index.DrawStamp();
        if (match == TagMatch.All && tags.Length > 1)
        {
            _conjunctions.Add(tags, stamp, kind);
            return stamp;
        }

        foreach (var tag in tags)
        {
            _conjunctions.RaiseTag(tag, stamp, kind);
        }

        return stamp;
    }

    internal long Clear()
    {
        var stamp = index.DrawStamp();
        DiskIndex.Raise(ref index.Cleared, stamp);
        return stamp;
    }

    private bool IsAnyTagLater(in Record record, InvalidationKind kind)
    {
        var cover = record.Cover;
        ref var last = ref kind == InvalidationKind.Expire ? ref index.LastTagExpiry : ref index.LastTag;
        if (record.TagCount == 0 || Volatile.Read(ref last) <= cover)
        {
            return false;
        }

        for (var i = 0; i < record.TagCount; i++)
        {
            var tag = record.Tag(i);
            if (index.Tags.IsLater(kind == InvalidationKind.Expire ? Conjunctions.ToExpiry(tag) : tag, cover))
            {
                return true;
            }
        }

        return false;
    }
}
