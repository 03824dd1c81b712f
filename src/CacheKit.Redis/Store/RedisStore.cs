using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Diagnostics;
using CacheKit.Redis.Feed;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;

namespace CacheKit.Redis.Store;

/// <summary>A cache's tier in Redis: puts the parts together.</summary>
internal sealed class RedisStore : IBatchStore, ICounterStore, IEnumerableStore, ILockStore, IInvalidationTransport, IStoreHealth
{
    private const int WritesAtOnce = 256;
    private const int SweptAtOnce = 250;

    private readonly RedisConnection _connection;
    private readonly KeyLayout _layout;
    private readonly StampClock _clock;
    private readonly TagLedger _ledger;
    private readonly EntryReader _reader;
    private readonly EntryBatchReader _batches;
    private readonly EntryWriter _writer;
    private readonly EntryCounters _counters;
    private readonly ReadGatherer _reads;
    private readonly WriteGatherer _writes;
    private readonly MessageFeed _feed;
    private readonly StoreContext _context;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _disposal = new();
    private readonly Lock _sweepGate = new();
    private long _sweepThrough;
    private Task _sweeping = Task.CompletedTask;

    internal RedisStore(RedisOptions options, StoreContext context, TimeSpan? silenceToReplace = null)
    {
        _context = context;
        _logger = GuardedLogger.For(context.LoggerFactory.CreateLogger("CacheKit.Redis")); // some of it is logged where nobody could catch what it throws
        _layout = new(options.KeyPrefix, context.CacheName);
        _connection = new(options.Source ?? new RegisteredConnection(), context, _logger, options.OperationTimeout, silenceToReplace);
        _clock = new(_connection, _layout, options.MaximumLoadTime);
        _ledger = new(_connection, _clock, _layout);
        var memory = new TagMemory();
        var presence = new KeyPresence();
        var lifetimes = new Lifetimes(context.TimeProvider, options.MaximumLoadTime);
        var judge = new EntryJudge(_connection, _clock, _ledger, memory, _layout, lifetimes);
        _reader = new(_connection, _clock, _ledger, memory, presence, judge, _layout, lifetimes);
        _batches = new(_connection, _clock, _ledger, memory, presence, _reader, judge, _layout);
        var stamps = new WriteStamps(_clock);
        var forecast = new StampForecast(_clock);
        var filler = new EntryFiller(_connection, _clock, presence, _layout, lifetimes, context, options.MaximumLoadTime, _logger);
        _writer = new(_connection, _clock, forecast, stamps, filler, _ledger, memory, _reader, judge, _layout, lifetimes);
        _counters = new(_connection, _clock, stamps, _ledger, memory, judge, _layout, lifetimes);
        _reads = new(_connection, _clock, _reader, _layout);
        _writes = new(_connection, _clock, forecast, _ledger, memory, _writer, _layout, lifetimes);
        _feed = new(_connection, _clock, _layout, options.MessageLogLength, context.CacheName, _logger);
    }

    public string Name => "redis";

    public string? Trouble => _connection.Trouble;

    public bool LogsOutages => true;

    /// <summary>For tests: the connection.</summary>
    internal RedisConnection Connection => _connection;

    /// <summary>For tests: the clock as this process knows it.</summary>
    internal StampClock Clock => _clock;

    /// <summary>For tests: what reads entries.</summary>
    internal EntryReader Reader => _reader;

    /// <summary>For tests: the names.</summary>
    internal KeyLayout Layout => _layout;

    /// <summary>For tests: what runs after a clear.</summary>
    internal Task Sweeping
    {
        get
        {
            lock (_sweepGate)
            {
                return _sweeping;
            }
        }
    }

    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        _reads.ReadAsync(key, options, cancellationToken);

    public ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(
        IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken) =>
        _batches.ReadManyAsync(keys, options, cancellationToken);

    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        _writes.WriteAsync(key, entry, condition, cancellationToken);

    public async ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken)
    {
        var results = new List<StoreWriteResult>(writes.Count);
        for (var start = 0; start < writes.Count; start += WritesAtOnce)
        {
            // All are on their way before the first is waited for; the client sends them together.
            results.AddRange(await Task.WhenAll(writes.Skip(start).Take(WritesAtOnce).Select(
                write => WriteAsync(write.Key, write.Entry, write.Condition, cancellationToken).AsTask())).ConfigureAwait(false));
        }

        return results;
    }

    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) =>
        _writer.InvalidateAsync(key, kind, null, cancellationToken);

    public async ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(
        IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken)
    {
        var results = new List<StoreInvalidation>(keys.Count);
        for (var start = 0; start < keys.Count; start += WritesAtOnce)
        {
            // In a cluster, one stamp does for all.
            var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
            long? drawn = link.IsSingle ? null : await _clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
            results.AddRange(await Task.WhenAll(keys.Skip(start).Take(WritesAtOnce).Select(
                key => _writer.InvalidateAsync(key, kind, drawn, cancellationToken).AsTask())).ConfigureAwait(false));
        }

        return results;
    }

    public async ValueTask<long> InvalidateTagsAsync(
        IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
        return await _ledger.InvalidateAsync(link, tags, match, kind, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<long> ClearAsync(CancellationToken cancellationToken)
    {
        var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var stamp = await _ledger.ClearAsync(link, cancellationToken).ConfigureAwait(false);

        // The space of what is dead now comes back in the background: at once, not after the last of it has expired.
        lock (_sweepGate)
        {
            _sweepThrough = Math.Max(_sweepThrough, stamp);
            if (_sweeping.IsCompleted)
            {
                _sweeping = Task.Run(() => SweepAsync(_disposal.Token), CancellationToken.None);
            }
        }

        return stamp;
    }

    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        _writer.SetExpirationAsync(key, stamp, expiresAt, retainUntil, cancellationToken);

    public ValueTask<StoreCount?> IncrementAsync(string key, StoreCounterStep step, CancellationToken cancellationToken) =>
        _counters.CountAsync(key, step, cancellationToken);

    public async IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var (page, lookups) in PagesAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            for (var i = 0; i < page.Count; i++)
            {
                if (lookups[i].IsFound && seen.Add(page[i]))
                {
                    yield return page[i];
                }
            }
        }
    }

    public async ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken)
    {
        var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);

        // Without the limit of a command: it is many of them.
        try
        {
            return await KeyScan.EstimateAsync(link, name => _layout.KeyOf(name) is not null, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            throw RedisErrors.Translate(exception);
        }
    }

    public ValueTask<IStoreLock?> TryLockAsync(string key, TimeSpan lease, CancellationToken cancellationToken) =>
        RedisLock.TryTakeAsync(_connection, _layout.Lock(key), lease, cancellationToken);

    public ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken) =>
        _feed.SubscribeAsync(receiver, cancellationToken);

    public ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) =>
        _feed.PublishAsync(message, cancellationToken);

    /// <summary>Waits until there is a connection that answers.</summary>
    /// <exception cref="CacheStoreException">There is none in time.</exception>
    internal async Task CheckConnectionAsync(CancellationToken cancellationToken)
    {
        try
        {
            var link = await _connection.GetFirstAsync(cancellationToken).ConfigureAwait(false);
            await _connection.RunAsync(link, link.Database.PingAsync(), cancellationToken).ConfigureAwait(false);
            await _clock.LookAsync(link, cancellationToken).ConfigureAwait(false);
        }
        catch (CacheStoreException exception)
        {
            throw await _connection.ExplainAsync(exception, cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _disposal.CancelAsync().ConfigureAwait(false);
        await _feed.DisposeAsync().ConfigureAwait(false);
        await _connection.DisposeAsync().ConfigureAwait(false);
    }

    private async IAsyncEnumerable<(List<string> Keys, IReadOnlyList<StoreLookup> Lookups)> PagesAsync(
        string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
        await foreach (var names in KeyScan.PagesAsync(link, _layout.EntryPattern(prefix), SweptAtOnce, cancellationToken).ConfigureAwait(false))
        {
            // A server may know other patterns.
            List<string> page = [.. names.Select(_layout.KeyOf).OfType<string>().Where(key => key.StartsWith(prefix, StringComparison.Ordinal))];
            if (page.Count > 0)
            {
                yield return (page, await _batches.ReadManyAsync(page, new() { WithoutPayload = true }, cancellationToken).ConfigureAwait(false));
            }
        }
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        try
        {
            var swept = 0L;
            while (true)
            {
                long stamp;
                lock (_sweepGate)
                {
                    stamp = _sweepThrough;
                    if (stamp == swept)
                    {
                        _sweeping = Task.CompletedTask; // who clears from here on begins anew
                        return;
                    }
                }

                var link = await _connection.GetAsync(cancellationToken).ConfigureAwait(false);
                await foreach (var page in KeyScan.PagesAsync(link, _layout.EntryPattern(""), SweptAtOnce, cancellationToken).ConfigureAwait(false))
                {
                    var sweeping = page.Where(name => _layout.KeyOf(name) is not null).Select(name => SweepAsync(link, name, stamp));
                    await _connection.RunAsync(link, Task.WhenAll(sweeping), cancellationToken).ConfigureAwait(false);
                }

                swept = stamp;
            }
        }
        catch (Exception exception) when (exception is CacheStoreException or OperationCanceledException or ObjectDisposedException)
        {
            if (!_disposal.IsCancellationRequested)
            {
                _logger.SweepFailed(_context.CacheName, exception);
            }
        }
    }

    // What is of another type is not ours to take out.
    private static async Task<bool> SweepAsync(RedisLink link, string name, long stamp)
    {
        try
        {
            return (long)await Scripts.Sweep.RunAsync(link.Database, [name], stamp).ConfigureAwait(false) == 1;
        }
        catch (CacheStoreException exception) when (ForeignKeys.IsFound(exception.InnerException))
        {
            return false;
        }
    }
}
