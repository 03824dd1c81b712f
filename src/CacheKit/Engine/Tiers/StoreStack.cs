using CacheKit.Diagnostics;
using CacheKit.Engine.Recovery;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Engine.Tiers;

/// <summary>A store and how to use it.</summary>
internal sealed record StoreSetup(ICacheStore Store, CacheStoreOptions Options);

/// <summary>The parts of a cache that its stores work with.</summary>
internal sealed record EngineParts(
    Flights Flights, TagClock Tags, MemoryTier Memory, EntryLife Life, EntryWriter Writer, EntryReader Reader, EntryEdits Edits,
    RemoteChanges Changes, CacheReporter Reporter);

/// <summary>The stores behind a cache's memory, near to far, and all that works with them.</summary>
internal sealed class StoreStack : IAsyncDisposable
{
    private static readonly TimeSpan _drainPatience = TimeSpan.FromSeconds(2);

    private readonly StoreTier[] _tiers;
    private readonly StoreTime _time;
    private readonly TimeProvider _provider;
    private readonly ILogger _logger;
    private readonly string _cacheName;
    private StoreLoader? _loader;
    private TieredEdits? _edits;
    private TieredLife? _life;
    private TieredCounters? _counters;
    private ValueStreams? _streams;
    private EntryCodec? _codec;
    private DirectReader? _direct;
    private NodeLink? _link;

    internal StoreStack(
        string cacheName, IReadOnlyList<StoreSetup> stores, CacheClock clock, TimeProvider time, ILogger logger, CacheInstruments instruments)
    {
        _cacheName = cacheName;
        _provider = time;
        _logger = logger;
        _time = new StoreTime(clock, time);
        _tiers = new StoreTier[stores.Count];
        for (var i = 0; i < _tiers.Length; i++)
        {
            var (store, options) = stores[i];
            if (options.UseDistributedLock && (i < _tiers.Length - 1 || store is not ILockStore))
            {
                throw new InvalidOperationException(
                    $"The cache '{cacheName}' is to take turns with other nodes by locks of its store '{store.Name}', but "
                    + (store is ILockStore ? "only its last store can grant these." : "that store has no locks (it is no ILockStore).")
                    + $" Set {nameof(CacheStoreOptions)}.{nameof(CacheStoreOptions.UseDistributedLock)} for the last store, if that has locks, or leave it off.");
            }

            var guard = new StoreGuard(cacheName, store, options, time, logger, instruments);
            _tiers[i] = new StoreTier(guard, new RecoveryQueue(guard, options.RecoveryQueueSize), options, _time, isFar: i == _tiers.Length - 1);
        }

        Renewal = new StoreRenewal(_tiers, _time);
        Invalidator = new StoreInvalidator(_tiers, _time);
    }

    internal IReadOnlyList<StoreTier> Tiers => _tiers;

    internal StoreRenewal Renewal { get; }

    internal StoreInvalidator Invalidator { get; }

    /// <summary>The store whose processes tell each other by shared memory what they have changed, if there is one.</summary>
    internal ISharedMemoryFeed? SharedFeed => Array.FindLast(_tiers, static tier => tier.Store is ISharedMemoryFeed)?.Store as ISharedMemoryFeed;

    /// <summary>Whether other processes tell of what they change.</summary>
    internal bool HearsOfOthers => SharedFeed is not null || _tiers[^1].Store is IInvalidationTransport;

    // Set by Join, before any call.
    internal StoreLoader Loader => _loader!;

    internal TieredEdits Edits => _edits!;

    internal TieredLife Life => _life!;

    internal TieredCounters Counters => _counters!;

    internal ValueStreams Streams => _streams!;

    internal EntryCodec Codec => _codec!;

    internal NodeLink Link => _link!;

    /// <summary>What reads without flights, where that can be done: from one store, if memory keeps nothing.</summary>
    internal DirectReader? Direct => _direct;

    /// <summary>Begins to work with the cache's other parts. Once, before any call.</summary>
    internal void Join(EngineParts parts, CacheKitOptions options, bool hasMemory, Faults faults, KeyTraffic? traffic)
    {
        var codec = _codec = new EntryCodec(options.Serialization);
        var defaults = options.DefaultEntryOptions;
        _link = new NodeLink(_cacheName, _tiers, Invalidator, parts.Tags, parts.Changes, parts.Writer, parts.Reporter, _provider, _logger, faults);
        var reader = new StoreReader(_tiers, codec, parts.Writer, _time, _link, parts.Reporter, options.TypeMismatch, defaults);
        var writer = new StoreWriter(_tiers, codec, reader, Invalidator, _time, parts.Reporter);
        _loader = new StoreLoader(
            _tiers, reader, writer, Invalidator, parts.Flights, parts.Tags, parts.Memory, parts.Life, parts.Writer, _link, defaults, options.TypeMismatch, _provider, hasMemory, faults);
        var writes = new KeyWrites(parts.Flights, parts.Tags, parts.Memory, parts.Life, parts.Writer, hasMemory);
        _edits = new TieredEdits(writes, parts.Reader, parts.Writer, parts.Edits, reader, writer, Invalidator, _link, defaults);
        _life = new TieredLife(
            writes, _edits, parts.Memory, parts.Life, parts.Reader, parts.Edits, reader, writer, Invalidator, Renewal, _time, _link);
        _counters = new TieredCounters(
            writes, parts.Memory, parts.Reader, parts.Writer, parts.Edits, reader, writer, Invalidator, codec, _time, _link, defaults);
        _streams = new ValueStreams(_tiers, codec, parts.Writer, reader, _edits, Renewal, _time, parts.Reporter);
        _direct = traffic is null ? null : new(_tiers[0], traffic, parts.Memory, reader, codec, parts.Life, _time);
        _link.Start();
    }

    internal IReadOnlyList<CacheTierStatistics> Snapshot() => [.. _tiers.Select(static tier => tier.Guard.Snapshot(tier.Recovery.Count))];

    /// <summary>Sends what a store still has to be told, if that can be done soon; nobody will do it later.</summary>
    private static async ValueTask SendLastAsync(StoreTier tier)
    {
        if (!tier.Recovery.IsEmpty && tier.Guard.Circuit == CircuitState.Closed)
        {
            // In real time: it is the end of the process that this holds up.
            Task drain = tier.Recovery.DrainAsync();
            await drain.WaitAsync(_drainPatience, TimeProvider.System).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        tier.Recovery.GiveUp();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var tier in _tiers)
        {
            await SendLastAsync(tier).ConfigureAwait(false);
            _link?.TellDelivered(tier);
        }

        if (_link is not null)
        {
            await _link.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var tier in _tiers)
        {
            await tier.Guard.DisposeAsync().ConfigureAwait(false);
        }
    }
}
