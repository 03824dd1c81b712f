using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Engine.Isolation;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Engine;

/// <summary>The cache: the story of one call, from the look-up in memory to the factory and back.</summary>
/// <remarks>
/// <para>A hit is settled by <see cref="TryFindHit"/>: two comparisons, no lock, no allocation. All else goes on in
/// methods of its own, so that a hit pays for none of it.</para>
/// <para>The invariants and the order of locks are in <c>Engine/README.md</c>.</para>
/// </remarks>
internal sealed class Cache : ICache, IMemoryListener, IDisposable, IAsyncDisposable
{
    // What a hit goes through, without an interface in between.
    private readonly EntryTable _table;
    private readonly AdaptiveClockPolicy _policy;
    private readonly SampleBuffer _samples;
    private readonly CacheClock _clock;
    private readonly TagClock _tags;
    private readonly Explainer _explainer;
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
    private readonly GetCalls _gets;
    private readonly CreateCalls _creations;
    private readonly BatchCalls _batches;
    private readonly Invalidations _invalidations;
    private readonly KeyListing _listing;
    private readonly CacheEntryOptions _defaults;

    // Null for a cache that has only memory, most of whose calls never wait.
    private readonly StoreStack? _stores;
    private readonly SharedNews? _news;
    private volatile bool _isDisposed;
    private TaskCompletionSource? _disposal;

    internal Cache(
        string name, CacheKitOptions options, MemoryOptions memory, TimeProvider time, ILogger logger,
        IReadOnlyList<CacheObserver> observers, IMeterFactory? meters, Func<bool>? isMemoryShort = null, Faults faults = Faults.None,
        IReadOnlyList<StoreSetup>? stores = null, bool hasMemory = true)
    {
        Name = name;
        _hits = _counters.HitCounter;
        _defaults = options.DefaultEntryOptions;
        _clock = CacheClock.For(time);
        _tags = new TagClock(_clock);
        var bound = memory.MaximumBytes ?? memory.MaximumEntries ?? MemoryOptions.DefaultMaximumEntries;
        _table = new EntryTable((int)Math.Min(bound, int.MaxValue));
        _policy = new AdaptiveClockPolicy(bound, _clock, IsRemoved);
        _samples = _policy.Samples;
        _memory = new MemoryTier(_table, _policy, bound, memory.MemoryPressureShare, _clock, this, isMemoryShort);
        _instruments = new CacheInstruments(name, GetStatistics, meters, isWeightInBytes: memory.MaximumBytes is not null);
        var departures = new DepartureLog(_clock);
        _reporter = new CacheReporter(name, _counters, _instruments, new Observers(name, observers, logger, time), logger, time, departures);
        var traffic = stores is { Count: 1 } && !hasMemory && faults == Faults.None ? new KeyTraffic() : null;
        _flights = new Flights(_tags, _memory, options.TypeMismatch, faults, traffic);
        var hasStores = stores is { Count: > 0 };
        if (!hasStores && !hasMemory)
        {
            throw new InvalidOperationException($"The cache '{name}' has neither memory nor a store. Call UseDisk, UseRedis or UseStore beside WithoutMemory.");
        }

        _stores = hasStores ? new StoreStack(name, stores!, _clock, time, logger, _instruments) : null;
        _life = new EntryLife(_clock, _tags, _memory, _stores?.Renewal, _stores is not { HearsOfOthers: false });
        _writer = new EntryWriter(
            _memory, _clock, new ValueIsolation(options.Isolation), memory.SizeOf, memory.MaximumBytes is not null, _reporter, hasStores);
        var changes = new RemoteChanges(_flights, _tags, _memory, _life);
        _news = _stores?.SharedFeed is { } feed ? new SharedNews(feed, changes, _writer) : null;
        _reader = new EntryReader(_memory, _life, _writer, _reporter, options.TypeMismatch, _news);
        _edits = new EntryEdits(_flights, _tags, _memory, _life, _writer, _defaults);
        _stores?.Join(new(_flights, _tags, _memory, _life, _writer, _reader, _edits, changes, _reporter), options, hasMemory, faults, traffic);
        var landing = new Landing(_flights, _tags, _memory, _life, _writer, _reporter, _defaults, faults, _stores?.Loader);
        var loader = new Loader(_flights, landing, _memory, _reporter, _defaults, time, _stores?.Loader);
        _sweeper = new RemovalSweeper(_tags, _memory, _life);
        var waiter = new FlightWaiter(_flights, _tags, landing, _defaults, time, hasStores);
        _gets = new GetCalls(_reader, _flights, waiter, loader, _reporter, _defaults, hasStores, _news is null ? _stores?.Direct : null);
        _creations = new CreateCalls(_reader, _life, _flights, waiter, landing, loader, _memory, _reporter, _defaults, hasStores);
        _explainer = new Explainer(_flights, _tags, _memory, _life, _clock, departures, landing, _stores, hasMemory);
        _batches = new BatchCalls(_reader, _edits, _life, _flights, waiter, landing, loader, _reporter, _defaults, _stores);
        _invalidations = new Invalidations(_tags, _sweeper, _counters, _stores);
        _listing = new KeyListing(name, _flights, _memory, _life, _reporter, _stores);
        _memory.Start(time, memory.MaintenanceInterval);
    }

    public string Name { get; }

    /// <summary>What decides which entries stay. For tests.</summary>
    internal AdaptiveClockPolicy Policy => _policy;

    /// <summary>Gives the value under a key if it is in memory and fresh.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryGetHit<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken, [MaybeNullWhen(false)] out T value)
    {
        if (TryFindHit<T>(key, options, cancellationToken, out var found))
        {
            value = ValueOf<T>(found);
            return true;
        }

        value = default;
        return found is not null && TryGetClosely(found, cancellationToken, out value);
    }

    /// <summary>Finds the entry under a key, and counts a hit if nothing but two comparisons is needed to know that its value may be served as it is.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">The options of the call.</param>
    /// <param name="cancellationToken">The token of the call.</param>
    /// <param name="found">The entry; if null, memory need not be looked at again.</param>
    /// <returns>Whether <see cref="ValueOf"/> the entry is to be served.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TryFindHit<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken, [NotNullWhen(true)] out MemoryEntry? found)
    {
        ArgumentNullException.ThrowIfNull(key);
        found = (options is not null && options.SkipsMemoryRead) || (_news is not null && _news.IsThere)
            ? FindAfterNews(key, options)
            : EntryTable.Find(_table, key);
        if (found is not null && MemoryEntry<T>.IsClassOf(found)
            && Volatile.Read(ref found.FreshUntil) > _clock.CoarseIfSystem
            && Volatile.Read(ref found.ValidThrough) >= _tags.LastInvalidation
            && !cancellationToken.IsCancellationRequested)
        {
            AdaptiveClockPolicy.OnHit(found, _samples);
            _hits.Increment();
            return true;
        }

        return false;
    }

    /// <summary>The value of an entry that <see cref="TryFindHit"/> has found to be served.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static T ValueOf<T>(MemoryEntry entry) => Unsafe.As<MemoryEntry<T>>(entry).Value; // told there

    public ValueTask<CacheLookup<T>> GetAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken) =>
        TryFindHit<T>(key, options, cancellationToken, out var found)
            ? new(new CacheLookup<T>(ValueOf<T>(found)))
            : GetPastHitAsync<T>(found, key, options, cancellationToken);

    public ValueTask<T> GetOrCreateAsync<TState, T>(
        string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(factory);
        return TryFindHit<T>(key, options, cancellationToken, out var found)
            ? new(ValueOf<T>(found))
            : GetOrCreatePastHitAsync(found, key, state, factory, options, cancellationToken);
    }

    /// <summary>The rest of a get, when <see cref="TryFindHit"/> did not settle it.</summary>
    internal ValueTask<CacheLookup<T>> GetPastHitAsync<T>(MemoryEntry? found, string key, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        if (found is not null && TryGetClosely<T>(found, cancellationToken, out var value))
        {
            return new(new CacheLookup<T>(value));
        }

        Enter(key);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<CacheLookup<T>>(cancellationToken);
        }

        if (found is null && _stores is null)
        {
            // The commonest miss: there is nothing else to ask.
            _life.ObserveTime();
            _counters.Miss();
            return default;
        }

        return _gets.GetAsync<T>(key, options, cancellationToken);
    }

    /// <summary>The rest of a get-or-create, when <see cref="TryFindHit"/> did not settle it.</summary>
    internal ValueTask<T> GetOrCreatePastHitAsync<TState, T>(
        MemoryEntry? found, string key, TState state, Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        if (found is not null && TryGetClosely<T>(found, cancellationToken, out var value))
        {
            return new(value);
        }

        Enter(key);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<T>(cancellationToken)
            : _creations.GetOrCreateAsync(key, state, factory, options, cancellationToken);
    }

    public ValueTask SetAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        Enter(key);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        var settings = EntrySettings.For(options, _defaults);
        if (_stores is not null)
        {
            return SetInStoresAsync(key, value, settings);
        }

        if (_edits.Set(key, value, settings))
        {
            _counters.Set();
        }

        return ValueTask.CompletedTask;
    }

    private async ValueTask SetInStoresAsync<T>(string key, T value, EntrySettings settings)
    {
        if (await _stores!.Edits.SetAsync(key, value, settings).ConfigureAwait(false)) // asked for only with stores
        {
            _counters.Set();
        }
    }

    public async ValueTask<bool> SetStreamAsync(
        string key, Stream source, CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        Enter(key);
        cancellationToken.ThrowIfCancellationRequested();
        if (!source.CanRead)
        {
            throw new ArgumentException("The stream cannot be read.", nameof(source));
        }

        if (_stores is null)
        {
            throw new NotSupportedException(
                "The value cannot be streamed into the cache: it has only memory, which keeps whole values. Set it as an array of bytes instead, or give the cache a disk with UseDisk.");
        }

        var isStored = await _stores.Streams.SetAsync(key, source, EntrySettings.For(options, _defaults), cancellationToken).ConfigureAwait(false);
        if (isStored)
        {
            _counters.Set();
        }

        return isStored;
    }

    public ValueTask<Stream?> OpenReadAsync(string key, CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (TryGetHit<byte[]>(key, options, cancellationToken, out var value))
        {
            return new(StreamOf(value));
        }

        Enter(key);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<Stream?>(cancellationToken)
            : OpenReadPastHitAsync(key, options, cancellationToken);
    }

    private async ValueTask<Stream?> OpenReadPastHitAsync(string key, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        if (_stores is not null && await _stores.Streams.OpenAsync(key, CallOptions.TiersOf(options, _defaults), cancellationToken).ConfigureAwait(false) is { } stream)
        {
            _counters.Hit();
            return stream;
        }

        // What no store has that can be read in parts: as any value.
        Enter(key);
        cancellationToken.ThrowIfCancellationRequested();
        var lookup = await _gets.GetAsync<byte[]>(key, options, cancellationToken).ConfigureAwait(false);
        return lookup.IsHit ? StreamOf(lookup.Value) : null;
    }

    private static MemoryStream? StreamOf(byte[]? value) => value is null ? null : new MemoryStream(value, writable: false);

    public ValueTask<bool> TryAddAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        OnKey(key, (value, options), static async (cache, key, argument, _) =>
        {
            var settings = EntrySettings.For(argument.options, cache._defaults);
            var isAdded = cache._stores is { } stores
                ? await stores.Edits.TryAddAsync(key, argument.value, settings).ConfigureAwait(false)
                : cache._edits.TryAdd(key, argument.value, settings);
            if (isAdded)
            {
                cache._counters.Set();
            }

            return isAdded;
        }, cancellationToken);

    public ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _, _) =>
        {
            cache._counters.Removal();
            return cache._stores?.Edits.RemoveAsync(key) ?? new(cache._edits.Remove(key));
        }, cancellationToken);

    public ValueTask<bool> ExpireAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(key, 0, static (cache, key, _, _) =>
        {
            cache._counters.Removal();
            return cache._stores?.Edits.ExpireAsync(key) ?? new(cache._edits.Expire(key));
        }, cancellationToken);

    public ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default)
    {
        TagSet.Check(tag, nameof(tag));
        return InvalidateTags([tag], TagMatch.Any, InvalidationKind.Remove, cancellationToken);
    }

    public ValueTask ExpireByTagAsync(string tag, CancellationToken cancellationToken = default)
    {
        TagSet.Check(tag, nameof(tag));
        return InvalidateTags([tag], TagMatch.Any, InvalidationKind.Expire, cancellationToken);
    }

    public ValueTask RemoveByTagsAsync(IEnumerable<string> tags, TagMatch match = TagMatch.Any, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var set = TagSet.Union([], tags);
        return match is TagMatch.Any or TagMatch.All
            ? InvalidateTags(set, match, InvalidationKind.Remove, cancellationToken)
            : throw new ArgumentOutOfRangeException(nameof(match), match, "There is no such way to match tags.");
    }

    public ValueTask ClearAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled(cancellationToken) : _invalidations.ClearAsync();
    }

    public ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(
            key, 0, static (cache, key, _, token) => cache._stores?.Life.ExistsAsync(key, token) ?? new(cache._edits.IsFresh(key, isRead: false)),
            cancellationToken);

    public ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(
            key, 0, static (cache, key, _, token) => cache._stores?.Life.TouchAsync(key, token) ?? new(cache._edits.IsFresh(key, isRead: true)),
            cancellationToken);

    public ValueTask<TimeSpan?> GetTimeToLiveAsync(string key, CancellationToken cancellationToken = default) =>
        OnKey(
            key, 0, static (cache, key, _, token) => cache._stores?.Life.GetTimeToLiveAsync(key, token) ?? new(cache._edits.GetTimeToLive(key)),
            cancellationToken);

    public ValueTask<bool> SetTimeToLiveAsync(string key, TimeSpan timeToLive, CancellationToken cancellationToken = default) =>
        OnKey(
            key, timeToLive, static (cache, key, timeToLive, token) =>
                cache._stores?.Life.SetTimeToLiveAsync(key, timeToLive, token) ?? new(cache._edits.SetTimeToLive(key, timeToLive)),
            cancellationToken);

    public ValueTask<long> IncrementAsync(string key, long delta = 1, CacheCounterOptions? options = null, CancellationToken cancellationToken = default) =>
        OnKey(key, (delta, options), static async (cache, key, argument, token) =>
        {
            var (value, isStored) = cache._stores is { } stores
                ? await stores.Counters.IncrementAsync(key, argument.delta, argument.options, token).ConfigureAwait(false)
                : cache._edits.Increment(key, argument.delta, argument.options);
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
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<IReadOnlyDictionary<string, CacheLookup<T>>>(cancellationToken)
            : _batches.GetAsync<T>(distinct, options, CallOptions.TiersOf(options, _defaults), CallOptions.AllowsStale(options, _defaults), cancellationToken);
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
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : _batches.SetAsync(values, options);
    }

    public ValueTask<int> RemoveManyAsync(IEnumerable<string> keys, CancellationToken cancellationToken = default)
    {
        var distinct = Enter(keys);
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : _batches.RemoveAsync(distinct);
    }

    public IAsyncEnumerable<string> GetKeysAsync(string prefix = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ThrowIfDisposed();
        _listing.ThrowIfImpossible();
        return _listing.ListAsync(prefix, cancellationToken);
    }

    public async ValueTask<int> RemoveByPrefixAsync(string prefix, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ThrowIfDisposed();
        _listing.ThrowIfImpossible();
        cancellationToken.ThrowIfCancellationRequested();
        var keys = await _listing.FindAllAsync(prefix, cancellationToken).ConfigureAwait(false);
        return await RemoveManyAsync(keys, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask<CacheExplanation> ExplainAsync(string key, CancellationToken cancellationToken = default)
    {
        Enter(key);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<CacheExplanation>(cancellationToken)
            : _explainer.ExplainAsync(key, cancellationToken);
    }

    public CacheStatistics GetStatistics()
    {
        ThrowIfDisposed();
        return _counters.Snapshot(_memory.Count, _memory.Weight, _stores?.Snapshot(), _stores is not { Loader.HasMemory: false });
    }

    public void Dispose()
    {
        // Stores may have to wait for what is under way; who has a choice disposes asynchronously.
        var disposal = DisposeAsync();
        if (disposal.IsCompleted)
        {
            disposal.GetAwaiter().GetResult();
        }
        else
        {
            disposal.AsTask().GetAwaiter().GetResult();
        }
    }

    /// <remarks>Whoever disposes after the first waits for the same end.</remarks>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.CompareExchange(ref _disposal, new(TaskCreationOptions.RunContinuationsAsynchronously), null) is { } underWay)
        {
            return new(underWay.Task);
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
        if (_stores is not null)
        {
            return EndStoresAsync(_stores, _disposal);
        }

        _disposal.SetResult();
        return ValueTask.CompletedTask;
    }

    private static async ValueTask EndStoresAsync(StoreStack stores, TaskCompletionSource disposal)
    {
        try
        {
            await stores.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            disposal.SetResult();
        }
    }

    /// <summary>Has each store asked once whether it answers, soon and in the background, so that one that does not is known before it is needed.</summary>
    internal void Probe()
    {
        foreach (var tier in _stores?.Tiers ?? [])
        {
            tier.Guard.RequestProbe();
        }
    }

    /// <summary>Throws if entries, queues, counts or flights contradict each other. For tests, when nothing is under way.</summary>
    internal void Verify()
    {
        _memory.Verify();
        _flights.Verify();
    }

    bool IMemoryListener.IsRemoved(MemoryEntry entry) => IsRemoved(entry);

    private bool IsRemoved(MemoryEntry entry) =>
        Volatile.Read(ref entry.ValidThrough) is var validThrough && validThrough < _tags.LastInvalidation
        && _tags.Check(entry.Details?.Tags ?? [], validThrough) == TagVerdict.Removed;

    CacheEntryEndReason? IMemoryListener.ReasonToEnd(MemoryEntry entry) => _life.ReasonToEnd(entry);

    void IMemoryListener.OnEnded(in EndedEntries ended) => _writer.Announce(in ended);

    void IMemoryListener.OnMemoryPressureChanged(bool isShort, double share) => _reporter.MemoryPressureChanged(isShort, share);

    void IMemoryListener.OnMaintenanceFailed(Exception exception) => _reporter.BackgroundWorkFailed(exception);

    void IMemoryListener.OnMaintenance() => _sweeper.PruneIfDue();

    // Out of line: a hit must not pay for it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private MemoryEntry? FindAfterNews(string key, CacheEntryOptions? options)
    {
        _news?.Catch();
        return options is { SkipsMemoryRead: true } ? null : _table.Find(key);
    }

    // Out of line, too.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal bool TryGetClosely<T>(MemoryEntry found, CancellationToken cancellationToken, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (_isDisposed || cancellationToken.IsCancellationRequested)
        {
            return false;
        }

        var sighting = _reader.Look<T>(found, onlyFresh: true);
        if (sighting.State != EntryState.Fresh)
        {
            return false; // one that is due needs the factory
        }

        _counters.Hit();
        value = sighting.Value;
        return true;
    }

    /// <summary>Does what concerns one key: at once if there is only memory.</summary>
    private ValueTask<TResult> OnKey<TArgument, TResult>(
        string key, TArgument argument, Func<Cache, string, TArgument, CancellationToken, ValueTask<TResult>> act, CancellationToken cancellationToken)
    {
        Enter(key);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<TResult>(cancellationToken)
            : act(this, key, argument, cancellationToken);
    }

    private ValueTask InvalidateTags(string[] tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        ThrowIfDisposed();
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled(cancellationToken) : _invalidations.InvalidateTagsAsync(tags, match, kind);
    }

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
