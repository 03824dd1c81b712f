using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>What an <see cref="InMemoryStore"/> holds for one cache name, and the rule of stamps to the letter.</summary>
/// <remarks>
/// <para>One lock, one clock. A key has a slot as long as there is an entry or a fence: the stamps of its last write and its last
/// invalidation, which keep older values out. Invalidations of tags only leave their stamp (<see cref="TagFences"/>), which readers
/// compare with that of the entry.</para>
/// <para>The clock also moves <em>after</em> a value was stored. So a stamp names one entry of a key for good: loads that begin later
/// have a later stamp, and of those that began before only one is stored.</para>
/// <para>Fences cannot be kept for ever. When there are too many they are dropped, and the floor rises to the present stamp: a value from
/// below it, which they might have stopped, is refused. What tags have done to entries is noted in the entries first.</para>
/// </remarks>
internal sealed class StorePartition
{
    // Before any instant there is, whichever way clocks are set.
    private static readonly DateTimeOffset _past = DateTimeOffset.MinValue;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Slot> _slots = [];
    private readonly TagFences _tags = new();
    private readonly Dictionary<string, (object Holder, DateTimeOffset Until)> _locks = [];
    private readonly List<InMemoryFeed> _feeds = [];
    private readonly int _maximumFences;
    private readonly int _maximumPayloadBytes;
    private int _slotsBeforePruning;
    private long _clock = 1;
    private long _floor;

    internal StorePartition(int maximumFences, int maximumPayloadBytes)
    {
        _maximumFences = _slotsBeforePruning = maximumFences;
        _maximumPayloadBytes = maximumPayloadBytes;
    }

    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _slots.Values.Count(slot => slot.Item is not null);
            }
        }
    }

    /// <summary>How many slots and tags are remembered, entries or not.</summary>
    internal int Fences
    {
        get
        {
            lock (_gate)
            {
                return _slots.Values.Count(slot => slot.Item is null) + _tags.Count;
            }
        }
    }

    internal StoreLookup Read(string key, StoreReadOptions options, DateTimeOffset now, Func<byte[], LentPayload> lend)
    {
        lock (_gate)
        {
            if (FindLive(key, now) is not { } item)
            {
                return StoreLookup.Missing(_clock);
            }

            var expiresAt = ExpiryOf(item);
            if (options.KnownStamp == item.Stamp)
            {
                return StoreLookup.NotModified(_clock, item.Stamp, expiresAt, item.RetainUntil) with { ExpiredAt = item.ExpiredAt };
            }

            if (item.Number is { } number)
            {
                return StoreLookup.Counter(_clock, item.Stamp, number, expiresAt, item.RetainUntil);
            }

            if (options.WithoutPayload)
            {
                return StoreLookup.Found(_clock, item.Stamp, default, expiresAt, item.RetainUntil) with { ExpiredAt = item.ExpiredAt };
            }

            var payload = lend(item.Payload);
            return StoreLookup.Found(_clock, item.Stamp, payload.Memory, expiresAt, item.RetainUntil, payload) with { ExpiredAt = item.ExpiredAt };
        }
    }

    internal StoreWriteResult Write(string key, StoreEntry entry, StoreCondition condition, DateTimeOffset now)
    {
        lock (_gate)
        {
            MakeRoomFor(key, now);
            var old = FindLive(key, now);
            var mayWrite = condition.Kind switch
            {
                StoreConditionKind.Always => true,
                StoreConditionKind.IfAbsent => old is null || ExpiryOf(old) <= now,
                StoreConditionKind.IfCurrent => IsCurrent(key, entry.Tags ?? [], condition.Stamp),
                StoreConditionKind.IfUnchanged => old?.Stamp == condition.Stamp,
                _ => throw new ArgumentOutOfRangeException(nameof(condition), condition.Kind, "There is no such condition."),
            };
            if (!mayWrite)
            {
                return new(StoreWriteOutcome.Overtaken, _clock);
            }

            var stamp = condition.Kind == StoreConditionKind.IfCurrent ? condition.Stamp : ++_clock;
            if (entry.Payload.Length > _maximumPayloadBytes)
            {
                if (condition.Kind == StoreConditionKind.Always)
                {
                    Put(key, stamp, null);
                }

                return new(StoreWriteOutcome.Declined, _clock);
            }

            var item = new StoredItem
            {
                Payload = entry.Payload.ToArray(),
                Tags = [.. entry.Tags ?? []],
                Stamp = stamp,
                CoveredAfter = condition.Kind == StoreConditionKind.IfUnchanged ? condition.Stamp : stamp,
                ExpiresAt = entry.ExpiresAt,
                RetainUntil = entry.RetainUntil,
                // Made from an entry that somebody has expired meanwhile.
                IsExpired = condition.Kind == StoreConditionKind.IfUnchanged && old is { IsExpired: true },
                ExpiredAt = condition.Kind == StoreConditionKind.IfUnchanged ? old?.ExpiredAt : null,
            };

            // Nobody remembers what happened to tags below the floor. To those of the old entry nothing did, or it would not be live.
            var isKnown = item.CoveredAfter >= _floor || item.Tags.All(tag => old is not null && old.Tags.Contains(tag));
            Put(key, stamp, isKnown ? item : null);
            return new(StoreWriteOutcome.Stored, stamp);
        }
    }

    /// <summary>Draws the stamp of an entry that comes part by part.</summary>
    internal long DrawStamp()
    {
        lock (_gate)
        {
            _clock += 2;
            return _clock - 1;
        }
    }

    /// <summary>Stores an entry that came part by part, unless something has overtaken it.</summary>
    internal StoreWriteResult Complete(string key, StoreEntry entry, long stamp, DateTimeOffset now)
    {
        lock (_gate)
        {
            var result = Write(key, entry, StoreCondition.IfCurrent(stamp), now);
            if (result.Outcome == StoreWriteOutcome.Overtaken && (!_slots.TryGetValue(key, out var slot) || (slot.WrittenAt < stamp && slot.InvalidatedAt < stamp)))
            {
                // By its tags alone: as if it had been written, and then been removed by them.
                Put(key, stamp, null);
            }

            return result;
        }
    }

    internal StoreCount? Increment(string key, StoreCounterStep step, DateTimeOffset now)
    {
        lock (_gate)
        {
            MakeRoomFor(key, now);
            if (FindLive(key, now) is { } item && ExpiryOf(item) > now)
            {
                if (item.Number is not { } number)
                {
                    return null;
                }

                item.Number = Step(number, step);
                item.Stamp = item.CoveredAfter = ++_clock;
                Put(key, item.Stamp, item);
                return new(item.Number.Value, item.Stamp);
            }

            var stamp = ++_clock;
            var value = Step(step.InitialValue, step);
            var counter = new StoredItem
            {
                Payload = [],
                Tags = [.. step.Tags ?? []],
                Number = value,
                Stamp = stamp,
                CoveredAfter = stamp,
                ExpiresAt = step.ExpiresAt,
                RetainUntil = step.ExpiresAt,
            };
            Put(key, stamp, counter);
            return new(value, stamp);
        }
    }

    internal StoreInvalidation Invalidate(string key, InvalidationKind kind, DateTimeOffset now)
    {
        lock (_gate)
        {
            MakeRoomFor(key, now);
            var item = FindLive(key, now);
            var wasFresh = item is not null && ExpiryOf(item) > now;
            var slot = SlotOf(key);
            slot.InvalidatedAt = ++_clock;
            if (kind == InvalidationKind.Remove)
            {
                slot.Item = null;
            }
            else if (slot.Item is not null)
            {
                slot.Item.IsExpired = true;
                slot.Item.ExpiredAt ??= now;
            }

            return new(_clock, wasFresh);
        }
    }

    internal long InvalidateTags(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_tags.Count + tags.Count > _maximumFences)
            {
                Prune(now);
            }

            _tags.Add(tags, match, kind, ++_clock);
            return _clock;
        }
    }

    internal long Clear()
    {
        lock (_gate)
        {
            // Below the floor is all that was there and all that was begun: no fence is needed any more.
            _floor = ++_clock;
            _slots.Clear();
            _tags.Clear();
            _slotsBeforePruning = _maximumFences;
            return _clock;
        }
    }

    internal bool SetExpiration(string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (FindLive(key, now) is not { } item || item.Stamp != stamp || ExpiryOf(item) == _past)
            {
                return false;
            }

            item.ExpiresAt = expiresAt;
            item.RetainUntil = retainUntil;
            return true;
        }
    }

    internal string[] Keys(string prefix, DateTimeOffset now)
    {
        lock (_gate)
        {
            return [.. _slots.Keys.ToArray().Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && FindLive(key, now) is not null)];
        }
    }

    internal bool TryLock(string key, object holder, DateTimeOffset now, TimeSpan lease)
    {
        lock (_gate)
        {
            if (_locks.TryGetValue(key, out var held) && held.Until > now)
            {
                return false;
            }

            _locks[key] = (holder, EndOf(lease, now));
            return true;
        }
    }

    internal bool ExtendLock(string key, object holder, DateTimeOffset now, TimeSpan lease)
    {
        lock (_gate)
        {
            if (!_locks.TryGetValue(key, out var held) || held.Holder != holder || held.Until <= now)
            {
                return false;
            }

            _locks[key] = (holder, EndOf(lease, now));
            return true;
        }
    }

    internal void ReleaseLock(string key, object holder)
    {
        lock (_gate)
        {
            if (_locks.TryGetValue(key, out var held) && held.Holder == holder)
            {
                _locks.Remove(key);
            }
        }
    }

    internal void Attach(InMemoryFeed feed)
    {
        lock (_gate)
        {
            _feeds.Add(feed);
        }
    }

    internal void Detach(InMemoryFeed feed)
    {
        lock (_gate)
        {
            _feeds.Remove(feed);
        }
    }

    internal InMemoryFeed[] Feeds()
    {
        lock (_gate)
        {
            return [.. _feeds];
        }
    }

    private static DateTimeOffset EndOf(TimeSpan lease, DateTimeOffset now) =>
        lease < DateTimeOffset.MaxValue - now ? now + lease : DateTimeOffset.MaxValue;

    private static long Step(long from, StoreCounterStep step)
    {
        var sum = (Int128)from + step.Delta;
        return (long)Int128.Max(step.Minimum, Int128.Min(step.Maximum, sum));
    }

    private bool IsCurrent(string key, IReadOnlyList<string> tags, long stamp)
    {
        if (stamp < _floor || _tags.IsCovered(tags, InvalidationKind.Remove, stamp))
        {
            return false;
        }

        return !_slots.TryGetValue(key, out var slot) || (slot.InvalidatedAt <= stamp && slot.WrittenAt < stamp);
    }

    private StoredItem? FindLive(string key, DateTimeOffset now)
    {
        if (!_slots.TryGetValue(key, out var slot) || slot.Item is not { } item)
        {
            return null;
        }

        if (item.RetainUntil <= now || _tags.IsCovered(item.Tags, InvalidationKind.Remove, item.CoveredAfter))
        {
            // Gone for good, even if the clock is set back.
            slot.Item = null;
        }

        return slot.Item;
    }

    private DateTimeOffset ExpiryOf(StoredItem item) =>
        item.IsExpired || _tags.IsCovered(item.Tags, InvalidationKind.Expire, item.CoveredAfter) ? _past : item.ExpiresAt;

    private void Put(string key, long stamp, StoredItem? item)
    {
        var slot = SlotOf(key);
        slot.Item = item;
        slot.WrittenAt = stamp;
        _clock++;
    }

    private Slot SlotOf(string key)
    {
        if (!_slots.TryGetValue(key, out var slot))
        {
            _slots.Add(key, slot = new());
        }

        return slot;
    }

    /// <summary>Before anything else is decided, since pruning forgets what the decision may rest on.</summary>
    private void MakeRoomFor(string key, DateTimeOffset now)
    {
        if (_slots.Count >= _slotsBeforePruning && !_slots.ContainsKey(key))
        {
            Prune(now);
        }
    }

    private void Prune(DateTimeOffset now)
    {
        foreach (var (key, slot) in _slots.ToArray())
        {
            if (FindLive(key, now) is { } item)
            {
                item.IsExpired = ExpiryOf(item) == _past;
            }
            else
            {
                _slots.Remove(key);
            }
        }

        _tags.Clear();
        _floor = _clock;
        _slotsBeforePruning = _slots.Count + _maximumFences;
    }

    private sealed class Slot
    {
        internal StoredItem? Item { get; set; }

        internal long WrittenAt { get; set; }

        internal long InvalidatedAt { get; set; }
    }
}
