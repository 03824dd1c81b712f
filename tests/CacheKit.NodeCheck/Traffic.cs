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
    private const int Readers = 6;
    private const int Writers = 2;
    private const int Examples = 3;

    private readonly ConcurrentQueue<(long Due, int Key, long Version)> _following = [];
    private readonly int[] _reading = new int[Keys];
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

    private Task LoopAsync(Func<Task> act) => Task.Run(async () =>
    {
        while (!table.IsStopping)
        {
            table.ChangeBusy(options.Node, 1);
            try
            {
                if (!table.IsHeld)
                {
                    await act();
                }
            }
            catch (Exception exception)
            {
                table.Count(Counter.Exceptions);
                Report($"threw {exception}");
            }
            finally
            {
                table.ChangeBusy(options.Node, -1);
            }

            await (table.IsHeld ? Task.Delay(1) : Task.CompletedTask);
            await Task.Yield();
        }
    });

    private async Task ReadAsync()
    {
        var key = PickKey();
        try
        {
            // Who joins a call that is under way gets what that has found, and follows as memory does. Who is alone asks Redis, where a change is seen at once.
            var mayFollow = Interlocked.Increment(ref _reading[key]) > 1 || options.Tiers != "redis";
            await ReadAsync(key, mayFollow ? table.FloorOf(options.Node, key) : Math.Max(table.FloorOf(options.Node, key), table.SharedFloorOf(key)));
        }
        finally
        {
            Interlocked.Decrement(ref _reading[key]);
        }
    }

    private async Task ReadAsync(int key, long floor)
    {
        if (Random.Shared.Next(3) == 0)
        {
            var began = Stopwatch.GetTimestamp();
            var lookup = await cache.GetAsync<Row>(NameOf(key));
            table.RaiseCounter(Counter.LongestRead, (long)Stopwatch.GetElapsedTime(began).TotalMicroseconds);
            if (lookup.IsHit)
            {
                Judge(key, lookup.Value, floor, isHit: true);
            }

            return;
        }

        var isMade = false;
        var row = await cache.GetOrCreateAsync(
            NameOf(key),
            async (context, token) =>
            {
                isMade = true;
                table.Count(Counter.Factories);
                var read = Row.Of(key, table.Committed(key));
                switch (Random.Shared.Next(4))
                {
                    case 0:
                        await Task.Delay(1 + Random.Shared.Next(4), token);
                        break;
                    case 1:
                        await Task.Yield();
                        break;
                }

                context.AddTags(LateTagOf(key));
                return read;
            },
            new CacheEntryOptions
            {
                Tags = [KnownTagOf(key)],
                Expiration = Random.Shared.Next(4) == 0 ? TimeSpan.FromMilliseconds(50) : null,
                RefreshAheadThreshold = Random.Shared.Next(3) == 0 ? 0.3 : null,
                MemoryExpiration = Random.Shared.Next(4) == 0 ? TimeSpan.FromMilliseconds(10) : null,
            });
        Judge(key, row, floor, !isMade);
    }

    private async Task WriteAsync()
    {
        table.Count(Counter.Changes);
        var key = PickKey();
        var (known, late) = (Random.Shared.Next(KnownTags), Random.Shared.Next(LateTags));
        var all = Enumerable.Range(0, Keys);
        switch (Random.Shared.Next(40))
        {
            case < 16:
                await InvalidateAsync([key], () => cache.RemoveAsync(NameOf(key)).AsTask());
                break;
            case < 26:
                var version = await table.CommitAndWriteAsync(options.Node, key, async version =>
                {
                    await cache.SetAsync(NameOf(key), Row.Of(key, version), new CacheEntryOptions { Tags = [KnownTagOf(key), LateTagOf(key)] });
                    table.RaiseOwn(options.Node, key, version);
                });
                RaiseAfter(key, version);
                break;
            case < 31:
                await InvalidateAsync(all.Where(one => one % KnownTags == known), () => cache.RemoveByTagAsync($"known:{known}").AsTask());
                break;
            case < 35:
                await InvalidateAsync(all.Where(one => one % LateTags == late), () => cache.RemoveByTagAsync($"late:{late}").AsTask());
                break;
            case < 39:
                await InvalidateAsync(
                    all.Where(one => one % KnownTags == known && one % LateTags == late), () => cache.RemoveByTagsAsync([$"known:{known}", $"late:{late}"], TagMatch.All).AsTask());
                break;
            default:
                await InvalidateAsync(all, () => cache.ClearAsync().AsTask());
                break;
        }

        await Task.Delay(Random.Shared.Next(12)); // else nothing lives long enough to be read
    }

    private async Task InvalidateAsync(IEnumerable<int> keys, Func<Task> invalidate)
    {
        var committed = new List<(int Key, long Version)>();
        foreach (var key in keys)
        {
            committed.Add((key, await table.CommitAsync(options.Node, key)));
        }

        await invalidate();
        foreach (var (key, version) in committed)
        {
            RaiseAfter(key, version);
        }
    }

    /// <summary>The change has returned: this node must not give anything older any more.</summary>
    private void RaiseAfter(int key, long version)
    {
        table.RaiseOwn(options.Node, key, version);

        // What could not be sent is queued; for the others it counts from when it was.
        if (IsDelivered)
        {
            Deliver(key, version);
        }
        else
        {
            table.Count(Counter.Undelivered);
            _following.Enqueue((0, key, version));
        }
    }

    private bool IsDelivered => cache.GetStatistics().Tiers[^1].PendingRecoveries == 0;

    private void Deliver(int key, long version)
    {
        table.Count(Counter.Delivered);
        table.RaiseShared(key, version);
        _following.Enqueue((Stopwatch.GetTimestamp() + (long)(options.Delivery.TotalSeconds * Stopwatch.Frequency), key, version));
    }

    private async Task FollowAllAsync()
    {
        var isPending = false;
        while (!table.IsStopping)
        {
            Follow();
            if (isPending == IsDelivered)
            {
                isPending = !isPending;
                table.ChangeBusy(options.Node, isPending ? 1 : -1);
            }

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
                Deliver(next.Key, next.Version);
            }
            else if (next.Due == 0 || next.Due > Stopwatch.GetTimestamp())
            {
                _following.Enqueue(next);
            }
            else
            {
                table.RaiseAll(next.Key, next.Version);
            }
        }
    }

    private void Judge(int key, Row row, long floor, bool isHit)
    {
        table.Count(Counter.Reads);
        if (isHit)
        {
            table.Count(Counter.Hits);
        }

        var violation = row.Key != key ? "of another key"
            : !row.IsWhole ? "that is torn"
            : row.Version > table.Committed(key) ? "that was never committed"
            : row.Version < floor ? $"although version {floor} was the oldest to be served there when the read began"
            : null;
        if (violation is not null)
        {
            table.Count(Counter.Violations);
            Report($"a read of key {key} gave version {row.Version} {violation}");
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
    internal readonly record struct Row(int Key, long Version, long Echo)
    {
        internal bool IsWhole => Echo == ~Version;

        internal static Row Of(int key, long version) => new(key, version, ~version);
    }
}
