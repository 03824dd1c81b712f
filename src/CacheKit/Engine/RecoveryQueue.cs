using CacheKit.Engine.Feed;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>What one store could not be told: kept, within a bound, until it can be; until then, what must not be believed of what it holds.</summary>
/// <remarks>
/// <para>Each key and tag has one thing pending, the one that leaves least: a removal is not weakened by an expiration after it. A value somebody has
/// set is sent again only if nothing has overtaken what was there before it; else the key is removed, since nobody can tell any more whose value
/// is newer. Beyond the bound a single clear stands for everything.</para>
/// <para>Whoever reads from the store takes <see cref="Deliveries"/> before, and asks <see cref="Covers"/> after. While something pending covers what
/// it has read, it is a miss. It is as well if anything was delivered in between: the bytes may be from before that, and what covered
/// them is pending no more.</para>
/// <para>What is added while the same is being sent is sent once more: the store may have been asked before it happened.</para>
/// </remarks>
internal sealed class RecoveryQueue(StoreGuard guard, int capacity)
{
    /// <summary>The bytes of all values kept to be sent again. Of a value that does not fit, only the removal of what was there is kept.</summary>
    internal const long MaximumPayloadBytes = 16 << 20;

    private const int MaximumToTell = 256;
    private const int MaximumRemembered = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Pending> _keys = [];
    private readonly Dictionary<string, Pending> _tags = [];
    private readonly Dictionary<string, Pending> _tagSets = [];
    private Pending? _clear;
    private Pending? _inFlight;
    private readonly Dictionary<string, long> _deliveredKeys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _deliveredTags = new(StringComparer.Ordinal);
    private long _deliveredAnyAt;
    private List<InvalidationNotice>? _toTell = [];
    private long _payloadBytes;
    private long _deliveries;
    private int _count;
    private int _failedDrains;
    private bool _isDraining;
    private bool _isGivenUp;
    private Task<bool> _drain = Task.FromResult(true);

    /// <summary>Whether nothing is pending. One read.</summary>
    internal bool IsEmpty => Volatile.Read(ref _count) == 0;

    internal int Count => Volatile.Read(ref _count);

    /// <summary>How many things have been delivered: to be read before a read of the store begins.</summary>
    internal long Deliveries => Volatile.Read(ref _deliveries);

    /// <summary>Whether an entry that the store has given must be treated as a miss.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="tags">Its tags; <see langword="null"/> if nobody here knows them: then any tag may be one of them.</param>
    /// <param name="deliveriesBefore"><see cref="Deliveries"/>, as of before the read.</param>
    internal bool Covers(string key, IReadOnlyList<string>? tags, long deliveriesBefore)
    {
        // In this order: what is not pending any more was counted as delivered before.
        if (IsEmpty && Deliveries == deliveriesBefore)
        {
            return false;
        }

        lock (_lock)
        {
            return _clear is not null || _keys.ContainsKey(key) || CoversTags(tags) || WasDelivered(key, tags, deliveriesBefore);
        }
    }

    /// <summary>Whether <see cref="Covers"/> may say that something covers an entry; mostly, nothing does.</summary>
    internal bool MayCover(long deliveriesBefore) => !IsEmpty || Deliveries != deliveriesBefore; // in this order, as there

    /// <summary>Whether something about the key, or about all keys, is still to be sent.</summary>
    internal bool Holds(string key)
    {
        if (IsEmpty)
        {
            return false;
        }

        lock (_lock)
        {
            return _clear is not null || _keys.ContainsKey(key);
        }
    }

    /// <summary>Whether something about tags, or about all keys, is still to be sent.</summary>
    internal bool HoldsTags
    {
        get
        {
            if (IsEmpty)
            {
                return false;
            }

            lock (_lock)
            {
                return _clear is not null || _tags.Count + _tagSets.Count > 0;
            }
        }
    }

    /// <summary>Forgets what was to be sent of a key: a newer value of it has been stored in its place.</summary>
    internal void Supersede(string key)
    {
        if (IsEmpty)
        {
            return;
        }

        lock (_lock)
        {
            if (_keys.Remove(key, out var pending))
            {
                // As if it had been sent: who reads from before this must not believe what it covered.
                Volatile.Write(ref _deliveries, _deliveries + 1);
                Remember(pending);
                _payloadBytes -= pending.PayloadBytes;
                CountAnew();
            }
        }
    }

    /// <summary>Changes when a value that is still to be sent expires.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="change">Makes the entry to send instead, with the same bytes; none if that cannot be.</param>
    /// <returns>Nothing if no value of the key is to be sent; else whether it was changed.</returns>
    internal bool? TrySetExpiration(string key, Func<StoreEntry, StoreEntry?> change)
    {
        if (IsEmpty)
        {
            return null;
        }

        lock (_lock)
        {
            if (_clear is not null || !_keys.TryGetValue(key, out var pending) || pending.Kind != PendingKind.Write)
            {
                return null;
            }

            if (change(pending.Entry) is not { } changed)
            {
                return false;
            }

            _keys[key] = new(PendingKind.Write, key) { Entry = changed, Stamp = pending.Stamp };
            return true;
        }
    }

    /// <summary>The keys with a beginning of which something is still to be sent.</summary>
    internal List<string> KeysWith(string prefix)
    {
        lock (_lock)
        {
            return [.. _keys.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal))];
        }
    }

    /// <summary>Takes what was delivered since the last time, for the other nodes to be told; null if that is too much to be said.</summary>
    internal IReadOnlyList<InvalidationNotice>? TakeDelivered()
    {
        lock (_lock)
        {
            var delivered = _toTell;
            _toTell = [];
            return delivered;
        }
    }

    /// <summary>The store was to remove or expire a key.</summary>
    internal void AddInvalidation(string key, InvalidationKind kind) => Add(new(PendingKind.Key, key) { Invalidation = kind });

    /// <summary>The store was to store a value that somebody has set.</summary>
    /// <param name="key">The key.</param>
    /// <param name="entry">The value. Its bytes must stay as they are.</param>
    /// <param name="lastKnownStamp">A stamp the store's clock has shown before the value was set.</param>
    internal void AddWrite(string key, in StoreEntry entry, long lastKnownStamp) =>
        Add(new(PendingKind.Write, key) { Entry = entry, Stamp = lastKnownStamp });

    /// <summary>The store was to remove or expire what carries any, or all, of some tags.</summary>
    internal void AddTags(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind)
    {
        if (match == TagMatch.All && tags.Count > 1)
        {
            var set = InvalidationNotice.OfTagSet(tags, kind, 0);
            Add(new(PendingKind.TagSet, set.Text) { Tags = set.Tags!, Invalidation = kind }); // a set has tags
            return;
        }

        foreach (var tag in tags)
        {
            Add(new(PendingKind.Tag, tag) { Tags = [tag], Invalidation = kind });
        }
    }

    /// <summary>The store was to remove everything.</summary>
    internal void AddClear() => Add(new(PendingKind.Clear, ""));

    /// <summary>Sends what is pending, until nothing is or the store fails; then has the guard look out for it. If that is under way, waits for it.</summary>
    /// <returns>Whether nothing is pending.</returns>
    internal Task<bool> DrainAsync()
    {
        lock (_lock)
        {
            if (!_isDraining)
            {
                _isDraining = true;
                _drain = SendAllAsync();
            }

            return _drain;
        }
    }

    private async Task<bool> SendAllAsync()
    {
        // There may be thousands to send, and the call that found the store reachable is somebody's.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var delivered = 0;
        HashSet<Pending>? denied = null;
        while (TakeNext(denied) is { } pending)
        {
            var (status, stamp) = await SendAsync(pending).ConfigureAwait(false);
            if (status == StoreAnswerStatus.Answered)
            {
                Delivered(pending, stamp);
                delivered++;
            }
            else if (status == StoreAnswerStatus.Denied)
            {
                (denied ??= []).Add(pending); // it stays, and goes on covering; the others can be sent all the same
            }
            else
            {
                break;
            }
        }

        return EndDrain(delivered);
    }

    /// <summary>Nothing is sent any more: what is left is lost, and so is what is still added by calls that are under way. Both are told.</summary>
    internal void GiveUp()
    {
        int left;
        lock (_lock)
        {
            _isGivenUp = true;
            left = _count;
        }

        if (left > 0)
        {
            guard.Reporter.RecoveryGivenUp(left);
        }
    }

    private void Add(Pending pending)
    {
        var isFirst = false;
        var isFull = false;
        bool isGivenUp;
        lock (_lock)
        {
            isGivenUp = _isGivenUp;
            if (!isGivenUp)
            {
                Keep(pending, out isFirst, out isFull);
            }
        }

        if (isGivenUp)
        {
            guard.Reporter.RecoveryCameTooLate();
        }

        if (isFull)
        {
            guard.Reporter.RecoveryOverflowed(capacity);
        }

        // Once: later ones must not put off the time of the look-out. A drain that ends with something left asks for the next.
        if (isFirst)
        {
            guard.RequestProbe();
        }
    }

    private void Keep(Pending pending, out bool isFirst, out bool isFull)
    {
        isFirst = false;
        isFull = false;
        if (_clear is not null && _clear != _inFlight && pending.Kind != PendingKind.Clear)
        {
            return; // the clear is still to be sent, and will cover this
        }

        if (pending.Kind == PendingKind.Clear)
        {
            ReplaceAllBy(pending);
        }
        else
        {
            var sameKind = Of(pending.Kind);
            sameKind.TryGetValue(pending.Text, out var earlier);
            if (earlier is null && _count >= capacity)
            {
                isFull = true;
                ReplaceAllBy(new(PendingKind.Clear, ""));
            }
            else
            {
                _payloadBytes -= earlier?.PayloadBytes ?? 0;
                pending = pending.After(earlier, MaximumPayloadBytes - _payloadBytes);
                _payloadBytes += pending.PayloadBytes;
                sameKind[pending.Text] = pending;
            }
        }

        isFirst = _count == 0;
        CountAnew();
    }

    private Dictionary<string, Pending> Of(PendingKind kind) => kind switch
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

    /// <summary>Whether what covers an entry was delivered since then: it may have been read before that.</summary>
    private bool WasDelivered(string key, IReadOnlyList<string>? tags, long deliveriesBefore)
    {
        if (_deliveries == deliveriesBefore)
        {
            return false;
        }

        return _deliveredAnyAt > deliveriesBefore
            || (_deliveredKeys.TryGetValue(key, out var at) && at > deliveriesBefore)
            || (tags ?? (IReadOnlyCollection<string>)_deliveredTags.Keys).Any(tag => _deliveredTags.TryGetValue(tag, out var tagAt) && tagAt > deliveriesBefore);
    }

    private void ReplaceAllBy(Pending clear)
    {
        _keys.Clear();
        _tags.Clear();
        _tagSets.Clear();
        _payloadBytes = 0;
        _clear = clear;
    }

    private void CountAnew() => Volatile.Write(ref _count, _keys.Count + _tags.Count + _tagSets.Count + (_clear is null ? 0 : 1));

    private Pending? TakeNext(HashSet<Pending>? denied)
    {
        lock (_lock)
        {
            // A clear first: what came while it was being sent is newer.
            return _inFlight = _clear is not null && denied?.Contains(_clear) != true ? _clear : First(_tags) ?? First(_tagSets) ?? First(_keys);
        }

        Pending? First(Dictionary<string, Pending> some)
        {
            foreach (var pending in some.Values)
            {
                if (denied?.Contains(pending) != true)
                {
                    return pending;
                }
            }

            return null;
        }
    }

    private async ValueTask<(StoreAnswerStatus Status, long Stamp)> SendAsync(Pending pending)
    {
        switch (pending.Kind)
        {
            case PendingKind.Clear:
                var cleared = await guard.ClearAsync(CancellationToken.None).ConfigureAwait(false);
                return (cleared.Status, cleared.Result);
            case PendingKind.Tag or PendingKind.TagSet:
                var untagged = await guard.InvalidateTagsAsync(
                    pending.Tags, pending.Kind == PendingKind.Tag ? TagMatch.Any : TagMatch.All, pending.Invalidation, CancellationToken.None).ConfigureAwait(false);
                return (untagged.Status, untagged.Result);
            case PendingKind.Write:
                var written = await guard.WriteAsync(
                    pending.Text, pending.Entry, StoreCondition.IfCurrent(pending.Stamp), CancellationToken.None).ConfigureAwait(false);
                var isRefused = written.Status == StoreAnswerStatus.Denied || (written.TryGet(out var result) && !result.IsStored);
                if (!isRefused || !Holds(pending.Text))
                {
                    return (written.Status, written.Result.Stamp);
                }

                break; // at least what was there must go
        }

        var removed = await guard.InvalidateAsync(pending.Text, pending.Invalidation, CancellationToken.None).ConfigureAwait(false);
        return (removed.Status, removed.Result.Stamp);
    }

    private void Delivered(Pending pending, long stamp)
    {
        lock (_lock)
        {
            Volatile.Write(ref _deliveries, _deliveries + 1);
            Remember(pending);
            if (_toTell is { Count: < MaximumToTell } && pending.Kind != PendingKind.Clear)
            {
                _toTell.Add(pending.ToNotice(stamp));
            }
            else
            {
                _toTell = null;
            }

            if (pending.Kind == PendingKind.Clear)
            {
                _clear = _clear == pending ? null : _clear;
            }
            else if (Of(pending.Kind) is var sameKind && sameKind.TryGetValue(pending.Text, out var latest) && latest == pending)
            {
                sameKind.Remove(pending.Text);
                _payloadBytes -= pending.PayloadBytes;
            }

            CountAnew();
        }
    }

    /// <summary>Notes what was delivered when, for those who are reading meanwhile. Of all but the latest it is only known that there was something.</summary>
    private void Remember(Pending pending)
    {
        if (_deliveredKeys.Count + _deliveredTags.Count >= MaximumRemembered)
        {
            _deliveredKeys.Clear();
            _deliveredTags.Clear();
            _deliveredAnyAt = _deliveries;
        }

        switch (pending.Kind)
        {
            case PendingKind.Clear:
                _deliveredAnyAt = _deliveries;
                break;
            case PendingKind.Tag or PendingKind.TagSet:
                foreach (var tag in pending.Tags)
                {
                    _deliveredTags[tag] = _deliveries; // of a set, more than it covers
                }

                break;
            default:
                _deliveredKeys[pending.Text] = _deliveries;
                break;
        }
    }

    private bool EndDrain(int delivered)
    {
        int failedBefore;
        lock (_lock)
        {
            _isDraining = false;
            _inFlight = null;
            failedBefore = IsEmpty ? _failedDrains = 0 : _failedDrains++;
        }

        if (delivered > 0)
        {
            guard.Reporter.Recovered(delivered);
        }

        if (IsEmpty)
        {
            return true;
        }

        guard.RequestProbe(failedBefore);
        return false;
    }

    private enum PendingKind
    {
        Key,
        Write,
        Tag,
        TagSet,
        Clear,
    }

    /// <summary>One thing the store is to be told. Which object it is tells whether it was added again.</summary>
    private sealed class Pending(PendingKind kind, string text)
    {
        internal PendingKind Kind => kind;

        /// <summary>The key or the tag.</summary>
        internal string Text => text;

        internal IReadOnlyList<string> Tags { get; init; } = [];

        internal InvalidationKind Invalidation { get; init; }

        internal StoreEntry Entry { get; init; }

        internal long Stamp { get; init; }

        internal long PayloadBytes => Entry.Payload.Length;

        /// <summary>What the other nodes are told once it is delivered.</summary>
        internal InvalidationNotice ToNotice(long stamp) => kind switch
        {
            PendingKind.TagSet => InvalidationNotice.OfTagSet(Tags, Invalidation, stamp),
            PendingKind.Tag => new(Invalidation == InvalidationKind.Remove ? NoticeKind.TagRemoved : NoticeKind.TagExpired, text, stamp),
            PendingKind.Write => new(NoticeKind.KeySet, text, stamp),
            _ => new(Invalidation == InvalidationKind.Remove ? NoticeKind.KeyRemoved : NoticeKind.KeyExpired, text, stamp),
        };

        /// <summary>What is left to be told of this and of what was pending before it.</summary>
        internal Pending After(Pending? earlier, long payloadBytesLeft)
        {
            if (kind == PendingKind.Write)
            {
                return PayloadBytes <= payloadBytesLeft ? this : new(PendingKind.Key, text);
            }

            // What was removed must not come back as a stale value, and of a value never sent nothing is left to expire.
            return earlier is null || earlier.Invalidation == Invalidation && earlier.Kind != PendingKind.Write
                ? this
                : new(kind, text) { Tags = Tags, Invalidation = InvalidationKind.Remove };
        }
    }
}
