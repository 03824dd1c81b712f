using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Memory;
using Microsoft.Extensions.Logging;

namespace CacheKit.Engine;

/// <summary>The cache: the story of one call, from the look-up in memory to the factory and back.</summary>
/// <remarks>
/// <para>A hit is settled by <see cref="TryGetHit"/>: two comparisons, no lock, no allocation. All else goes on in
/// methods of its own, so that a hit pays for none of it.</para>
/// <para>The invariants and the order of locks are in <c>Engine/README.md</c>.</para>
/// </remarks>
internal sealed class Cache : ICache, IMemoryListener, IDisposable, IAsyncDisposable
{
    // What a hit goes through, without an interface in between.
    private readonly EntryTable _table;
    private readonly AdaptiveClockPolicy _policy;
    private readonly CacheClock _clock;
    private readonly TagClock _tags = new();
    private readonly HitCounter _hits;
    private readonly MemoryTier _memory;
    private readonly CacheCounters _counters = new();
    private readonly CacheInstruments _instruments;
    private readonly CacheReporter _reporter;
    private readonly Flights _flights;
    private readonly EntryLife _life;
    private readonly EntryWriter _writer;
    private readonly EntryReader _reader;
    private readonly EntryEdits _edits;
    private readonly RemovalSweeper _sweeper;
    private readonly Loader _loader;
    private readonly FlightWaiter _waiter;
    private readonly BatchCalls _batches;
    private readonly CacheEntryOptions _defaults;
    private volatile bool _isDisposed;

    internal Cache(
        string name, CacheKitOptions options, MemoryOptions memory, TimeProvider time, ILogger logger,
        IReadOnlyList<CacheObserver> observers, IMeterFactory? meters, Func<bool>? isMemoryShort = null, Faults faults = Faults.None)
    {
        Name = name;
        _hits = _counters.HitCounter;
        _defaults = options.DefaultEntryOptions;
        _clock = CacheClock.For(time);
        var bound = memory.MaximumBytes ?? memory.MaximumEntries ?? MemoryOptions.DefaultMaximumEntries;
        _table = new EntryTable((int)Math.Min(bound, int.MaxValue));
        _policy = new AdaptiveClockPolicy(bound, _clock);
        _memory = new MemoryTier(_table, _policy, bound, memory.MemoryPressureShare, _clock, this, isMemoryShort);
        _instruments = new CacheInstruments(name, GetStatistics, meters, isWeightInBytes: memory.MaximumBytes is not null);
        _reporter = new CacheReporter(name, _counters, _instruments, new Observers(name, observers, logger, time), logger, time);
        _flights = new Flights(_tags, _memory, options.TypeMismatch, faults);
        _life = new EntryLife(_clock, _tags, _memory);
        _writer = new EntryWriter(_memory, _clock, new ValueIsolation(options.Isolation), memory.SizeOf, memory.MaximumBytes is not null, _reporter);
        _edits = new EntryEdits(_flights, _tags, _memory, _life, _writer, _defaults);
        _loader = new Loader(_flights, _tags, _memory, _life, _writer, _reporter, _defaults, time, faults);
        _sweeper = new RemovalSweeper(_tags, _memory, _life, _writer);
        _reader = new EntryReader(_memory, _life, _writer, _reporter, options.TypeMismatch);
        _waiter = new FlightWaiter(_flights, _tags, _loader, _defaults, time);
        _batches = new BatchCalls(_reader, _life, _flights, _waiter, _loader, _reporter);
        _memory.Start(time, memory.MaintenanceInterval);
    }

    public string Name { get; }

    /// <summary>What decides which entries stay. For tests.</summary>
    internal AdaptiveClockPolicy Policy => _policy;

    /// <summary>Gives the value under a key if nothing but two comparisons is needed to know that it may be served.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryGetHit<T>(string key, CancellationToken cancellationToken, [MaybeNullWhen(false)] out T value)
    {
        ArgumentNullException.ThrowIfNull(key);
        var found = _table.Find(key);
        if (found is not null && MemoryEntry<T>.IsClassOf(found)
            && Unsafe.As<MemoryEntry<T>>(found) is var entry // just told
            && Volatile.Read(ref entry.FreshUntil) > _clock.Coarse
            && Volatile.Read(ref entry.ValidThrough) >= _tags.LastInvalidation
            && !cancellationToken.IsCancellationRequested)
        {
            _policy.OnHit(entry);
            _hits.Increment();
            value = entry.Value;
            return true;
        }

        return TryGetHitClosely(found, cancellationToken, out value);
    }

    public ValueTask<CacheLookup<T>> GetAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken) =>
        TryGetHit<T>(key, cancellationToken, out var value)
            ? new(new CacheLookup<T>(value))
            : GetPastHitAsync<T>(key, options, cancellationToken);

    public ValueTask<T> GetOrCreateAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(factory);
        return TryGetHit<T>(key, cancellationToken, out var value)
            ? new(value)
            : GetOrCreatePastHitAsync(key, state, factory, options, cancellationToken);
    }

    /// <summary>The rest of a get, when <see cref="TryGetHit"/> did not settle it.</summary>
    internal ValueTask<CacheLookup<T>> GetPastHitAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        Enter(key);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<CacheLookup<T>>(cancellationToken);
        }

        return new(_reader.Get<T>(key, AllowsStale(options)));
    }

    /// <summary>The rest of a get-or-create, when <see cref="TryGetHit"/> did not settle it.</summary>
    internal ValueTask<T> GetOrCreatePastHitAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        Enter(key);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<T>(cancellationToken)
            : CreateAsync(key, state, factory, options, TagSet.Create(options?.Tags ?? _defaults.Tags), cancellationToken);
    }

    private async ValueTask<T> CreateAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, string[] tags, CancellationToken cancellationToken)
    {
        var isFirst = true;
        while (true)
        {
            // 1. A closer look at what is there.
            var sighting = _reader.Look<T>(key);
            if (sighting.IsFresh)
            {
                if (sighting.State == EntryState.Due)
                {
                    Refresh(key, sighting.Entry, state, factory, options, tags);
                }

                _reporter.Counted(LookupResult.Hit, isFirst);
                return sighting.Value;
            }

            var hasStale = sighting.State == EntryState.Stale;
            if (hasStale && _life.IsRetryDelayed(sighting.Entry!)) // a stale value has an entry
            {
                _reporter.Counted(LookupResult.Miss, isFirst);
                _reporter.StaleServed(key);
                return sighting.Value;
            }

            // 2. Join the flight of the key, or start it: its stamp is taken here, before anything is read.
            var boarding = _flights.Board<T>(key, sighting.Entry, tags);
            if (boarding.Flight is not { } flight)
            {
                continue; // somebody has stored a value since
            }

            _reporter.Counted(boarding.IsLeader ? LookupResult.Miss : LookupResult.Join, isFirst);
            isFirst = false;
            if (boarding.IsLeader)
            {
                // 3. The factory. What it makes is stored before the flight ends, unless something has overtaken it.
                flight.Context = _loader.CreateContext(key, options, tags);
                _loader.Start(flight, state, factory, options, hasStale, isBackground: false);
            }

            // 4. Wait, each caller on its own terms; start over if the value is older than a removal seen before.
            var outcome = await _waiter.WaitAsync(flight, hasStale, options, cancellationToken).ConfigureAwait(false);
            if (_waiter.TryUse(outcome, boarding, out var value))
            {
                if (outcome.IsStale)
                {
                    _reporter.StaleServed(key);
                }

                return value;
            }
        }
    }

    private void Refresh<TState, T>(
        string key, MemoryEntry? entry, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, string[] tags)
    {
        // The background is the one caller of this flight: it ends when the factory does.
        if (_flights.Board<T>(key, entry, tags, onlyStart: true).Flight is { } flight)
        {
            flight.Context = _loader.CreateContext(key, options, tags);
            _loader.Start(flight, state, factory, options, hasStale: true, isBackground: true);
        }
    }

    public ValueTask SetAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        Enter(key);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (_edits.Set(key, value, new EntrySettings(options, _defaults)))
        {
            _counters.Set();
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask<bool> TryAddAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        OnKey(key, (value, options), static (cache, key, argument) =>
        {
            var isAdded = cache._edits.TryAdd(key, argument.value, new EntrySettings(argument.options, cache._defaults));
            if (isAdded)
            {
                cache._counters.Set();
            }

            return isAdded;
        }, cancellationToken);

    public ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _) =>
        {
            cache._counters.Removal();
            return cache._edits.Remove(key);
        }, cancellationToken);

    public ValueTask<bool> ExpireAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _) =>
        {
            cache._counters.Removal();
            return cache._edits.Expire(key);
        }, cancellationToken);

    public ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default)
    {
        TagSet.Check(tag, nameof(tag));
        return Invalidate(tag, static (tags, tag) => tags.Remove(tag), cancellationToken);
    }

    public ValueTask ExpireByTagAsync(string tag, CancellationToken cancellationToken = default)
    {
        TagSet.Check(tag, nameof(tag));
        return Invalidate(tag, static (tags, tag) => tags.Expire(tag), cancellationToken);
    }

    public ValueTask RemoveByTagsAsync(IEnumerable<string> tags, TagMatch match = TagMatch.Any, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var set = TagSet.Union([], tags);
        return match switch
        {
            TagMatch.Any or TagMatch.All when set.Length == 0 => Invalidate(set, static (_, _) => { }, cancellationToken),
            TagMatch.Any => Invalidate(set, static (clock, set) => clock.RemoveAny(set), cancellationToken),
            TagMatch.All => Invalidate(set, static (clock, set) => clock.RemoveAll(set), cancellationToken),
            _ => throw new ArgumentOutOfRangeException(nameof(match), match, "There is no such way to match tags."),
        };
    }

    public ValueTask ClearAsync(CancellationToken cancellationToken = default)
    {
        var cleared = Invalidate(this, static (tags, _) => tags.Clear(), cancellationToken);
        if (cleared.IsCompletedSuccessfully)
        {
            _sweeper.TakeOutRemoved(); // nothing is served any more; this gives the memory back
        }

        return cleared;
    }

    public ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _) => cache._edits.IsFresh(key, isRead: false), cancellationToken);

    public ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _) => cache._edits.IsFresh(key, isRead: true), cancellationToken);

    public ValueTask<TimeSpan?> GetTimeToLiveAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _) => cache._edits.GetTimeToLive(key), cancellationToken);

    public ValueTask<bool> SetTimeToLiveAsync(string key, TimeSpan timeToLive, CancellationToken cancellationToken = default) =>
        OnKey(key, timeToLive, static (cache, key, timeToLive) => cache._edits.SetTimeToLive(key, timeToLive), cancellationToken);

    public ValueTask<long> IncrementAsync(string key, long delta = 1, CacheCounterOptions? options = null, CancellationToken cancellationToken = default) =>
        OnKey(key, (delta, options), static (cache, key, argument) =>
        {
            var (value, isStored) = cache._edits.Increment(key, argument.delta, argument.options);
            if (isStored)
            {
                cache._counters.Set();
            }

            return value;
        }, cancellationToken);

    public ValueTask<IReadOnlyDictionary<string, CacheLookup<T>>> GetManyAsync<T>(
        IEnumerable<string> keys, CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        var distinct = Enter(keys);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<IReadOnlyDictionary<string, CacheLookup<T>>>(cancellationToken);
        }

        var lookups = new Dictionary<string, CacheLookup<T>>(distinct.Length, StringComparer.Ordinal);
        foreach (var key in distinct)
        {
            lookups.Add(key, _reader.Get<T>(key, AllowsStale(options)));
        }

        return new(lookups);
    }

    public ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateManyAsync<TState, T>(
        IEnumerable<string> keys, TState state,
        Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(factory);
        var distinct = Enter(keys);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<IReadOnlyDictionary<string, T>>(cancellationToken)
            : _batches.GetOrCreateAsync(distinct, state, factory, options, TagSet.Create(options?.Tags ?? _defaults.Tags), cancellationToken);
    }

    public ValueTask<int> SetManyAsync<T>(
        IEnumerable<KeyValuePair<string, T>> items, CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        var values = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var (key, value) in items)
        {
            CacheKey.Check(key);
            values[key] = value; // the last one counts
        }

        ThrowIfDisposed();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        var stored = 0;
        foreach (var (key, value) in values)
        {
            if (_edits.Set(key, value, new EntrySettings(options, _defaults)))
            {
                _counters.Set();
                stored++;
            }
        }

        return new(stored);
    }

    public ValueTask<int> RemoveManyAsync(IEnumerable<string> keys, CancellationToken cancellationToken = default)
    {
        var distinct = Enter(keys);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        var removed = 0;
        foreach (var key in distinct)
        {
            _counters.Removal();
            removed += _edits.Remove(key) ? 1 : 0;
        }

        return new(removed);
    }

    public CacheStatistics GetStatistics()
    {
        ThrowIfDisposed();
        return _counters.Snapshot(_memory.Count, _memory.Weight);
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        // First the flag, then the flights, then the hits: whoever comes past one meets the next, and no flight that lands
        // takes the mark that stops the hits for a stamp.
        _isDisposed = true;
        _flights.Close();
        _tags.Close();
        _writer.LetGoOfTokens();
        _memory.Dispose();
        _instruments.Dispose();
        _counters.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Throws if entries, queues, counts or flights contradict each other. For tests, when nothing is under way.</summary>
    internal void Verify()
    {
        _memory.Verify();
        _flights.Verify();
    }

    CacheEntryEndReason? IMemoryListener.ReasonToEnd(MemoryEntry entry) => _life.ReasonToEnd(entry);

    void IMemoryListener.OnEnded(in EndedEntries ended) => _writer.Announce(in ended);

    void IMemoryListener.OnMemoryPressureChanged(bool isShort, double share) => _reporter.MemoryPressureChanged(isShort, share);

    void IMemoryListener.OnMaintenanceFailed(Exception exception) => _reporter.BackgroundWorkFailed(exception);

    void IMemoryListener.OnMaintenance() => _sweeper.PruneIfDue();

    // Out of line: a hit must not pay for it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryGetHitClosely<T>(MemoryEntry? found, CancellationToken cancellationToken, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (found is null || _isDisposed || cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        var sighting = _reader.Look<T>(found);
        if (sighting.State != EntryState.Fresh)
        {
            return false; // one that is due needs the factory
        }

        _counters.Hit();
        value = sighting.Value;
        return true;
    }

    /// <summary>Does what concerns one key and never waits.</summary>
    private ValueTask<TResult> OnKey<TArgument, TResult>(
        string key, TArgument argument, Func<Cache, string, TArgument, TResult> act, CancellationToken cancellationToken)
    {
        Enter(key);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<TResult>(cancellationToken)
            : new(act(this, key, argument));
    }

    private ValueTask Invalidate<TArgument>(TArgument argument, Action<TagClock, TArgument> invalidate, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        _counters.Removal();
        invalidate(_tags, argument);
        _sweeper.PruneIfOverfull();
        return ValueTask.CompletedTask;
    }

    private bool AllowsStale(CacheEntryOptions? options) => options?.AllowStale ?? _defaults.AllowStale ?? false;

    private void Enter(string key)
    {
        CacheKey.Check(key);
        ThrowIfDisposed();
    }

    private string[] Enter(IEnumerable<string> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        var distinct = new HashSet<string>(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            CacheKey.Check(key);
            distinct.Add(key);
        }

        ThrowIfDisposed();
        return [.. distinct];
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isDisposed, typeof(ICache));
}
