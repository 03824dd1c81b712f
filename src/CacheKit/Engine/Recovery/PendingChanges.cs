namespace CacheKit.Engine.Recovery;

/// <summary>What one store is still to be told: one thing for each key and tag, the one that leaves least. Beyond its bound a single clear stands for everything.</summary>
/// <remarks>Not safe for several threads: whoever has it holds a lock.</remarks>
internal sealed class PendingChanges(int capacity)
{
    /// <summary>The bytes of all values kept to be sent again. Of a value that does not fit, only the removal of what was there is kept.</summary>
    internal const long MaximumPayloadBytes = 16 << 20;

    private readonly Dictionary<string, PendingChange> _keys = [];
    private readonly Dictionary<string, PendingChange> _tags = [];
    private readonly Dictionary<string, PendingChange> _tagSets = [];
    private PendingChange? _clear;
    private long _payloadBytes;

    internal int Count => _keys.Count + _tags.Count + _tagSets.Count + (_clear is null ? 0 : 1);

    /// <summary>Whether something about tags, or about all keys, is among it.</summary>
    internal bool HasTags => _clear is not null || _tags.Count + _tagSets.Count > 0;

    /// <summary>Whether something about the key, or about all keys, is among it.</summary>
    internal bool Has(string key) => _clear is not null || _keys.ContainsKey(key);

    /// <summary>Whether it covers an entry.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="tags">Its tags; <see langword="null"/> if nobody here knows them: then any tag may be one of them.</param>
    internal bool Covers(string key, IReadOnlyList<string>? tags) => Has(key) || CoversTags(tags);

    /// <summary>Adds a change in place of what is there of the same key or tag.</summary>
    /// <param name="change">The change.</param>
    /// <param name="inFlight">What is being sent now: a clear that is comes before this.</param>
    /// <returns><see langword="false"/> if there was no room for it, so that all has become one clear.</returns>
    internal bool TryAdd(PendingChange change, PendingChange? inFlight)
    {
        if (_clear is not null && _clear != inFlight && change.Kind != PendingKind.Clear)
        {
            return true; // the clear is still to be sent, and will cover this
        }

        if (change.Kind == PendingKind.Clear)
        {
            ReplaceAllBy(change);
            return true;
        }

        var sameKind = Of(change.Kind);
        sameKind.TryGetValue(change.Text, out var earlier);
        if (earlier is null && Count >= capacity)
        {
            ReplaceAllBy(new(PendingKind.Clear, ""));
            return false;
        }

        _payloadBytes -= earlier?.PayloadBytes ?? 0;
        change = change.After(earlier, MaximumPayloadBytes - _payloadBytes);
        _payloadBytes += change.PayloadBytes;
        sameKind[change.Text] = change;
        return true;
    }

    /// <summary>The value that is to be sent of a key, if there is one and no clear before it.</summary>
    internal PendingChange? FindWrite(string key) =>
        _clear is null && _keys.TryGetValue(key, out var change) && change.Kind == PendingKind.Write ? change : null;

    /// <summary>Puts one value in the place of another of the same key and the same length.</summary>
    internal void Replace(PendingChange write) => _keys[write.Text] = write;

    /// <summary>Takes out what is to be sent of a key.</summary>
    internal PendingChange? Take(string key)
    {
        if (_keys.Remove(key, out var change))
        {
            _payloadBytes -= change.PayloadBytes;
        }

        return change;
    }

    /// <summary>Takes out a change that was sent, unless another has taken its place.</summary>
    internal void Remove(PendingChange sent)
    {
        if (sent.Kind == PendingKind.Clear)
        {
            _clear = _clear == sent ? null : _clear;
        }
        else if (Of(sent.Kind) is var sameKind && sameKind.TryGetValue(sent.Text, out var latest) && latest == sent)
        {
            sameKind.Remove(sent.Text);
            _payloadBytes -= sent.PayloadBytes;
        }
    }

    /// <summary>The change to send next: a clear first, since what came while it was being sent is newer.</summary>
    /// <param name="except">Those that were denied.</param>
    internal PendingChange? Next(HashSet<PendingChange>? except)
    {
        return _clear is not null && except?.Contains(_clear) != true ? _clear : First(_tags) ?? First(_tagSets) ?? First(_keys);

        PendingChange? First(Dictionary<string, PendingChange> some)
        {
            foreach (var change in some.Values)
            {
                if (except?.Contains(change) != true)
                {
                    return change;
                }
            }

            return null;
        }
    }

    /// <summary>The keys with a beginning of which something is among it.</summary>
    internal List<string> KeysWith(string prefix) => [.. _keys.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal))];

    private Dictionary<string, PendingChange> Of(PendingKind kind) => kind switch
    {
        PendingKind.Tag => _tags,
        PendingKind.TagSet => _tagSets,
        _ => _keys,
    };

    private bool CoversTags(IReadOnlyList<string>? tags)
    {
        if (tags is null)
        {
            return _tags.Count + _tagSets.Count > 0;
        }

        if (_tags.Count > 0)
        {
            foreach (var tag in tags)
            {
                if (_tags.ContainsKey(tag))
                {
                    return true;
                }
            }
        }

        foreach (var set in _tagSets.Values)
        {
            if (set.Tags.All(tags.Contains))
            {
                return true;
            }
        }

        return false;
    }

    private void ReplaceAllBy(PendingChange clear)
    {
        _keys.Clear();
        _tags.Clear();
        _tagSets.Clear();
        _payloadBytes = 0;
        _clear = clear;
    }
}
