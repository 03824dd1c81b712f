using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>When tags were last invalidated: each by itself, and several where an entry must carry all of them.</summary>
internal sealed class TagFences
{
    private readonly Dictionary<string, Fence> _single = [];

    // By the first tag of each set, in ordinal order: an entry with all of them has that one.
    private readonly Dictionary<string, List<Fence>> _sets = [];

    internal int Count { get; private set; }

    internal void Add(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, long stamp)
    {
        if (match == TagMatch.Any || tags.Count == 1)
        {
            foreach (var tag in tags)
            {
                if (!_single.TryGetValue(tag, out var fence))
                {
                    _single.Add(tag, fence = new([tag]));
                    Count++;
                }

                fence.Raise(kind, stamp);
            }

            return;
        }

        string[] ordered = [.. tags.Order(StringComparer.Ordinal)];
        if (!_sets.TryGetValue(ordered[0], out var sets))
        {
            _sets.Add(ordered[0], sets = []);
        }

        var set = sets.Find(known => known.Tags.SequenceEqual(ordered, StringComparer.Ordinal));
        if (set is null)
        {
            sets.Add(set = new(ordered));
            Count++;
        }

        set.Raise(kind, stamp);
    }

    internal bool IsCovered(IReadOnlyList<string> tags, InvalidationKind kind, long after)
    {
        foreach (var tag in tags)
        {
            if (_single.TryGetValue(tag, out var fence) && fence.StampOf(kind) > after)
            {
                return true;
            }

            if (_sets.TryGetValue(tag, out var sets) && sets.Exists(set => set.StampOf(kind) > after && set.Tags.All(tags.Contains)))
            {
                return true;
            }
        }

        return false;
    }

    internal void Clear()
    {
        _single.Clear();
        _sets.Clear();
        Count = 0;
    }

    private sealed class Fence(string[] tags)
    {
        private long _removedAt;
        private long _expiredAt;

        internal string[] Tags => tags;

        internal long StampOf(InvalidationKind kind) => kind == InvalidationKind.Remove ? _removedAt : _expiredAt;

        internal void Raise(InvalidationKind kind, long stamp)
        {
            if (kind == InvalidationKind.Remove)
            {
                _removedAt = stamp;
            }
            else
            {
                _expiredAt = stamp;
            }
        }
    }
}
