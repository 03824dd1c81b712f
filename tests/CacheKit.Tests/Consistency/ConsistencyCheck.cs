using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using CacheKit.Engine;

namespace CacheKit.Tests.Consistency;

/// <summary>Under what conditions the checker runs a cache.</summary>
internal sealed record Conditions
{
    internal long MaximumEntries { get; init; } = 10_000;

    /// <summary>The longest that values live, in milliseconds; 0 for no limit.</summary>
    internal int Expiration { get; init; }

    /// <summary>How long past that they may stand in, in milliseconds; with that, factories fail and callers lose patience.</summary>
    internal int StaleFor { get; init; }

    internal Faults Faults { get; init; }
}

/// <summary>Many callers that use a cache in every way at once while each value they read is judged; see <see cref="CheckedKey"/>.</summary>
/// <remarks>
/// A few keys are hot, the others cold; two are counters, whose value is a version and a count. Factories read the
/// database and then dawdle, so that removals meet them under way. Every entry carries two tags: one that the calls
/// name, and one that is added only when the row has been read.
/// </remarks>
internal sealed class ConsistencyCheck(Conditions conditions, int seed = 1)
{
    private const int HotKeys = 6;
    private const int ColdKeys = 48;
    private const int Counters = 2;
    private const int KnownTags = 4;
    private const int LateTags = 3;
    private const int AsynchronousReaders = 12;
    private const int SynchronousReaders = 2;
    private const int Writers = 4;
    private const int Examples = 5;
    private const int UnusedTagsAtOnce = 500;

    /// <summary>A counter's value is its version times this, and what was counted since.</summary>
    private const long CounterUnit = 1_000_000_000;

    private readonly CheckedKey[] _keys = [.. Enumerable.Range(0, HotKeys + ColdKeys).Select(index => CreateKey("key", index))];
    private readonly CheckedKey[] _counters = [.. Enumerable.Range(0, Counters).Select(index => CreateKey("counter", index))];
    private readonly ConcurrentQueue<string> _examples = new();
    private Cache _cache = null!; // there while the check runs
    private volatile bool _isStopping;
    private long _reads, _factories, _removals, _violations, _staleReads;
    private int _runningFactories, _unusedTags;

    internal long Reads => Volatile.Read(ref _reads);

    internal long Factories => Volatile.Read(ref _factories);

    /// <summary>How often values were removed, replaced or expired on request.</summary>
    internal long Removals => Volatile.Read(ref _removals);

    internal long Violations => Volatile.Read(ref _violations);

    /// <summary>What the first violations were.</summary>
    internal IEnumerable<string> FirstViolations => _examples;

    /// <summary>Runs for as long as asked, or until a violation is found if that is all one wants.</summary>
    internal async Task RunAsync(TimeSpan duration, bool untilViolated = false)
    {
        var cache = _cache = TestCache.Create(
            memory: new MemoryOptions { MaximumEntries = conditions.MaximumEntries, MaintenanceInterval = TimeSpan.FromMilliseconds(10), MemoryPressureShare = 1 },
            faults: conditions.Faults);
        Task[] callers =
        [
            .. Enumerable.Range(0, AsynchronousReaders).Select(index => Loop(index, ReadAsync)),
            .. Enumerable.Range(100, SynchronousReaders).Select(index => LoopOnThread(index, ReadSynchronously)),
            .. Enumerable.Range(200, Writers).Select(index => Loop(index, WriteAsync)),
        ];
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < duration && !(untilViolated && Violations > 0) && !callers.Any(static caller => caller.IsFaulted))
        {
            await Task.Delay(5);
        }

        _isStopping = true;
        await Task.WhenAll(callers);
        await SettleAsync();
        foreach (var key in _keys)
        {
            var expected = key.Expect();
            Judge("the last get", key, await cache.GetOrCreateAsync(key.Name, _ => ValueTask.FromResult(key.Read())), expected, mayBeStale: false);
        }

        Statistics = cache.GetStatistics();
        TestCache.End(cache);
    }

    internal CacheStatistics? Statistics { get; private set; }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Reads:N0} reads checked ({_staleReads:N0} of stale values), {Factories:N0} factories, {Removals:N0} removals, {Violations:N0} violations; cache: {Statistics?.Hits:N0} hits, {Statistics?.StaleHits:N0} stale, {Statistics?.Misses:N0} misses, {Statistics?.Joins:N0} joins, {Statistics?.DiscardedResults:N0} results discarded, {Statistics?.BackgroundRefreshes:N0} refreshes, {Statistics?.Evictions:N0} evictions, {Statistics?.Expirations:N0} expirations");

    private static CheckedKey CreateKey(string kind, int index) => new($"{kind}:{index}", $"known:{index % KnownTags}", $"late:{index % LateTags}");

    private Task Loop(int worker, Func<Random, Task> act) => Task.Run(async () =>
    {
        var random = new Random(seed + worker);
        while (!_isStopping)
        {
            await act(random);
            await Task.Yield(); // there are more workers than threads
        }
    });

    private Task LoopOnThread(int worker, Action<Random> act) => Task.Factory.StartNew(
        () =>
        {
            var random = new Random(seed + worker);
            while (!_isStopping)
            {
                act(random);
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Waits for what goes on behind the callers' backs.</summary>
    private async Task SettleAsync()
    {
        while (Volatile.Read(ref _runningFactories) > 0)
        {
            await Task.Delay(1);
        }

        await Task.Delay(20); // a failure that has just landed has its stale value stand in for two milliseconds more
    }

    // ---- reads ----
    private async Task ReadAsync(Random random)
    {
        var key = PickKey(random);
        switch (random.Next(20))
        {
            case < 11:
                await GetOrCreateAsync(key, random);
                break;
            case < 14:
                Get(key, isStaleAllowed: random.Next(2) == 0);
                break;
            case < 15:
                await GetManyAsync(PickKeys(random));
                break;
            case < 18:
                await GetOrCreateManyAsync(PickKeys(random), random);
                break;
            case < 19:
                await _cache.TouchAsync(key.Name);
                await _cache.SetTimeToLiveAsync(key.Name, TimeSpan.FromMilliseconds(1 + random.Next(50)));
                break;
            default:
                GetCounter(_counters[random.Next(Counters)]);
                break;
        }
    }

    private void ReadSynchronously(Random random)
    {
        var key = PickKey(random);
        if (random.Next(3) == 0)
        {
            Get(key, isStaleAllowed: false);
            return;
        }

        var expected = key.Expect();
        try
        {
            Judge("a synchronous get-or-create", key, _cache.GetOrCreate(key.Name, context => Load(key, context), CreateOptions(random, key)), expected, mayBeStale: conditions.StaleFor > 0);
        }
        catch (Exception exception) when (exception is SourceFailedException or TimeoutException)
        {
        }
    }

    private async Task GetOrCreateAsync(CheckedKey key, Random random)
    {
        var expected = key.Expect();
        using var impatience = random.Next(8) == 0 ? new CancellationTokenSource(TimeSpan.FromMilliseconds(random.Next(3))) : null;
        try
        {
            var row = await _cache.GetOrCreateAsync(
                key.Name, (Check: this, Key: key), static (state, context, token) => state.Check.LoadAsync(state.Key, context, token),
                CreateOptions(random, key), impatience?.Token ?? default);
            Judge("a get-or-create", key, row, expected, mayBeStale: conditions.StaleFor > 0);
        }
        catch (Exception exception) when (IsExpected(exception, impatience))
        {
        }
    }

    private async Task GetOrCreateManyAsync(List<CheckedKey> keys, Random random)
    {
        var expected = keys.ConvertAll(static key => key.Expect());
        using var impatience = random.Next(8) == 0 ? new CancellationTokenSource(TimeSpan.FromMilliseconds(random.Next(3))) : null;
        try
        {
            // No tag is known before the factory adds it: those of the keys differ.
            var rows = await _cache.GetOrCreateManyAsync(
                keys.Select(static key => key.Name), this, static (check, context, token) => check.LoadManyAsync(context), CreateOptions(random, null), impatience?.Token ?? default);
            for (var i = 0; i < keys.Count; i++)
            {
                if (rows.TryGetValue(keys[i].Name, out var row))
                {
                    Judge("a get-or-create of many", keys[i], row, expected[i], mayBeStale: conditions.StaleFor > 0);
                }
            }
        }
        catch (Exception exception) when (IsExpected(exception, impatience))
        {
        }
    }

    private void Get(CheckedKey key, bool isStaleAllowed)
    {
        var expected = key.Expect();
        var lookup = Completed(_cache.GetAsync<Row>(key.Name, isStaleAllowed ? _allowStale : null, default));
        if (lookup.IsHit)
        {
            Judge("a get", key, lookup.Value, expected, lookup.IsStale);
        }
    }

    private async Task GetManyAsync(List<CheckedKey> keys)
    {
        var expected = keys.ConvertAll(static key => key.Expect());
        var lookups = await _cache.GetManyAsync<Row>(keys.Select(static key => key.Name));
        for (var i = 0; i < keys.Count; i++)
        {
            if (lookups[keys[i].Name] is { IsHit: true } lookup)
            {
                Judge("a get of many", keys[i], lookup.Value, expected[i], lookup.IsStale);
            }
        }
    }

    private void GetCounter(CheckedKey counter)
    {
        var expected = counter.Expect();
        if (Completed(_cache.GetAsync<long>(counter.Name)) is { IsHit: true } lookup)
        {
            Judge("a get of a counter", counter, Row.Of(counter.Name, lookup.Value / CounterUnit), expected, lookup.IsStale);
        }
    }

    private void Increment(CheckedKey counter)
    {
        var expected = counter.Expect();
        var value = counter.WhileNobodyCommits(() => Completed(_cache.IncrementAsync(
            counter.Name, 1, new CacheCounterOptions { InitialValue = counter.Committed * CounterUnit, Tags = counter.Tags, Expiration = CreateExpiration() })));
        Judge("an increment", counter, Row.Of(counter.Name, value / CounterUnit), expected, mayBeStale: false);
    }

    private void Judge(string operation, CheckedKey key, Row row, Expectation expected, bool mayBeStale)
    {
        Interlocked.Increment(ref _reads);
        if (mayBeStale && row.Version < expected.Fresh.Version)
        {
            Interlocked.Increment(ref _staleReads);
        }

        var floor = mayBeStale ? expected.Any : expected.Fresh;
        var violation = row.Key != key.Name ? "of another key"
            : !row.IsWhole ? "that is torn"
            : row.Version > key.Committed ? "that was never committed"
            : row.Version < floor.Version ? $"although {floor.Cause} of version {floor.Version} had returned before"
            : null;
        if (violation is not null && Interlocked.Increment(ref _violations) <= Examples)
        {
            _examples.Enqueue($"{operation} of {key.Name} gave {row.Key} version {row.Version} {violation}");
        }
    }

    // ---- factories ----
    private async ValueTask<Row> LoadAsync(CheckedKey key, CacheEntryContext context, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _runningFactories);
        try
        {
            Interlocked.Increment(ref _factories);
            var row = key.Read();
            await DawdleAsync(cancellationToken);
            return Finish(key, row, context);
        }
        finally
        {
            Interlocked.Decrement(ref _runningFactories);
        }
    }

    private Row Load(CheckedKey key, CacheEntryContext context)
    {
        Interlocked.Increment(ref _runningFactories);
        try
        {
            Interlocked.Increment(ref _factories);
            var row = key.Read();
            Thread.SpinWait(Random.Shared.Next(500));
            if (Random.Shared.Next(4) == 0)
            {
                Thread.Sleep(1);
            }

            return Finish(key, row, context);
        }
        finally
        {
            Interlocked.Decrement(ref _runningFactories);
        }
    }

    private Row Finish(CheckedKey key, Row row, CacheEntryContext context)
    {
        var random = Random.Shared.Next(64);
        if (conditions.StaleFor > 0 && random < 12)
        {
            throw new SourceFailedException();
        }

        if (random == 12)
        {
            context.SkipStoring();
        }

        context.AddTags(key.LateTag);
        return context.GetStale<Row>() is { IsHit: true } stale && stale.Value.Version == row.Version ? stale.Value : row; // "not modified"
    }

    private async ValueTask<IReadOnlyDictionary<string, Row>> LoadManyAsync(CacheBatchContext context)
    {
        Interlocked.Increment(ref _runningFactories);
        try
        {
            Interlocked.Increment(ref _factories);
            var rows = new Dictionary<string, Row>();
            foreach (var name in context.Keys)
            {
                var key = Array.Find(_keys, key => key.Name == name)!; // only these are asked for
                rows.Add(name, key.Read());
                context.For(name).AddTags(key.KnownTag);
            }

            await DawdleAsync(default);
            if (Random.Shared.Next(8) == 0)
            {
                rows.Remove(context.Keys[0]); // which then is left out
            }

            foreach (var (name, row) in rows.ToArray())
            {
                rows[name] = Finish(Array.Find(_keys, key => key.Name == name)!, row, context.For(name)); // as above
            }

            return rows;
        }
        finally
        {
            Interlocked.Decrement(ref _runningFactories);
        }
    }

    private static async ValueTask DawdleAsync(CancellationToken cancellationToken)
    {
        switch (Random.Shared.Next(8))
        {
            case 0:
                break;
            case < 3:
                Thread.SpinWait(Random.Shared.Next(300));
                break;
            case < 6:
                await Task.Yield();
                break;
            default:
                await Task.Delay(1 + Random.Shared.Next(4), cancellationToken);
                break;
        }
    }

    // ---- writes ----
    private async Task WriteAsync(Random random)
    {
        Interlocked.Increment(ref _removals);
        var key = PickKey(random);
        var counter = _counters[random.Next(Counters)];
        var known = $"known:{random.Next(KnownTags)}";
        var late = $"late:{random.Next(LateTags)}";
        switch (random.Next(33))
        {
            case < 6:
                await InvalidateAsync([key], "a removal", () => _cache.RemoveAsync(key.Name).AsTask());
                break;
            case < 7:
                var many = PickKeys(random);
                await InvalidateAsync(many, "a removal of many", () => _cache.RemoveManyAsync(many.Select(static key => key.Name)).AsTask());
                break;
            case < 8:
                await InvalidateAsync([key], "a time to live of zero", () => _cache.SetTimeToLiveAsync(key.Name, TimeSpan.Zero).AsTask());
                break;
            case < 12:
                key.CommitAndWrite(row => IsCompleted(_cache.SetAsync(key.Name, row, CreateOptions(random, key, key.Tags))), "a set");
                break;
            case < 13:
                SetMany(random);
                break;
            case < 16:
                key.CommitAndWrite(row => Completed(_cache.TryAddAsync(key.Name, row, CreateOptions(random, key, key.Tags))), "an add");
                break;
            case < 19:
                await InvalidateAsync(KeysWith(known), "a removal by a known tag", () => _cache.RemoveByTagAsync(known).AsTask());
                break;
            case < 22:
                await InvalidateAsync(KeysWith(late), "a removal by a late tag", () => _cache.RemoveByTagAsync(late).AsTask());
                break;
            case < 24:
                await InvalidateAsync(KeysWith(known).Intersect(KeysWith(late)), "a removal by all of two tags", () => _cache.RemoveByTagsAsync([known, late], TagMatch.All).AsTask());
                break;
            case < 25:
                await InvalidateAsync(KeysWith(known).Union(KeysWith(late)), "a removal by any of two tags", () => _cache.RemoveByTagsAsync([known, late]).AsTask());
                break;
            case < 26:
                await InvalidateAsync([.. _keys, .. _counters], "a clearing", () => _cache.ClearAsync().AsTask());
                break;
            case < 28:
                await InvalidateAsync([key], "an expiration", () => _cache.ExpireAsync(key.Name).AsTask(), isExpirationOnly: true);
                break;
            case < 29:
                await InvalidateAsync(KeysWith(late), "an expiration by tag", () => _cache.ExpireByTagAsync(late).AsTask(), isExpirationOnly: true);
                break;
            case < 30:
                await InvalidateAsync([counter], "a removal of a counter", () => _cache.RemoveAsync(counter.Name).AsTask());
                break;
            case < 32:
                Increment(counter);
                break;
            default:
                // So many that the cache has to forget some again.
                for (var i = 0; i < UnusedTagsAtOnce; i++)
                {
                    await _cache.RemoveByTagAsync($"unused:{Interlocked.Increment(ref _unusedTags)}");
                }

                break;
        }

        if (random.Next(4) == 0)
        {
            await Task.Delay(random.Next(2)); // else nothing lives long enough to be read
        }
    }

    private static async Task InvalidateAsync(IEnumerable<CheckedKey> keys, string cause, Func<Task> invalidate, bool isExpirationOnly = false)
    {
        var committed = keys.Select(static key => (Key: key, Version: key.Commit())).ToList();
        Thread.SpinWait(Random.Shared.Next(100));
        await invalidate();
        foreach (var (key, version) in committed)
        {
            if (isExpirationOnly)
            {
                key.RaiseFreshTo(version, cause);
            }
            else
            {
                key.RaiseTo(version, cause);
            }
        }
    }

    private void SetMany(Random random)
    {
        // Two keys with the same tags, the one of the lower index first: others may do the same.
        var first = HotKeys + random.Next(ColdKeys - (KnownTags * LateTags));
        var (one, other) = (_keys[first], _keys[first + (KnownTags * LateTags)]);
        one.CommitAndWrite(
            row =>
            {
                other.CommitAndWrite(
                    otherRow => Completed(_cache.SetManyAsync<Row>([new(one.Name, row), new(other.Name, otherRow)], CreateOptions(random, one, one.Tags))) == 2, "a set of many");
                return true;
            },
            "a set of many");
    }

    // ---- choices ----
    private CheckedKey PickKey(Random random) => _keys[random.Next(3) > 0 ? random.Next(HotKeys) : random.Next(_keys.Length)];

    private List<CheckedKey> PickKeys(Random random) => [.. Enumerable.Range(0, 1 + random.Next(5)).Select(_ => PickKey(random)).Distinct()];

    private IEnumerable<CheckedKey> KeysWith(string tag) => _keys.Concat(_counters).Where(key => key.Tags.Contains(tag));

    private CacheEntryOptions CreateOptions(Random random, CheckedKey? key, string[]? tags = null) => new()
    {
        Tags = tags ?? (key is null ? null : [key.KnownTag]),
        Expiration = CreateExpiration(),
        SlidingExpiration = conditions.Expiration > 0 && random.Next(4) == 0 ? TimeSpan.FromMilliseconds(1 + (conditions.Expiration / 2)) : null,
        RefreshAheadThreshold = random.Next(2) == 0 ? 0.1 : null,
        StaleFor = conditions.StaleFor > 0 ? TimeSpan.FromMilliseconds(conditions.StaleFor) : null,
        RetryAfterFailure = TimeSpan.FromMilliseconds(random.Next(3)),
        SoftTimeout = conditions.StaleFor > 0 && random.Next(3) == 0 ? TimeSpan.FromMilliseconds(1) : null,
        HardTimeout = conditions.StaleFor > 0 && random.Next(6) == 0 ? TimeSpan.FromMilliseconds(3) : null,
    };

    private TimeSpan? CreateExpiration() => conditions.Expiration > 0 ? TimeSpan.FromMilliseconds(1 + Random.Shared.Next(conditions.Expiration)) : null;

    private static bool IsExpected(Exception exception, CancellationTokenSource? impatience) =>
        exception is SourceFailedException or TimeoutException || (exception is OperationCanceledException && impatience is { IsCancellationRequested: true });

    private static bool IsCompleted(ValueTask pending)
    {
        pending.IsCompletedSuccessfully.Should().BeTrue();
        return true;
    }

    private static T Completed<T>(ValueTask<T> pending)
    {
        pending.IsCompleted.Should().BeTrue();
        return pending.GetAwaiter().GetResult();
    }

    private static readonly CacheEntryOptions _allowStale = new() { AllowStale = true };

    private sealed class SourceFailedException : Exception;
}
