using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;

namespace CacheKit.Diagnostics;

/// <summary>Makes one cache part of the meter <c>CacheKit</c>, until it is disposed or collected.</summary>
/// <remarks>
/// What a cache counts anyway is reported when a listener asks, so that metrics cost nothing on the hit path. Every
/// measurement carries the cache's name, and never a key or a tag, of which there may be any number.
/// </remarks>
internal sealed class CacheInstruments : IDisposable
{
    internal const string MeterName = "CacheKit";

    private static readonly Meter _ownMeter = new(MeterName);
    private static readonly ConditionalWeakTable<Meter, SharedInstruments> _sharedByMeter = [];

    private readonly SharedInstruments _shared;
    private readonly KeyValuePair<string, object?> _cache;
    private readonly Func<CacheStatistics> _statistics;
    private readonly bool _isWeightInBytes;

    /// <param name="cacheName">The value of the tag <c>cachekit.cache</c>.</param>
    /// <param name="statistics">Asked at every collection.</param>
    /// <param name="meters">Where the meter comes from; <see langword="null"/>: the process-wide one.</param>
    /// <param name="isWeightInBytes">Whether the cache has weights of its own, or just counts entries; then no weight is reported.</param>
    internal CacheInstruments(string cacheName, Func<CacheStatistics> statistics, IMeterFactory? meters, bool isWeightInBytes = true)
    {
        _cache = new("cachekit.cache", cacheName);
        _statistics = statistics;
        _isWeightInBytes = isWeightInBytes;
        var meter = meters?.Create(new MeterOptions(MeterName)) ?? _ownMeter;
        lock (_sharedByMeter)
        {
            // The table may call this for several threads at once, and each would publish the instruments.
            _shared = _sharedByMeter.GetValue(meter, static meter => new(meter));
        }

        _shared.Add(this);
    }

    internal void RecordFactory(TimeSpan elapsed, bool hasFailed)
    {
        if (!_shared.FactoryDuration.Enabled)
        {
            return;
        }

        try
        {
            _shared.FactoryDuration.Record(elapsed.TotalSeconds, _cache, new("cachekit.outcome", hasFailed ? "failure" : "success"));
        }
        catch (Exception)
        {
            // Listeners are called from within; a broken one must not break the call that is measured.
        }
    }

    internal void RecordStoreCall(string store, string operation, TimeSpan elapsed, string outcome)
    {
        if (!_shared.StoreDuration.Enabled)
        {
            return;
        }

        try
        {
            _shared.StoreDuration.Record(elapsed.TotalSeconds, _cache, new("cachekit.tier", store), new("cachekit.operation", operation), new("cachekit.outcome", outcome));
        }
        catch (Exception)
        {
            // As above.
        }
    }

    public void Dispose() => _shared.Remove(this);

    /// <summary>The instruments of one meter, shared by its caches: a meter that has one name twice confuses who exports it.</summary>
    private sealed class SharedInstruments
    {
        private readonly Lock _lock = new();

        // Weakly: a cache that nobody disposes must not be kept by its metrics.
        private readonly List<WeakReference<CacheInstruments>> _caches = [];

        internal SharedInstruments(Meter meter)
        {
            meter.CreateObservableCounter("cachekit.requests", () => Observe("cachekit.result", static statistics =>
                [("hit", statistics.Hits), ("miss", statistics.Misses), ("join", statistics.Joins)]),
                "{request}", "Look-ups, by result; a join waited for a factory already running.");
            meter.CreateObservableCounter("cachekit.stale_answers", () => Observe(static statistics => statistics.StaleHits),
                "{request}", "Misses and joins that were answered with an expired value.");
            meter.CreateObservableCounter("cachekit.factory.runs", () => Observe("cachekit.trigger", static statistics =>
                [("request", statistics.FactoryRuns - statistics.BackgroundRefreshes), ("refresh", statistics.BackgroundRefreshes)]),
                "{run}", "Factories started, by what started them.");
            meter.CreateObservableCounter("cachekit.factory.failures", () => Observe(static statistics => statistics.FactoryFailures),
                "{run}", "Factories that failed, were cancelled, or timed out.");
            meter.CreateObservableCounter("cachekit.discarded", () => Observe(static statistics => statistics.DiscardedResults),
                "{result}", "Results of factories not stored, because a removal or a newer value overtook them.");
            meter.CreateObservableCounter("cachekit.sets", () => Observe(static statistics => statistics.Sets),
                "{set}", "Values stored by a set, an add or a counter.");
            meter.CreateObservableCounter("cachekit.removals", () => Observe(static statistics => statistics.Removals),
                "{removal}", "Calls that removed or expired, by key, by tag, or by clearing.");
            meter.CreateObservableCounter("cachekit.refusals", () => Observe(static statistics => statistics.Refusals),
                "{value}", "Values not stored because they were too heavy for the whole cache.");
            meter.CreateObservableCounter("cachekit.entries.ended", () => Observe("cachekit.reason", static statistics =>
                [("replaced", statistics.Replacements), ("evicted", statistics.Evictions), ("expired", statistics.Expirations), ("token_changed", statistics.TokenExpirations)]),
                "{entry}", "Entries that left the memory tier without being removed, by reason.");
            meter.CreateObservableUpDownCounter("cachekit.entries", () => Observe(static statistics => statistics.Entries),
                "{entry}", "Entries held now.");
            meter.CreateObservableUpDownCounter("cachekit.weight", () => ObserveWeight(),
                "By", "What the entries weigh now, in caches bounded by bytes.");

            meter.CreateObservableCounter("cachekit.tier.reads", () => ObserveTiers("cachekit.result", static tier =>
                [("hit", tier.Hits), ("miss", tier.Misses)]),
                "{request}", "Keys read from a store, by result.");
            meter.CreateObservableCounter("cachekit.tier.writes", () => ObserveTiers(static tier => tier.Writes),
                "{write}", "Keys written to a store.");
            meter.CreateObservableCounter("cachekit.tier.removals", () => ObserveTiers(static tier => tier.Removals),
                "{removal}", "Removals and expirations in a store, by key, by tag, or of everything.");
            meter.CreateObservableCounter("cachekit.tier.unanswered", () => ObserveTiers("cachekit.reason", static tier =>
                [("failure", tier.Failures), ("timeout", tier.Timeouts), ("refusal", tier.Refusals)]),
                "{request}", "Calls a store did not answer, by reason; refusals were not made, because its circuit was open.");
            meter.CreateObservableUpDownCounter("cachekit.tier.circuits_open", () => ObserveTiers(static tier => tier.Circuit == CircuitState.Closed ? 0 : 1),
                "{store}", "1 while a store is left alone because it failed, else 0.");
            meter.CreateObservableUpDownCounter("cachekit.tier.pending_recoveries", () => ObserveTiers(static tier => tier.PendingRecoveries),
                "{change}", "Changes that wait to be sent to a store until it answers again.");

            meter.CreateObservableUpDownCounter("cachekit.tier.missing", () => ObserveTiers(static tier => tier.MissingBytes),
                "By", "Bytes that a store was given and cannot use, because the disk, or its user's share of it, is full.");

            // From a look at a file's page in memory to a server far away.
            StoreDuration = meter.CreateHistogram("cachekit.tier.duration", "s", "Time that calls of a store took, by operation and outcome.", tags: null,
                new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1] });

            // From a cheap computation to a slow remote call; the defaults of exporters are meant for milliseconds.
            FactoryDuration = meter.CreateHistogram("cachekit.factory.duration", "s", "Time that factories took, by outcome.", tags: null,
                new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] });
        }

        internal Histogram<double> FactoryDuration { get; }

        internal Histogram<double> StoreDuration { get; }

        internal void Add(CacheInstruments cache)
        {
            lock (_lock)
            {
                _caches.RemoveAll(static reference => !reference.TryGetTarget(out _));
                _caches.Add(new(cache));
            }
        }

        internal void Remove(CacheInstruments cache)
        {
            lock (_lock)
            {
                _caches.RemoveAll(reference => !reference.TryGetTarget(out var other) || other == cache);
            }
        }

        private IEnumerable<Measurement<long>> Observe(Func<CacheStatistics, long> read)
        {
            foreach (var (cache, statistics) in Read())
            {
                yield return new(read(statistics), cache._cache);
            }
        }

        private IEnumerable<Measurement<long>> Observe(string dimension, Func<CacheStatistics, (string Value, long Count)[]> read)
        {
            foreach (var (cache, statistics) in Read())
            {
                foreach (var (value, count) in read(statistics))
                {
                    yield return new(count, cache._cache, new(dimension, value));
                }
            }
        }

        private IEnumerable<Measurement<long>> ObserveTiers(Func<CacheTierStatistics, long> read)
        {
            foreach (var (cache, statistics) in Read())
            {
                foreach (var tier in statistics.Tiers)
                {
                    yield return new(read(tier), cache._cache, new("cachekit.tier", tier.Name));
                }
            }
        }

        private IEnumerable<Measurement<long>> ObserveTiers(string dimension, Func<CacheTierStatistics, (string Value, long Count)[]> read)
        {
            foreach (var (cache, statistics) in Read())
            {
                foreach (var tier in statistics.Tiers)
                {
                    foreach (var (value, count) in read(tier))
                    {
                        yield return new(count, cache._cache, new("cachekit.tier", tier.Name), new(dimension, value));
                    }
                }
            }
        }

        private IEnumerable<Measurement<long>> ObserveWeight()
        {
            foreach (var (cache, statistics) in Read())
            {
                if (cache._isWeightInBytes)
                {
                    yield return new(statistics.Weight, cache._cache);
                }
            }
        }

        private List<(CacheInstruments Cache, CacheStatistics Statistics)> Read()
        {
            List<CacheInstruments> caches = [];
            lock (_lock)
            {
                foreach (var reference in _caches)
                {
                    if (reference.TryGetTarget(out var cache))
                    {
                        caches.Add(cache);
                    }
                }
            }

            List<(CacheInstruments, CacheStatistics)> read = [];
            foreach (var cache in caches)
            {
                try
                {
                    read.Add((cache, cache._statistics()));
                }
                catch (ObjectDisposedException)
                {
                    // Disposed since the list was taken; its last numbers were reported before.
                }
            }

            return read;
        }
    }
}
