using System.Collections.Concurrent;
using System.Diagnostics;
using CacheKit.Engine;
using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.NodeCheck;

/// <summary>Uses a cache in every way, and judges each value it is given.</summary>
internal sealed class Traffic(NodeOptions options, NodeTable table, Cache cache)
{
    private const int HotKeys = 4;
    private const int KnownTags = 3;
    private const int LateTags = 2;
    private const int Readers = 8;
    private const int Writers = 2;
    private const int Examples = 3;

    /// <summary>Twice what the cache waits for Redis.</summary>
    private static readonly TimeSpan _slow = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentQueue<(long Due, Change Change)> _following = [];
    private readonly List<Begun>[] _reading = [.. Enumerable.Range(0, Keys).Select(_ => new List<Begun>())];
    private int _examples;

    internal async Task RunAsync()
    {
        table.BeginNode(options.Node);
        table.Count(Counter.Ready);
        await Task.WhenAll(
        [
            .. Enumerable.Range(0, Readers).Select(_ => LoopAsync(ReadAsync)),
            .. Enumerable.Range(0, Writers).Select(_ => LoopAsync(WriteAsync)),
            Task.Run(FollowAllAsync),
        ]);
        var statistics = cache.GetStatistics();
        table.Count(Counter.Failures, statistics.Tiers[^1].Failures + statistics.Tiers[^1].Timeouts);
    }

    private static string NameOf(int key) => $"key:{key}";

    private static string KnownTagOf(int key) => $"known:{key % KnownTags}";

    private static string LateTagOf(int key) => $"late:{key % LateTags}";

    private static int PickKey() => Random.Shared.Next(3) > 0 ? Random.Shared.Next(HotKeys) : Random.Shared.Next(Keys);

    /// <summary>Keys of the same tags, ascending.</summary>
    private static int[] PickAlike(int picked)
    {
        return [.. Enumerable.Range(0, Keys).Where(key => key % (KnownTags * LateTags) == picked % (KnownTags * LateTags) && (key == picked || Random.Shared.Next(2) == 0))];
    }

    private Task LoopAsync(Func<Task> act) => Task.Run(async () =>
    {
        while (!table.IsStopping)
        {
            try
            {
                await act();
            }
            catch (Exception exception)
            {
                table.Count(Counter.Exceptions);
                Report($"threw {exception}");
            }

            await Task.Yield();
        }
    });

    private Task ReadAsync() => Random.Shared.Next(16) switch
    {
        < 4 => ReadAsync([PickKey()], GetAsync),
        < 12 => ReadAsync([PickKey()], GetOrCreateAsync),
        < 14 => ReadAsync(PickAlike(PickKey()), GetManyAsync),
        _ => ReadAsync(PickAlike(PickKey()), GetOrCreateManyAsync),
    };

    /// <remarks>
    /// Who reads Redis alone must be given what it held when he began. Who joins a call of this process that is under way is given what that has found: what was there when the
    /// oldest of them began. Memory follows later, and the floors of a node say when.
    /// </remarks>
    private async Task ReadAsync(int[] keys, Func<int[], List<Found>, Task> read)
    {
        var begun = Array.ConvertAll(keys, Begin);
        try
        {
            var found = new List<Found>();
            await read(keys, found);
            foreach (var one in found)
            {
                var (bound, first) = begun[Array.IndexOf(keys, one.Key)];
                if (options.Tiers != "redis")
                {
                    Judge(one, bound.Own);
                    continue;
                }

                Judge(one, bound.Own.Or(first.Shared));
                if (first != bound)
                {
                    table.Count(Counter.Followers);
                    table.Count(Counter.Lagging, one.Row.Version < bound.Shared.For(one.Row.Losses, table.Losses) ? 1 : 0);
                }
            }
        }
        finally
        {
            for (var i = 0; i < keys.Length; i++)
            {
                lock (_reading[keys[i]])
                {
                    _reading[keys[i]].Remove(begun[i].Mine);
                }
            }
        }
    }

    private (Begun Mine, Begun First) Begin(int key)
    {
        var reading = _reading[key];
        lock (reading)
        {
            var mine = new Begun(table.FloorOf(options.Node, key), table.SharedFloorOf(key));
            reading.Add(mine);
            return (mine, reading[0]);
        }
    }

    private async Task GetAsync(int[] keys, List<Found> found)
    {
        var began = Stopwatch.GetTimestamp();
        var lookup = await cache.GetAsync<Row>(NameOf(keys[0]));
        var took = Stopwatch.GetElapsedTime(began);
        table.Count(Counter.Gets);
        table.Count(Counter.SlowGets, took > _slow ? 1 : 0);
        table.RaiseCounter(Counter.LongestRead, (long)took.TotalMicroseconds);
        if (lookup.IsHit)
        {
            found.Add(new(keys[0], lookup.Value, IsHit: true));
        }
    }

    private async Task GetManyAsync(int[] keys, List<Found> found)
    {
        var lookups = await cache.GetManyAsync<Row>(keys.Select(NameOf));
        foreach (var key in keys)
        {
            if (lookups[NameOf(key)] is { IsHit: true } lookup)
            {
                found.Add(new(key, lookup.Value, IsHit: true));
            }
        }
    }

    private async Task GetOrCreateAsync(int[] keys, List<Found> found)
    {
        var key = keys[0];
        var isMade = false;
        var row = await cache.GetOrCreateAsync(
            NameOf(key),
            async (context, token) =>
            {
                isMade = true;
                table.Count(Counter.Factories);
                var read = Read(key);
                await WorkAsync(token);
                context.AddTags(LateTagOf(key));
                return read;
            },
            Loading([KnownTagOf(key)]));
        found.Add(new(key, row, !isMade));
    }

    private async Task GetOrCreateManyAsync(int[] keys, List<Found> found)
    {
        var made = new ConcurrentDictionary<string, bool>();
        var rows = await cache.GetOrCreateManyAsync(
            keys.Select(NameOf),
            keys,
            async (keys, context, token) =>
            {
                table.Count(Counter.Factories);
                var read = keys.Where(key => context.Keys.Contains(NameOf(key))).ToDictionary(NameOf, Read);
                await WorkAsync(token);
                foreach (var (name, row) in read)
                {
                    made[name] = true;
                    context.For(name).AddTags(LateTagOf(row.Key));
                }

                return (IReadOnlyDictionary<string, Row>)read;
            },
            Loading([KnownTagOf(keys[0])]));
        foreach (var key in keys)
        {
            found.Add(new(key, rows[NameOf(key)], !made.ContainsKey(NameOf(key))));
        }
    }

    private static CacheEntryOptions Loading(string[] tags) => new()
    {
        Tags = tags,
        Expiration = Random.Shared.Next(4) == 0 ? TimeSpan.FromMilliseconds(50) : null,
        RefreshAheadThreshold = Random.Shared.Next(3) == 0 ? 0.3 : null,
        MemoryExpiration = Random.Shared.Next(4) == 0 ? TimeSpan.FromMilliseconds(10) : null,
    };

    private static async Task WorkAsync(CancellationToken token)
    {
        switch (Random.Shared.Next(4))
        {
            case 0:
                await Task.Delay(1 + Random.Shared.Next(4), token);
                break;
            case 1:
                await Task.Yield();
                break;
        }
    }

    private Row Read(int key)
    {
        var losses = table.Losses;
        return Row.Of(key, table.Committed(key), losses);
    }

    private async Task WriteAsync()
    {
        table.Count(Counter.Changes);
        var key = PickKey();
        var (known, late) = (Random.Shared.Next(KnownTags), Random.Shared.Next(LateTags));
        var all = Enumerable.Range(0, Keys);
        switch (Random.Shared.Next(48))
        {
            case < 12:
                await InvalidateAsync([key], () => cache.RemoveAsync(NameOf(key)).AsTask());
                break;
            case < 16:
                var several = all.Where(one => one == key || Random.Shared.Next(Keys) < 3).ToArray();
                await InvalidateAsync(several, () => cache.RemoveManyAsync(several.Select(NameOf)).AsTask());
                break;
            case < 24:
                await SetAsync([key], rows => cache.SetAsync(NameOf(key), rows[0], new CacheEntryOptions { Tags = [KnownTagOf(key), LateTagOf(key)] }).AsTask());
                break;
            case < 28:
                var alike = PickAlike(key);
                await SetAsync(alike, rows => cache.SetManyAsync(
                    rows.Select(row => KeyValuePair.Create(NameOf(row.Key), row)), new CacheEntryOptions { Tags = [KnownTagOf(key), LateTagOf(key)] }).AsTask());
                break;
            case < 34:
                await AddAsync(key);
                break;
            case < 38:
                await InvalidateAsync(all.Where(one => one % KnownTags == known), () => cache.RemoveByTagAsync($"known:{known}").AsTask());
                break;
            case < 41:
                await InvalidateAsync(all.Where(one => one % LateTags == late), () => cache.RemoveByTagAsync($"late:{late}").AsTask());
                break;
            case < 44:
                await InvalidateAsync(
                    all.Where(one => one % KnownTags == known && one % LateTags == late), () => cache.RemoveByTagsAsync([$"known:{known}", $"late:{late}"], TagMatch.All).AsTask());
                break;
            case < 47:
                await CountAsync(Random.Shared.Next(Tallies));
                break;
            default:
                await InvalidateAsync(all, () => cache.ClearAsync().AsTask());
                break;
        }

        await Task.Delay(Random.Shared.Next(12)); // else nothing lives long enough to be read
    }

    private async Task SetAsync(int[] keys, Func<Row[], Task> set)
    {
        Change[] changes = [];
        await table.CommitAndWriteAsync(options.Node, keys, async versions =>
        {
            var losses = table.Losses;
            changes = [.. keys.Zip(versions, (key, version) => new Change(key, version, losses))];
            await set([.. changes.Select(change => Row.Of(change.Key, change.Version, losses))]);
            Array.ForEach(changes, change => table.RaiseOwn(options.Node, change));
        });
        Array.ForEach(changes, RaiseAfter);
    }

    private async Task AddAsync(int key)
    {
        Change? added = null;
        await table.CommitAndWriteAsync(options.Node, [key], async versions =>
        {
            var (losses, before) = (table.Losses, Unanswered);
            var isAdded = await cache.TryAddAsync(
                NameOf(key), Row.Of(key, versions[0], losses), new CacheEntryOptions { Tags = [KnownTagOf(key), LateTagOf(key)] });

            // While Redis cannot be asked, what is added counts here until it can.
            if (isAdded && Unanswered == before)
            {
                added = new(key, versions[0], losses);
                table.RaiseOwn(options.Node, added.Value);
            }
        });
        if (added is { } change)
        {
            RaiseAfter(change);
        }
    }

    /// <summary>Whatever fails, a number never grows by more than was added: nothing is counted twice.</summary>
    private async Task CountAsync(int tally)
    {
        table.TryToCount(tally);
        var number = await cache.IncrementAsync($"tally:{tally}");
        table.Count(Counter.Counts);
        var tried = table.TriedToCount(tally);
        if (number < 1 || number > tried)
        {
            table.Count(Counter.Violations);
            Report($"tally {tally} is {number} after {tried} times one was added");
        }
    }

    private async Task InvalidateAsync(IEnumerable<int> keys, Func<Task> invalidate)
    {
        var committed = new List<(int Key, long Version)>();
        foreach (var key in keys)
        {
            committed.Add((key, await table.CommitAsync(options.Node, key)));
        }

        var losses = table.Losses;
        await invalidate();
        foreach (var (key, version) in committed)
        {
            RaiseAfter(new(key, version, losses));
        }
    }

    /// <summary>The change has returned: this node must not give anything older any more.</summary>
    private void RaiseAfter(Change change)
    {
        table.RaiseOwn(options.Node, change);

        // What could not be sent is queued; for the others it counts from when it was.
        if (IsDelivered)
        {
            Deliver(change);
        }
        else
        {
            table.Count(Counter.Undelivered);
            _following.Enqueue((0, change));
        }
    }

    private CacheTierStatistics Redis => cache.GetStatistics().Tiers[^1];

    private bool IsDelivered => Redis.PendingRecoveries == 0;

    /// <summary>How many calls of Redis were not answered, or not made.</summary>
    private long Unanswered => Redis is var redis ? redis.Failures + redis.Timeouts + redis.Refusals : 0;

    private void Deliver(Change change)
    {
        table.Count(Counter.Delivered);
        table.RaiseShared(change);
        _following.Enqueue((Stopwatch.GetTimestamp() + (long)(options.Delivery.TotalSeconds * Stopwatch.Frequency), change));
    }

    private async Task FollowAllAsync()
    {
        while (!table.IsStopping)
        {
            Follow();

            // How long a process waits for the processor, which says nothing of the cache.
            var began = Stopwatch.GetTimestamp();
            await Task.Delay(10);
            table.RaiseCounter(Counter.LongestPause, (long)Stopwatch.GetElapsedTime(began).TotalMicroseconds);
        }
    }

    private void Follow()
    {
        for (var left = _following.Count; left > 0 && _following.TryDequeue(out var next); left--)
        {
            if (next.Due == 0 && IsDelivered)
            {
                Deliver(next.Change);
            }
            else if (next.Due == 0 || next.Due > Stopwatch.GetTimestamp())
            {
                _following.Enqueue(next);
            }
            else
            {
                table.RaiseAll(next.Change);
            }
        }
    }

    private void Judge(in Found found, in Floor floor)
    {
        table.Count(Counter.Reads);
        if (found.IsHit)
        {
            table.Count(Counter.Hits);
        }

        var (key, row) = (found.Key, found.Row);
        var oldest = floor.For(row.Losses, table.Losses);
        var violation = row.Key != key ? "of another key"
            : !row.IsWhole ? "that is torn"
            : row.Version > table.Committed(key) ? "that was never committed"
            : row.Version < oldest ? $"although version {oldest} was the oldest to be served there when the read began"
            : null;
        if (violation is not null)
        {
            table.Count(Counter.Violations);
            Report($"a read of key {key} gave version {row.Version} {violation}");
        }
        else if (row.Version < floor.Version)
        {
            table.Count(Counter.Excused);
        }
    }

    private void Report(string what)
    {
        if (Interlocked.Increment(ref _examples) <= Examples)
        {
            Console.WriteLine($"node {options.Node}: {what}");
        }
    }

    /// <summary>A row of the checker's database, as a cache holds it.</summary>
    /// <param name="Key">The key.</param>
    /// <param name="Version">The version.</param>
    /// <param name="Losses">The losses when its making began.</param>
    /// <param name="Echo">To see that it is whole.</param>
    internal readonly record struct Row(int Key, long Version, long Losses, long Echo)
    {
        internal bool IsWhole => Echo == ~(Version + Losses + Key);

        internal static Row Of(int key, long version, long losses) => new(key, version, losses, ~(version + losses + key));
    }

    /// <summary>What a read must not be given anything older than.</summary>
    private sealed class Begun(Floor own, Floor shared)
    {
        internal Floor Own => own;

        internal Floor Shared => shared;
    }

    private readonly record struct Found(int Key, Row Row, bool IsHit);
}
