using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Caching.Distributed;

namespace CacheKit.Adapters;

/// <summary>What this process knows of the entries that it keeps in one distributed cache: the clock, what was invalidated, whose turn it is.</summary>
/// <remarks>
/// <para>A distributed cache only gets and sets. What makes that keep the promises of a store within a process is here: every invalidation is noted
/// before it is sent, and every look compares with the notes, whatever became of the sending. Stores on the same distributed cache share it.</para>
/// <para>Stamps follow the wall clock where they can, so that those of other processes mean something; within a process they only grow.</para>
/// <para>The notes are bounded. Of those that the distributed cache knows of, only the newest stamp is kept when there are too many: what was begun before
/// is refused then. If too many did not get through to it, everything from before is dead.</para>
/// </remarks>
internal sealed class DistributedCacheState
{
    private const int MostNotes = 16_384;
    private const int TurnCount = 256;

    private static readonly ConditionalWeakTable<IDistributedCache, ConcurrentDictionary<string, DistributedCacheState>> _all = [];

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly Dictionary<string, KeyNote> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TagNote> _tags = new(StringComparer.Ordinal);
    private readonly HashSet<string> _ensured = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim[] _turns = new SemaphoreSlim[TurnCount];
    private long _last, _keyFloor, _tagFloor, _cleared;

    private DistributedCacheState(TimeProvider time)
    {
        _time = time;
        for (var i = 0; i < TurnCount; i++)
        {
            _turns[i] = new(1);
        }
    }

    internal static DistributedCacheState Of(IDistributedCache cache, string prefix, TimeProvider time) =>
        _all.GetOrCreateValue(cache).GetOrAdd(prefix, static (_, time) => new(time), time);

    /// <summary>When everything was last invalidated.</summary>
    internal long Cleared
    {
        get
        {
            lock (_lock)
            {
                return _cleared;
            }
        }
    }

    /// <summary>The lock of a record; some records share one. That of a mark may be taken under that of an entry, and nothing under it.</summary>
    internal SemaphoreSlim TurnOf(string key, bool isMark)
    {
        // Apart, so that a write may see to the marks of its tags.
        const int Half = TurnCount / 2;
        var turn = (int)((uint)string.GetHashCode(key, StringComparison.Ordinal) % Half);
        return _turns[isMark ? Half + turn : turn];
    }

    /// <summary>The stamp as of now: not behind any that was drawn.</summary>
    internal long Current()
    {
        lock (_lock)
        {
            return _last = Math.Max(_last, Now());
        }
    }

    /// <summary>Notes a stamp that somebody else has drawn.</summary>
    internal void Observe(long stamp)
    {
        lock (_lock)
        {
            _last = Math.Max(_last, stamp);
        }
    }

    /// <summary>Draws the stamp of a write or invalidation of a key, and notes it.</summary>
    internal long Change(string key)
    {
        lock (_lock)
        {
            ref var note = ref Note(key);
            return note.Changed = Next();
        }
    }

    /// <summary>Notes that a value is stored under a key with a stamp that was drawn before.</summary>
    internal void Change(string key, long stamp)
    {
        lock (_lock)
        {
            ref var note = ref Note(key);
            note.Changed = Math.Max(note.Changed, stamp);
        }
    }

    /// <summary>Notes that whatever is found under a key up to a stamp is dead.</summary>
    /// <param name="key">The key.</param>
    /// <param name="stamp">The stamp.</param>
    /// <param name="isLeftBehind">Whether something may still be there that was to be gone; else it is only that its time is over.</param>
    internal void Bury(string key, long stamp, bool isLeftBehind)
    {
        lock (_lock)
        {
            ref var note = ref Note(key);
            note.DeadThrough = Math.Max(note.DeadThrough, stamp);
            note.IsLeftBehind |= isLeftBehind;
        }
    }

    internal long InvalidateTags(IReadOnlyList<string> tags)
    {
        lock (_lock)
        {
            var stamp = Next();
            foreach (var tag in tags)
            {
                NoteTag(tag, stamp);
            }

            return stamp;
        }
    }

    internal long Clear()
    {
        lock (_lock)
        {
            return _cleared = Next();
        }
    }

    /// <summary>The latest invalidation of a tag that this process has made; 0 for none.</summary>
    internal long InvalidationOf(string tag)
    {
        lock (_lock)
        {
            return _tags.GetValueOrDefault(tag).Stamp;
        }
    }

    /// <summary>Notes that the mark of a tag says that it was invalidated at a stamp, or later.</summary>
    internal void NoteSent(string tag, long stamp)
    {
        lock (_lock)
        {
            if (_tags.TryGetValue(tag, out var note) && note.Stamp <= stamp)
            {
                _tags[tag] = note with { IsSent = true };
            }
        }
    }

    /// <summary>Whether what has a stamp was replaced or removed, or its time was found to be over.</summary>
    internal bool IsBuried(string key, long stamp)
    {
        lock (_lock)
        {
            return stamp <= _keys.GetValueOrDefault(key).DeadThrough;
        }
    }

    /// <summary>Whether this process has not invalidated an entry, as far as it knows.</summary>
    internal bool IsLive(string key, DistributedRecord record)
    {
        lock (_lock)
        {
            var note = _keys.GetValueOrDefault(key);
            return record.Stamp > note.DeadThrough && AreLive(record.Tags, record.CoveredFrom);
        }
    }

    /// <summary>Whether a value begun under a stamp has not been overtaken by this process.</summary>
    internal bool IsCurrent(string key, IReadOnlyList<string> tags, long stamp)
    {
        lock (_lock)
        {
            return stamp >= _keyFloor && (tags.Count == 0 || stamp >= _tagFloor) && stamp >= _keys.GetValueOrDefault(key).Changed && AreLive(tags, stamp);
        }
    }

    /// <summary>Whether the mark of a tag, or of everything, is known to be in the distributed cache.</summary>
    internal bool IsEnsured(string mark)
    {
        lock (_lock)
        {
            return _ensured.Contains(mark);
        }
    }

    internal void NoteEnsured(string mark, bool isThere)
    {
        lock (_lock)
        {
            if (!isThere)
            {
                _ensured.Remove(mark);
                return;
            }

            if (_ensured.Count >= MostNotes)
            {
                _ensured.Clear();
            }

            _ensured.Add(mark);
        }
    }

    private long Now() => _time.GetUtcNow().UtcTicks / TimeSpan.TicksPerMicrosecond;

    private long Next() => _last = Math.Max(_last + 1, Now());

    private bool AreLive(IReadOnlyList<string> tags, long from)
    {
        if (_cleared > from)
        {
            return false;
        }

        for (var i = 0; i < tags.Count; i++)
        {
            if (_tags.GetValueOrDefault(tags[i]).Stamp > from)
            {
                return false;
            }
        }

        return true;
    }

    private void NoteTag(string tag, long stamp)
    {
        if (_tags.Count >= MostNotes && !_tags.ContainsKey(tag))
        {
            // Reads find these invalidations in the marks.
            _tagFloor = stamp;
            foreach (var (known, note) in _tags)
            {
                if (note.IsSent)
                {
                    _tags.Remove(known);
                }
            }

            if (_tags.Count > MostNotes / 2)
            {
                _tags.Clear();
                _cleared = stamp;
            }
        }

        _tags[tag] = new(stamp, IsSent: false);
    }

    private ref KeyNote Note(string key)
    {
        if (_keys.Count >= MostNotes && !_keys.ContainsKey(key))
        {
            GiveNotesUp();
        }

        return ref CollectionsMarshal.GetValueRefOrAddDefault(_keys, key, out _);
    }

    private void GiveNotesUp()
    {
        _keyFloor = _last;
        foreach (var (key, note) in _keys)
        {
            if (!note.IsLeftBehind)
            {
                _keys.Remove(key);
            }
        }

        // Too many removals did not get through to remember each: everything is dead, then.
        if (_keys.Count > MostNotes / 2)
        {
            _keys.Clear();
            _cleared = Next();
        }
    }

    /// <summary>What is known of a key.</summary>
    private struct KeyNote
    {
        /// <summary>The stamp of its last write or invalidation, done or under way: what was begun before is not stored any more.</summary>
        internal long Changed;

        /// <summary>The stamp up to which what is found is dead.</summary>
        internal long DeadThrough;

        /// <summary>Whether something may be found that is not to be served.</summary>
        internal bool IsLeftBehind;
    }

    /// <summary>When this process has last invalidated a tag, and whether its mark says so.</summary>
    private readonly record struct TagNote(long Stamp, bool IsSent);
}
