namespace CacheKit.Tests.Consistency;

/// <summary>What a cache is, as plainly as it can be said: a dictionary, gone through from end to end wherever that is the easiest way.</summary>
/// <remarks>For one caller at a time. It knows nothing of stamps, flights, coarse clocks or eviction.</remarks>
internal sealed class CacheModel(bool forgetsStaleValues = false)
{
    private static readonly TimeSpan _retryAfterFailure = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, Entry> _entries = [];
    private TimeSpan _now;

    internal long Hits, StaleHits, Misses, FactoryRuns, FactoryFailures, BackgroundRefreshes, Sets, Removals;

    internal enum State
    {
        Absent,
        Fresh,
        Due,
        Stale,
    }

    /// <summary>How many entries are held, once the expired ones have been let go.</summary>
    internal int Count => _entries.Count;

    internal void Advance(TimeSpan by)
    {
        _now += by;
        foreach (var key in _entries.Keys.ToList())
        {
            Look(key, isRead: false);
        }
    }

    internal string Get(string key, bool allowsStale)
    {
        switch (Look(key, isRead: true))
        {
            case State.Fresh or State.Due:
                Hits++;
                return $"hit {_entries[key].Value}";
            case State.Stale when allowsStale:
                Misses++;
                StaleHits++;
                return $"stale {_entries[key].Value}";
            default:
                Misses++;
                return "miss";
        }
    }

    internal bool Set(string key, long value, CacheEntryOptions options)
    {
        if (!Store(key, value, options, options.Tags ?? []))
        {
            return false;
        }

        Sets++;
        return true;
    }

    internal bool TryAdd(string key, long value, CacheEntryOptions options) =>
        options.Expiration != TimeSpan.Zero && !IsThere(key) && Set(key, value, options);

    internal string GetOrCreate(string key, CacheEntryOptions options, Source source)
    {
        switch (Look(key, isRead: true))
        {
            case State.Fresh:
                Hits++;
                return $"{_entries[key].Value}";
            case State.Due:
                Hits++;
                var served = _entries[key].Value;
                BackgroundRefreshes++;
                Create([key], options, source);
                return $"{served}";
            case State.Stale when _now < _entries[key].RetryAt && options.StaleFor != TimeSpan.Zero:
                Misses++;
                StaleHits++;
                return $"{_entries[key].Value}";
            default:
                Misses++;
                if (Create([key], options, source).TryGetValue(key, out var created))
                {
                    return $"{created}";
                }

                if (!MayStandIn(key, options))
                {
                    return "failure";
                }

                StaleHits++;
                return $"{_entries[key].Value}";
        }
    }

    internal string GetOrCreateMany(IReadOnlyList<string> keys, CacheEntryOptions options, Source source)
    {
        var values = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var (due, missing) = (new List<string>(), new List<string>());
        foreach (var key in keys)
        {
            switch (Look(key, isRead: true))
            {
                case State.Fresh:
                    Hits++;
                    values[key] = _entries[key].Value;
                    break;
                case State.Due:
                    Hits++;
                    values[key] = _entries[key].Value;
                    due.Add(key);
                    break;
                case State.Stale when _now < _entries[key].RetryAt && options.StaleFor != TimeSpan.Zero:
                    Misses++;
                    StaleHits++;
                    values[key] = _entries[key].Value;
                    break;
                default:
                    Misses++;
                    missing.Add(key);
                    break;
            }
        }

        if (missing.Count > 0)
        {
            var created = Create(missing, options, source);
            foreach (var key in missing)
            {
                if (created.TryGetValue(key, out var value))
                {
                    values[key] = value;
                }
            }
        }

        if (due.Count > 0)
        {
            BackgroundRefreshes++;
            Create(due, options, source);
        }

        if (source.Outcome == Outcome.Failure)
        {
            if (!missing.TrueForAll(key => MayStandIn(key, options)))
            {
                return "failure";
            }

            foreach (var key in missing)
            {
                StaleHits++;
                values[key] = _entries[key].Value;
            }
        }

        return string.Join(", ", values.Select(static pair => $"{pair.Key}={pair.Value}"));
    }

    internal bool Remove(string key)
    {
        Removals++;
        var wasThere = IsThere(key);
        _entries.Remove(key);
        return wasThere;
    }

    internal bool Expire(string key)
    {
        Removals++;
        var wasThere = IsThere(key);
        Expire(static _ => true, key);
        return wasThere;
    }

    internal void ExpireByTag(string tag)
    {
        Removals++;
        Expire(entry => entry.Tags.Contains(tag), [.. _entries.Keys]);
    }

    internal void RemoveByTags(IReadOnlyList<string> tags, TagMatch match)
    {
        Removals++;
        foreach (var (key, entry) in _entries.ToList())
        {
            if (match == TagMatch.All ? tags.All(entry.Tags.Contains) : tags.Any(entry.Tags.Contains))
            {
                _entries.Remove(key);
            }
        }
    }

    internal void Clear()
    {
        Removals++;
        _entries.Clear();
    }

    internal long Increment(string key, long delta, CacheCounterOptions options)
    {
        Sets++;
        if (IsThere(key))
        {
            return _entries[key].Value += delta;
        }

        Store(key, options.InitialValue + delta, new CacheEntryOptions { Expiration = options.Expiration }, options.Tags ?? []);
        return options.InitialValue + delta;
    }

    internal TimeSpan? GetTimeToLive(string key) =>
        !IsThere(key) ? null : _entries[key].ExpiresAt == TimeSpan.MaxValue ? TimeSpan.MaxValue : _entries[key].ExpiresAt - _now;

    internal bool SetTimeToLive(string key, TimeSpan time)
    {
        if (!IsThere(key))
        {
            if (time == TimeSpan.Zero)
            {
                _entries.Remove(key);
            }

            return false;
        }

        if (time == TimeSpan.Zero)
        {
            return _entries.Remove(key);
        }

        var entry = _entries[key];
        entry.ExpiresAt = Later(time);
        entry.Sliding = null;
        entry.RefreshAt = TimeSpan.MaxValue;
        return true;
    }

    internal bool IsThere(string key, bool isRead = false) => Look(key, isRead) is State.Fresh or State.Due;

    private State Look(string key, bool isRead)
    {
        if (!_entries.TryGetValue(key, out var entry))
        {
            return State.Absent;
        }

        if (_now < entry.ExpiresAt)
        {
            if (isRead && entry.Sliding is { } sliding)
            {
                entry.ExpiresAt = Earlier(entry.SlidingLimit, Later(sliding));
            }

            return _now >= entry.RefreshAt && _now >= entry.RetryAt ? State.Due : State.Fresh;
        }

        if (_now - entry.ExpiresAt < entry.StaleFor && !forgetsStaleValues)
        {
            return State.Stale;
        }

        _entries.Remove(key);
        return State.Absent;
    }

    /// <summary>Calls the factory, and stores what it makes, or notes that it failed.</summary>
    private Dictionary<string, long> Create(List<string> keys, CacheEntryOptions options, Source source)
    {
        FactoryRuns++;
        var created = new Dictionary<string, long>();
        foreach (var key in keys)
        {
            switch (source.Outcome)
            {
                case Outcome.Failure:
                    if (_entries.TryGetValue(key, out var entry) && (_now < entry.ExpiresAt || options.StaleFor != TimeSpan.Zero))
                    {
                        entry.RetryAt = _now + _retryAfterFailure;
                    }

                    continue;
                case Outcome.LeavingOut when key == keys[0] && source.IsForMany:
                    continue;
                case Outcome.NotStored:
                    created[key] = source.Value;
                    continue;
                case Outcome.NotModified:
                    created[key] = _entries.TryGetValue(key, out var old) ? old.Value : source.Value;
                    break;
                default:
                    created[key] = source.Value;
                    break;
            }

            Store(key, created[key], options, [.. options.Tags ?? [], .. source.LateTags]);
        }

        if (source.Outcome == Outcome.Failure)
        {
            FactoryFailures++;
        }

        return created;
    }

    private bool MayStandIn(string key, CacheEntryOptions options) => _entries.ContainsKey(key) && options.StaleFor != TimeSpan.Zero;

    private bool Store(string key, long value, CacheEntryOptions options, IReadOnlyList<string> tags)
    {
        if (options.Expiration == TimeSpan.Zero)
        {
            _entries.Remove(key);
            return false;
        }

        var limit = options.Expiration is { } expiration ? Later(expiration) : TimeSpan.MaxValue;
        _entries[key] = new Entry
        {
            Value = value,
            Tags = [.. tags],
            Sliding = options.SlidingExpiration,
            SlidingLimit = limit,
            ExpiresAt = options.SlidingExpiration is { } sliding ? Earlier(limit, Later(sliding)) : limit,
            StaleFor = options.StaleFor ?? TimeSpan.Zero,
            RefreshAt = options is { RefreshAheadThreshold: { } share, Expiration: { } life } ? _now + (share * life) : TimeSpan.MaxValue,
        };
        return true;
    }

    private void Expire(Func<Entry, bool> isMeant, params string[] keys)
    {
        foreach (var key in keys)
        {
            if (_entries.TryGetValue(key, out var entry) && isMeant(entry))
            {
                entry.ExpiresAt = Earlier(entry.ExpiresAt, _now);
                entry.RetryAt = TimeSpan.Zero;
                Look(key, isRead: false);
            }
        }
    }

    private TimeSpan Later(TimeSpan time) => time == TimeSpan.MaxValue ? time : _now + time;

    private static TimeSpan Earlier(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private sealed class Entry
    {
        internal required long Value { get; set; }

        internal required HashSet<string> Tags { get; init; }

        internal required TimeSpan ExpiresAt { get; set; }

        internal required TimeSpan? Sliding { get; set; }

        internal required TimeSpan SlidingLimit { get; init; }

        internal required TimeSpan StaleFor { get; init; }

        internal required TimeSpan RefreshAt { get; set; }

        internal TimeSpan RetryAt { get; set; }
    }
}

/// <summary>What a factory does.</summary>
internal enum Outcome
{
    Value,
    NotModified,
    NotStored,
    Failure,
    LeavingOut,
}

/// <summary>The factory of one step.</summary>
internal readonly record struct Source(Outcome Outcome, long Value, string[] LateTags, bool IsForMany = false);
