using CacheKit.Engine.Feed;

namespace CacheKit.Engine.Recovery;

/// <summary>What a store was told lately that it could not be told before: for those who were reading meanwhile, and for the other nodes.</summary>
/// <remarks>Not safe for several threads, but for <see cref="Count"/>: whoever has it holds a lock.</remarks>
internal sealed class RecentDeliveries
{
    private const int MaximumToTell = 256;
    private const int MaximumRemembered = 4096;

    private readonly Dictionary<string, long> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _tags = new(StringComparer.Ordinal);
    private long _anyAt;
    private long _count;
    private List<InvalidationNotice>? _toTell = [];

    /// <summary>How many there were. Any thread may ask.</summary>
    internal long Count => Volatile.Read(ref _count);

    /// <summary>Notes one. Of all but the latest it is only known that there was something.</summary>
    internal void Add(PendingChange change)
    {
        Volatile.Write(ref _count, _count + 1);
        if (_keys.Count + _tags.Count >= MaximumRemembered)
        {
            _keys.Clear();
            _tags.Clear();
            _anyAt = _count;
        }

        switch (change.Kind)
        {
            case PendingKind.Clear:
                _anyAt = _count;
                break;
            case PendingKind.Tag or PendingKind.TagSet:
                foreach (var tag in change.Tags)
                {
                    _tags[tag] = _count; // of a set, more than it covers
                }

                break;
            default:
                _keys[change.Text] = _count;
                break;
        }
    }

    /// <summary>Whether one of those after the first so many may cover an entry: it may have been read before that.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="tags">Its tags; <see langword="null"/> if nobody here knows them.</param>
    /// <param name="before">How many there had been.</param>
    internal bool Cover(string key, IReadOnlyList<string>? tags, long before)
    {
        if (_count == before)
        {
            return false;
        }

        return _anyAt > before
            || (_keys.TryGetValue(key, out var at) && at > before)
            || (tags ?? (IReadOnlyCollection<string>)_tags.Keys).Any(tag => _tags.TryGetValue(tag, out var tagAt) && tagAt > before);
    }

    /// <summary>Has the other nodes told of one that was added.</summary>
    internal void Tell(PendingChange change, long stamp)
    {
        if (_toTell is { Count: < MaximumToTell } && change.Kind != PendingKind.Clear)
        {
            _toTell.Add(change.ToNotice(stamp));
        }
        else
        {
            _toTell = null;
        }
    }

    /// <summary>Takes what the other nodes are to be told since the last time; null if that is too much to be said.</summary>
    internal IReadOnlyList<InvalidationNotice>? TakeToTell()
    {
        var told = _toTell;
        _toTell = [];
        return told;
    }
}
