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

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Pending> _keys = [];
    private readonly Dictionary<string, Pending> _tags = [];
    private readonly Dictionary<string, Pending> _tagSets = [];
    private Pending? _clear;
    private Pending? _inFlight;
    private long _payloadBytes;
    private long _deliveries;
    private int _count;
    private int _failedDrains;
    private bool _isDraining;

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
        if (IsEmpty)
        {
            return Deliveries != deliveriesBefore;
        }

        lock (_lock)
        {
            return _deliveries != deliveriesBefore || _clear is not null || _keys.ContainsKey(key) || CoversTags(tags);
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

    /// <summary>Sends what is pending, until nothing is or the store fails; then has the guard look out for it.</summary>
    /// <returns>Whether nothing is pending. <see langword="false"/> as well if it is being sent already.</returns>
    internal async Task<bool> DrainAsync()
    {
        lock (_lock)
        {
            if (_isDraining)
            {
                return false;
            }

            _isDraining = true;
        }

        // There may be thousands to send, and the call that found the store reachable is somebody's.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var delivered = 0;
        HashSet<Pending>? denied = null;
        while (TakeNext(denied) is { } pending)
        {
            var status = await SendAsync(pending).ConfigureAwait(false);
            if (status == StoreAnswerStatus.Answered)
            {
                Delivered(pending);
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

    private void Add(Pending pending)
    {
        var isFirst = false;
        var isFull = false;
        lock (_lock)
        {
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

    private async ValueTask<StoreAnswerStatus> SendAsync(Pending pending)
    {
        switch (pending.Kind)
        {
            case PendingKind.Clear:
                return (await guard.ClearAsync(CancellationToken.None).ConfigureAwait(false)).Status;
            case PendingKind.Tag or PendingKind.TagSet:
                return (await guard.InvalidateTagsAsync(
                    pending.Tags, pending.Kind == PendingKind.Tag ? TagMatch.Any : TagMatch.All, pending.Invalidation, CancellationToken.None).ConfigureAwait(false)).Status;
            case PendingKind.Write:
                var written = await guard.WriteAsync(
                    pending.Text, pending.Entry, StoreCondition.IfCurrent(pending.Stamp), CancellationToken.None).ConfigureAwait(false);
                var isRefused = written.Status == StoreAnswerStatus.Denied || (written.TryGet(out var result) && !result.IsStored);
                if (!isRefused)
                {
                    return written.Status;
                }

                break; // at least what was there must go
        }

        return (await guard.InvalidateAsync(pending.Text, pending.Invalidation, CancellationToken.None).ConfigureAwait(false)).Status;
    }

    private void Delivered(Pending pending)
    {
        lock (_lock)
        {
            Volatile.Write(ref _deliveries, _deliveries + 1);
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
