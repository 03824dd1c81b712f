using CacheKit.Stores;

namespace CacheKit.Tests.Stores;

/// <summary>A store in a dictionary: the least that keeps every promise. When it is full, it starts over.</summary>
public sealed class DictionaryStore(TimeProvider timeProvider, int maximumKeys = 100_000) : ICacheStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Slot> _slots = [];
    private readonly Dictionary<string, long> _tags = []; // when each was last invalidated
    private bool _isDisposed;

    // Reads show the clock as it is. Every change draws the stamp after that and leaves the clock one further, so no load shares a stamp with a
    // change: what began before it has an earlier stamp, what begins after it a later one.
    private long _clock = 1;

    // What was loaded from before is not stored: nothing is known of what happened to it.
    private long _floor;

    public string Name => "dictionary";

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        using (Enter())
        {
            if (FindLive(key) is not { } item)
                return new(StoreLookup.Missing(_clock));
            var (entry, stamp) = (item.Entry, item.Stamp);
            return new(options.KnownStamp == stamp
                ? StoreLookup.NotModified(_clock, stamp, entry.ExpiresAt, entry.RetainUntil)
                : StoreLookup.Found(_clock, stamp, entry.Payload, entry.ExpiresAt, entry.RetainUntil));
        }
    }

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        using (Enter())
        {
            if (_slots.Count + _tags.Count >= maximumKeys && !_slots.ContainsKey(key))
                StartOver();
            var old = FindLive(key);
            var holds = condition.Kind switch
            {
                StoreConditionKind.Always => true,
                StoreConditionKind.IfCurrent => condition.Stamp >= _floor && (!_slots.TryGetValue(key, out var slot) || slot.ChangedAt < condition.Stamp),
                StoreConditionKind.IfAbsent => old is null || old.Entry.ExpiresAt <= timeProvider.GetUtcNow(),
                _ => old?.Stamp == condition.Stamp, // IfUnchanged
            };
            if (!holds)
                return new(new StoreWriteResult(StoreWriteOutcome.Overtaken, _clock));

            var drawn = Draw();
            var stamp = condition.Kind == StoreConditionKind.IfCurrent ? condition.Stamp : drawn;
            // Made from another value, it is covered by what happened to its tags since that one.
            var coveredAfter = condition.Kind == StoreConditionKind.IfUnchanged ? condition.Stamp : stamp;
            // The bytes are the caller's again when the call has ended.
            var kept = new StoreEntry { Payload = entry.Payload.ToArray(), ExpiresAt = entry.ExpiresAt, RetainUntil = entry.RetainUntil, Tags = [.. entry.Tags] };
            _slots[key] = new(stamp, new(kept, stamp, coveredAfter));
            return new(new StoreWriteResult(StoreWriteOutcome.Stored, stamp));
        }
    }

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken)
    {
        using (Enter())
        {
            if (_slots.Count + _tags.Count >= maximumKeys && !_slots.ContainsKey(key))
                StartOver();
            var wasFresh = FindLive(key)?.Entry.ExpiresAt > timeProvider.GetUtcNow();
            var stamp = Draw();
            _slots[key] = new(stamp, null); // expired is removed here, which a store may do
            return new(new StoreInvalidation(stamp, wasFresh));
        }
    }

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        using (Enter())
        {
            if (_slots.Count + _tags.Count + tags.Count > maximumKeys)
                StartOver();
            var stamp = Draw();
            foreach (var tag in tags) // all of several tags are any of them here, which removes more than asked, never less
                _tags[tag] = stamp;
            return new(stamp);
        }
    }

    public ValueTask<long> ClearAsync(CancellationToken cancellationToken)
    {
        using (Enter())
            return new(StartOver());
    }

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        using (Enter())
        {
            if (FindLive(key) is not { } item || item.Stamp != stamp)
                return new(false);
            var entry = new StoreEntry { Payload = item.Entry.Payload, ExpiresAt = expiresAt, RetainUntil = retainUntil, Tags = item.Entry.Tags };
            _slots[key] = _slots[key] with { Item = item with { Entry = entry } };
            return new(true);
        }
    }

    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        return default;
    }

    private Lock.Scope Enter()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _gate.EnterScope();
    }

    private long Draw()
    {
        _clock += 2;
        return _clock - 1;
    }

    private long StartOver()
    {
        _slots.Clear();
        _tags.Clear();
        var stamp = Draw();
        _floor = _clock;
        return stamp;
    }

    private Item? FindLive(string key)
    {
        if (!_slots.TryGetValue(key, out var slot) || slot.Item is not { } item)
            return null;
        if (item.Entry.RetainUntil > timeProvider.GetUtcNow() && !item.Entry.Tags.Any(tag => _tags.GetValueOrDefault(tag) > item.CoveredAfter))
            return item;
        _slots[key] = slot with { Item = null }; // for good, even if the clock is set back; when it was written is still known
        return null;
    }

    private sealed record Item(StoreEntry Entry, long Stamp, long CoveredAfter);

    private readonly record struct Slot(long ChangedAt, Item? Item);
}
