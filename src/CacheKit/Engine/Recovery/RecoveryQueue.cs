using CacheKit.Engine.Feed;
using CacheKit.Stores;

namespace CacheKit.Engine.Recovery;

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
    private readonly Lock _lock = new();
    private readonly PendingChanges _pending = new(capacity);
    private readonly RecentDeliveries _delivered = new();
    private PendingChange? _inFlight;
    private int _count;
    private int _failedDrains;
    private bool _isDraining;
    private bool _isGivenUp;
    private Task<bool> _drain = Task.FromResult(true);

    /// <summary>Whether nothing is pending. One read.</summary>
    internal bool IsEmpty => Volatile.Read(ref _count) == 0;

    internal int Count => Volatile.Read(ref _count);

    /// <summary>How many things have been delivered: to be read before a read of the store begins.</summary>
    internal long Deliveries => _delivered.Count;

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
            return _pending.Covers(key, tags) || _delivered.Cover(key, tags, deliveriesBefore);
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
            return _pending.Has(key);
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
                return _pending.HasTags;
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
            if (_pending.Take(key) is { } superseded)
            {
                // As if it had been sent: who reads from before this must not believe what it covered.
                _delivered.Add(superseded);
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
            if (_pending.FindWrite(key) is not { } write)
            {
                return null;
            }

            if (change(write.Entry) is not { } changed)
            {
                return false;
            }

            _pending.Replace(new(PendingKind.Write, key) { Entry = changed, Stamp = write.Stamp });
            return true;
        }
    }

    /// <summary>The keys with a beginning of which something is still to be sent.</summary>
    internal List<string> KeysWith(string prefix)
    {
        lock (_lock)
        {
            return _pending.KeysWith(prefix);
        }
    }

    /// <summary>Takes what was delivered since the last time, for the other nodes to be told; null if that is too much to be said.</summary>
    internal IReadOnlyList<InvalidationNotice>? TakeDelivered()
    {
        lock (_lock)
        {
            return _delivered.TakeToTell();
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
        var (delivered, lost) = (0, 0);
        HashSet<PendingChange>? denied = null;
        while (TakeNext(denied) is { } pending)
        {
            var (status, stamp, isValueLost) = await SendAsync(pending).ConfigureAwait(false);
            if (status == StoreAnswerStatus.Answered)
            {
                Delivered(pending, stamp);
                delivered++;
                lost += isValueLost ? 1 : 0;
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

        return EndDrain(delivered, lost);
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

    private void Add(PendingChange pending)
    {
        var isFirst = false;
        var isFull = false;
        bool isGivenUp;
        lock (_lock)
        {
            isGivenUp = _isGivenUp;
            if (!isGivenUp)
            {
                isFirst = _pending.Count == 0;
                isFull = !_pending.TryAdd(pending, _inFlight);
                CountAnew();
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

    private PendingChange? TakeNext(HashSet<PendingChange>? denied)
    {
        lock (_lock)
        {
            return _inFlight = _pending.Next(denied);
        }
    }

    private async ValueTask<(StoreAnswerStatus Status, long Stamp, bool IsValueLost)> SendAsync(PendingChange pending)
    {
        switch (pending.Kind)
        {
            case PendingKind.Clear:
                var cleared = await guard.ClearAsync(CancellationToken.None).ConfigureAwait(false);
                return (cleared.Status, cleared.Result, false);
            case PendingKind.Tag or PendingKind.TagSet:
                var untagged = await guard.InvalidateTagsAsync(
                    pending.Tags, pending.Kind == PendingKind.Tag ? TagMatch.Any : TagMatch.All, pending.Invalidation, CancellationToken.None).ConfigureAwait(false);
                return (untagged.Status, untagged.Result, false);
            case PendingKind.Write:
                var written = await guard.WriteAsync(
                    pending.Text, pending.Entry, StoreCondition.IfCurrent(pending.Stamp), CancellationToken.None).ConfigureAwait(false);
                var isRefused = written.Status == StoreAnswerStatus.Denied || (written.TryGet(out var result) && !result.IsStored);
                if (!isRefused || !Holds(pending.Text))
                {
                    return (written.Status, written.Result.Stamp, false);
                }

                break; // at least what was there must go
        }

        var removed = await guard.InvalidateAsync(pending.Text, pending.Invalidation, CancellationToken.None).ConfigureAwait(false);
        return (removed.Status, removed.Result.Stamp, pending.Kind == PendingKind.Write);
    }

    private void Delivered(PendingChange change, long stamp)
    {
        lock (_lock)
        {
            // In this order: what is not pending any more was counted as delivered before.
            _delivered.Add(change);
            _delivered.Tell(change, stamp);
            _pending.Remove(change);
            CountAnew();
        }
    }

    private void CountAnew() => Volatile.Write(ref _count, _pending.Count);

    private bool EndDrain(int delivered, int lost)
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

        if (lost > 0)
        {
            guard.Reporter.ValuesLost(lost);
        }

        if (IsEmpty)
        {
            return true;
        }

        guard.RequestProbe(failedBefore);
        return false;
    }
}
