using System.Collections.Concurrent;
using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>What the removals that came after a value say about it.</summary>
internal enum TagVerdict
{
    /// <summary>No removal covers it.</summary>
    Live,

    /// <summary>One of its tags was expired: it may stand in as a stale value, no more.</summary>
    Stale,

    /// <summary>It may have been removed by another node without this one being told: a store must say whether it still stands.</summary>
    Suspect,

    /// <summary>It was removed.</summary>
    Removed,
}

/// <summary>
/// The cache's clock of stamps, and what was removed when: the one comparison that makes invalidation by tag O(1).
/// </summary>
/// <remarks>
/// <para>A value carries the stamp that was current before its factory ran, or when an explicit set put it; every
/// removal draws a later one. A value is live iff no removal that covers it has a later stamp than it.</para>
/// <para>Removals by tag and of everything draw, record and publish their stamp under one lock, so that whoever reads
/// <see cref="LastInvalidation"/> as <c>e</c> finds every removal up to <c>e</c> recorded. An entry that was checked then is
/// marked as valid through <c>e</c> and costs a hit one comparison until the next invalidation.</para>
/// <para>Only removed tags are recorded. When there are many, <see cref="Prune"/> has the entries checked against them once and
/// forgets them; from then on a tagged value from before that cannot be told to be live, and counts as removed (a slow
/// factory's, say: it is handed out but not stored).</para>
/// </remarks>
internal sealed class TagClock(CacheClock? clock = null)
{
    /// <summary>So many records are kept whatever the size of the cache.</summary>
    private const int MinimumRecords = 4096;

    private readonly ConcurrentDictionary<string, Record> _records = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private PaddedLong _stamp;
    private long _lastInvalidation;
    private long _clearStamp;
    private long _suspectStamp;
    private long _floor;
    private int _recordCount;
    private bool _isClosed;

    /// <summary>The stamp of the newest removal by tag or of everything; every removal up to it can be seen.</summary>
    internal long LastInvalidation => Volatile.Read(ref _lastInvalidation);

    /// <summary>The stamp to load a value under: taken before the first byte of it is read.</summary>
    internal long Current => Volatile.Read(ref _stamp.Value);

    /// <summary>How many removals are recorded.</summary>
    internal int RecordCount => Volatile.Read(ref _recordCount);

    /// <summary>Draws a new stamp, later than all before.</summary>
    internal long Next() => Interlocked.Increment(ref _stamp.Value);

    /// <summary>Removes or expires what carries any, or all, of some tags: at least one.</summary>
    internal void Invalidate(string[] tags, TagMatch match, InvalidationKind kind)
    {
        if (kind == InvalidationKind.Expire)
        {
            foreach (var tag in tags)
            {
                Expire(tag);
            }
        }
        else if (match == TagMatch.All)
        {
            RemoveAll(tags);
        }
        else
        {
            RemoveAny(tags);
        }
    }

    internal void Remove(string tag)
    {
        lock (_lock)
        {
            var stamp = Next();
            Volatile.Write(ref GetRecord(tag).RemovedAt, stamp);
            Publish(stamp);
        }
    }

    internal void RemoveAny(string[] tags)
    {
        lock (_lock)
        {
            var stamp = Next();
            foreach (var tag in tags)
            {
                Volatile.Write(ref GetRecord(tag).RemovedAt, stamp);
            }

            Publish(stamp);
        }
    }

    /// <summary>Removes what carries all of the tags.</summary>
    internal void RemoveAll(string[] tags)
    {
        if (tags.Length == 1)
        {
            Remove(tags[0]);
            return;
        }

        lock (_lock)
        {
            var stamp = Next();

            // Kept with one of the tags: that which has the fewest such removals, so that a check stays short.
            Record? shortest = null;
            foreach (var tag in tags)
            {
                var record = GetRecord(tag);
                var index = Array.FindIndex(record.Conjunctions, conjunction => conjunction.IsOf(tags));
                if (index >= 0)
                {
                    Volatile.Write(ref record.Conjunctions[index].RemovedAt, stamp);
                    Publish(stamp);
                    return;
                }

                if (shortest is null || record.Conjunctions.Length < shortest.Conjunctions.Length)
                {
                    shortest = record;
                }
            }

            shortest!.Conjunctions = [.. shortest.Conjunctions, new Conjunction(tags) { RemovedAt = stamp }]; // tags is not empty
            _recordCount++;
            Publish(stamp);
        }
    }

    internal void Expire(string tag)
    {
        lock (_lock)
        {
            var stamp = Next();
            Volatile.Write(ref GetRecord(tag).ExpiredAt, stamp);
            Publish(stamp);
        }
    }

    internal long Clear()
    {
        lock (_lock)
        {
            var stamp = Next();
            Volatile.Write(ref _clearStamp, stamp);
            Publish(stamp);
            return stamp;
        }
    }

    /// <summary>Makes everything from before need a store's word before it is served. O(1).</summary>
    /// <returns>The stamp of that: what was begun under an earlier one is from before.</returns>
    internal long Suspect()
    {
        lock (_lock)
        {
            var stamp = Next();
            Volatile.Write(ref _suspectStamp, stamp);
            Publish(stamp);
            return stamp;
        }
    }

    /// <summary>Makes every entry need a closer look, for ever: the way a disposed cache stops its hits.</summary>
    internal void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Volatile.Write(ref _lastInvalidation, long.MaxValue);
        }
    }

    /// <summary>Judges a value by what was removed after <paramref name="validThrough"/>. O(tags), no lock.</summary>
    internal TagVerdict Check(string[] tags, long validThrough)
    {
        if (Volatile.Read(ref _clearStamp) > validThrough)
        {
            return TagVerdict.Removed;
        }

        var verdict = TagVerdict.Live;
        foreach (var tag in tags)
        {
            if (!_records.TryGetValue(tag, out var record))
            {
                continue;
            }

            if (Volatile.Read(ref record.RemovedAt) > validThrough || record.IsRemovedTogether(tags, validThrough))
            {
                return TagVerdict.Removed;
            }

            if (Volatile.Read(ref record.ExpiredAt) > validThrough)
            {
                verdict = TagVerdict.Stale;
            }
        }

        // After the records: they are forgotten only once the floor stands.
        return tags.Length > 0 && Volatile.Read(ref _floor) > validThrough ? TagVerdict.Removed
            : Volatile.Read(ref _suspectStamp) > validThrough ? TagVerdict.Suspect
            : verdict;
    }

    /// <summary>How long ago a tag was last removed or expired, if that is still recorded.</summary>
    internal TimeSpan? SinceInvalidation(string tag) => clock is not null && _records.TryGetValue(tag, out var record)
        ? new(Math.Max(0, clock.Now - Volatile.Read(ref record.ChangedAt)))
        : null;

    /// <summary>Whether it is time to forget old removals.</summary>
    internal bool NeedsPruning(int entries) => RecordCount > Math.Max(MinimumRecords, entries / 4);

    /// <summary>Forgets removals, after all entries have been checked against them.</summary>
    /// <param name="checkEntries">
    /// Checks every entry, takes out those removed, and marks the others as valid through <see cref="LastInvalidation"/>.
    /// </param>
    internal void Prune(Action checkEntries)
    {
        var through = LastInvalidation;
        checkEntries();
        lock (_lock)
        {
            if (_isClosed)
            {
                return;
            }

            Volatile.Write(ref _floor, through);
            foreach (var (tag, record) in _records)
            {
                var kept = Array.FindAll(record.Conjunctions, conjunction => conjunction.RemovedAt > through);
                if (record.RemovedAt <= through && record.ExpiredAt <= through && kept.Length == 0)
                {
                    _records.TryRemove(tag, out _);
                }
                else
                {
                    record.Conjunctions = kept;
                }
            }

            _recordCount = _records.Sum(static pair => 1 + pair.Value.Conjunctions.Length);
        }
    }

    private void Publish(long stamp)
    {
        if (!_isClosed)
        {
            Volatile.Write(ref _lastInvalidation, stamp);
        }
    }

    private Record GetRecord(string tag)
    {
        if (!_records.TryGetValue(tag, out var record))
        {
            _records.TryAdd(tag, record = new Record());
            _recordCount++;
        }

        record.ChangedAt = clock?.Coarse ?? 0;
        return record;
    }

    private sealed class Record
    {
        internal long RemovedAt;
        internal long ExpiredAt;

        /// <summary>The time of the last of its removals, for those who ask; no verdict depends on it.</summary>
        internal long ChangedAt;
        internal volatile Conjunction[] Conjunctions = [];

        internal bool IsRemovedTogether(string[] tags, long validThrough)
        {
            foreach (var conjunction in Conjunctions)
            {
                if (Volatile.Read(ref conjunction.RemovedAt) > validThrough && conjunction.Covers(tags))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>A removal of what carries all of several tags.</summary>
    private sealed class Conjunction(string[] tags)
    {
        internal long RemovedAt;

        internal bool Covers(string[] others) => Array.TrueForAll(tags, tag => others.AsSpan().Contains(tag));

        internal bool IsOf(string[] others) => others.Length == tags.Length && Covers(others);
    }
}
