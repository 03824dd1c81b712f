using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Consistency;

/// <summary>Under what conditions the checker runs several nodes.</summary>
internal sealed record NodeConditions
{
    internal int Nodes { get; init; } = 3;

    /// <summary>Whether the nodes keep values in memory, which messages between them have to follow.</summary>
    internal bool HasMemory { get; init; } = true;

    /// <summary>Whether each node has a store of its own before the shared one.</summary>
    internal bool HasNear { get; init; }

    /// <summary>Whether calls of the shared store fail, hang and end late now and then.</summary>
    internal bool IsFaulty { get; init; }

    /// <summary>Whether messages between the nodes are lost, doubled and interrupted now and then.</summary>
    internal bool LosesMessages { get; init; }

    /// <summary>How long after a change has returned the other nodes must have followed. Zero: at once.</summary>
    internal TimeSpan Delivery { get; init; }

    /// <summary>How long each writer waits between changes, on average: where others have time to follow, values must live for longer than that time.</summary>
    internal TimeSpan Pace { get; init; } = TimeSpan.FromMilliseconds(1);

    internal Faults Faults { get; init; }
}

/// <summary>Several caches ("nodes") over one shared store, used in every way at once, while each value read is judged; see <see cref="NodeKey"/>.</summary>
internal sealed class NodeCheck(NodeConditions conditions, int seed = 1)
{
    private const int Keys = 24;
    private const int HotKeys = 4;
    private const int KnownTags = 3;
    private const int LateTags = 2;
    private const int Readers = 8;
    private const int Writers = 3;
    private const int Examples = 5;

    /// <summary>On a busy machine the first calls take their time.</summary>
    private const int FewestReads = 5_000;
    private static readonly TimeSpan _slowestStart = TimeSpan.FromSeconds(30);

    private readonly NodeKey[] _keys =
        [.. Enumerable.Range(0, Keys).Select(index => new NodeKey($"key:{index}", $"known:{index % KnownTags}", $"late:{index % LateTags}", conditions.Nodes))];
    private readonly ConcurrentQueue<string> _examples = new();
    private readonly List<FaultyStore> _faulty = [];
    private readonly List<InMemoryStore> _handles = [];
    private Cache[] _nodes = [];
    private volatile bool _isStopping;
    private long _reads, _factories, _changes, _violations;

    internal long Reads => Volatile.Read(ref _reads);

    internal long Factories => Volatile.Read(ref _factories);

    internal long Changes => Volatile.Read(ref _changes);

    internal long Violations => Volatile.Read(ref _violations);

    internal IEnumerable<string> FirstViolations => _examples;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Reads:N0} reads checked on {conditions.Nodes} nodes, {Factories:N0} factories, {Changes:N0} changes, {Violations:N0} violations; hits {_hits:N0}; store: {_storeHits:N0} hits, {_storeFailures:N0} failures");

    private long _hits, _storeHits, _storeFailures;

    /// <summary>Runs for as long as asked, or until a violation is found if that is all one wants.</summary>
    internal async Task RunAsync(TimeSpan duration, bool untilViolated = false)
    {
        var state = new InMemoryStoreState();
        _nodes = [.. Enumerable.Range(0, conditions.Nodes).Select(_ => CreateNode(state))];
        Task[] workers =
        [
            .. Enumerable.Range(0, Readers).Select(index => Loop(index, ReadAsync)),
            .. Enumerable.Range(100, Writers).Select(index => Loop(index, WriteAsync)),
            .. conditions.IsFaulty || conditions.LosesMessages ? [Loop(200, DisturbAsync)] : Array.Empty<Task>(),
        ];
        var clock = Stopwatch.StartNew();
        while ((clock.Elapsed < duration || (Reads < FewestReads && clock.Elapsed < _slowestStart)) && !(untilViolated && Violations > 0) && !workers.Any(static worker => worker.IsFaulted))
        {
            await Task.Delay(5);
        }

        _isStopping = true;
        foreach (var faulty in _faulty)
        {
            faulty.Heal();
        }

        await Task.WhenAll(workers);
        foreach (var node in _nodes)
        {
            var statistics = node.GetStatistics();
            _hits += statistics.Hits;
            _storeHits += statistics.Tiers[^1].Hits;
            _storeFailures += statistics.Tiers[^1].Failures + statistics.Tiers[^1].Timeouts;
            await node.DisposeAsync();
        }
    }

    private Cache CreateNode(InMemoryStoreState state)
    {
        var handle = new InMemoryStore(state, TimeProvider.System) { Name = "far" };
        _handles.Add(handle);
        ICacheStore far = handle;
        if (conditions.IsFaulty)
        {
            var faulty = FaultyStore.Wrap(handle);
            _faulty.Add(faulty);
            far = faulty;
        }

        var use = new CacheStoreOptions
        {
            ReadTimeout = TimeSpan.FromMilliseconds(20),
            WriteTimeout = TimeSpan.FromMilliseconds(20),
            OpenFor = TimeSpan.FromMilliseconds(20),
            MaximumOpenFor = TimeSpan.FromMilliseconds(100),
            HeartbeatInterval = TimeSpan.FromMilliseconds(100),
            MaximumStalenessWhenDisconnected = TimeSpan.FromMilliseconds(200),
        };
        List<StoreSetup> stores = [new(far, use)];
        if (conditions.HasNear)
        {
            stores.Insert(0, new(new InMemoryStore(new InMemoryStoreState(), TimeProvider.System) { Name = "near" }, use));
        }

        return new Cache(
            "node", new CacheKitOptions(), new MemoryOptions { MaximumEntries = conditions.LosesMessages ? 64 : 16, MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromMilliseconds(10) },
            TimeProvider.System, NullLogger.Instance, [], meters: null, isMemoryShort: static () => false, conditions.Faults, stores, conditions.HasMemory);
    }

    private Task Loop(int worker, Func<Random, Task> act) => Task.Run(async () =>
    {
        var random = new Random(seed + worker);
        while (!_isStopping)
        {
            await act(random);
            await Task.Yield();
        }
    });

    private NodeKey PickKey(Random random) => _keys[random.Next(3) > 0 ? random.Next(HotKeys) : random.Next(Keys)];

    private async Task ReadAsync(Random random)
    {
        var node = random.Next(_nodes.Length);
        var key = PickKey(random);
        var floor = key.FloorOf(node);
        switch (random.Next(8))
        {
            case < 5:
                Judge(node, key, await _nodes[node].GetOrCreateAsync(key.Name, (Check: this, Key: key), static (state, context, _) => state.Check.LoadAsync(state.Key, context), OptionsOf(key, random)), floor);
                break;
            case < 7:
                if (await _nodes[node].GetAsync<Row>(key.Name) is { IsHit: true } lookup)
                {
                    Judge(node, key, lookup.Value, floor);
                }

                break;
            default:
                var other = PickKey(random);
                var otherFloor = other.FloorOf(node);
                var found = await _nodes[node].GetManyAsync<Row>([key.Name, other.Name]);
                if (found[key.Name] is { IsHit: true } one)
                {
                    Judge(node, key, one.Value, floor);
                }

                if (found[other.Name] is { IsHit: true } two)
                {
                    Judge(node, other, two.Value, Math.Max(otherFloor, 0));
                }

                break;
        }
    }

    private async ValueTask<Row> LoadAsync(NodeKey key, CacheEntryContext context)
    {
        Interlocked.Increment(ref _factories);
        var row = Row.Of(key.Name, key.Committed);
        switch (Random.Shared.Next(4))
        {
            case 0:
                await Task.Delay(1 + Random.Shared.Next(4));
                break;
            case 1:
                await Task.Yield();
                break;
        }

        context.AddTags(key.LateTag);
        return row;
    }

    private async Task WriteAsync(Random random)
    {
        Interlocked.Increment(ref _changes);
        var node = random.Next(_nodes.Length);
        var cache = _nodes[node];
        var key = PickKey(random);
        var known = $"known:{random.Next(KnownTags)}";
        var late = $"late:{random.Next(LateTags)}";
        switch (random.Next(10))
        {
            case < 4:
                await InvalidateAsync(node, [key], () => cache.RemoveAsync(key.Name).AsTask());
                break;
            case < 6:
                var version = await key.CommitAndWriteAsync(async row =>
                {
                    await cache.SetAsync(key.Name, row, new CacheEntryOptions { Tags = key.Tags });
                    RaiseAfter(node, key, row.Version);
                });
                RaiseAfter(node, key, version);
                break;
            case < 7:
                await InvalidateAsync(node, _keys.Where(one => one.Tags.Contains(known)), () => cache.RemoveByTagAsync(known).AsTask());
                break;
            case < 8:
                await InvalidateAsync(node, _keys.Where(one => one.Tags.Contains(late)), () => cache.RemoveByTagAsync(late).AsTask());
                break;
            case < 9:
                await InvalidateAsync(
                    node, _keys.Where(one => one.Tags.Contains(known) && one.Tags.Contains(late)), () => cache.RemoveByTagsAsync([known, late], TagMatch.All).AsTask());
                break;
            default:
                if (random.Next(4) == 0)
                {
                    await InvalidateAsync(node, _keys, () => cache.ClearAsync().AsTask());
                }

                break;
        }

        await Task.Delay(conditions.Pace * 2 * random.NextDouble()); // else nothing lives long enough to be read
    }

    private async Task InvalidateAsync(int node, IEnumerable<NodeKey> keys, Func<Task> invalidate)
    {
        var committed = new List<(NodeKey Key, long Version)>();
        foreach (var key in keys)
        {
            committed.Add((key, await key.CommitAsync()));
        }

        await invalidate();
        foreach (var (key, version) in committed)
        {
            RaiseAfter(node, key, version);
        }
    }

    /// <summary>The change has returned: its own node must not give anything older, the others from when they must have followed.</summary>
    private void RaiseAfter(int node, NodeKey key, long version)
    {
        key.Raise(node, version);
        if (conditions.Delivery == TimeSpan.Zero)
        {
            RaiseOthers(key, version);
        }
        else if (conditions.Delivery != Timeout.InfiniteTimeSpan)
        {
            _ = Task.Delay(conditions.Delivery).ContinueWith(_ => RaiseOthers(key, version), TaskScheduler.Default);
        }
    }

    private void RaiseOthers(NodeKey key, long version)
    {
        for (var other = 0; other < conditions.Nodes; other++)
        {
            key.Raise(other, version);
        }
    }

    private async Task DisturbAsync(Random random)
    {
        if (conditions.IsFaulty)
        {
            var faulty = _faulty[random.Next(_faulty.Count)];
            var some = new[] { StoreOperations.Read, StoreOperations.Write, StoreOperations.Invalidate, StoreOperations.InvalidateTags, StoreOperations.All };
            var kind = random.Next(6);
            var isLate = kind == 3;
            var fault = kind switch
            {
                0 => StoreFault.Throw(),
                1 => StoreFault.Fail(),
                2 => StoreFault.Hang(),
                3 => StoreFault.Hang(heedsToken: false),
                4 => StoreFault.AnswerLate(),
                _ => StoreFault.FailAfterwards(),
            };
            // A write that arrives late, after a newer one has returned, is what no store may let happen.
            var calls = isLate ? StoreOperations.Read | StoreOperations.Invalidate | StoreOperations.InvalidateTags : some[random.Next(some.Length)];
            faulty.Inject(calls, fault, times: 1 + random.Next(8));
            await Task.Delay(random.Next(30));
            faulty.Heal();
            fault.Release();
        }

        if (conditions.LosesMessages)
        {
            var feed = _handles[random.Next(_handles.Count)].Feed;
            switch (random.Next(4))
            {
                case 0:
                    feed.DropNext(1 + random.Next(3));
                    break;
                case 1:
                    feed.DoubleNext(2);
                    break;
                case 2:
                    feed.Interrupt();
                    await Task.Delay(random.Next(20));
                    feed.Reconnect(isComplete: false);
                    break;
                default:
                    feed.Hold();
                    await Task.Delay(random.Next(10));
                    feed.ReverseKept();
                    feed.Resume();
                    break;
            }
        }

        await Task.Delay(random.Next(20));
    }

    private static CacheEntryOptions OptionsOf(NodeKey key, Random random) => new()
    {
        Tags = [key.KnownTag],
        Expiration = random.Next(4) == 0 ? TimeSpan.FromMilliseconds(20) : null,
        RefreshAheadThreshold = random.Next(3) == 0 ? 0.3 : null,
        MemoryExpiration = random.Next(4) == 0 ? TimeSpan.FromMilliseconds(5) : null,
    };

    private void Judge(int node, NodeKey key, Row row, long floor)
    {
        Interlocked.Increment(ref _reads);
        var violation = row.Key != key.Name ? "of another key"
            : !row.IsWhole ? "that is torn"
            : row.Version > key.Committed ? "that was never committed"
            : row.Version < floor ? $"although version {floor} was the oldest to be served there when the read began"
            : null;
        if (violation is not null && Interlocked.Increment(ref _violations) <= Examples)
        {
            _examples.Enqueue($"a read of {key.Name} on node {node} gave {row.Key} version {row.Version} {violation}");
        }
    }
}
