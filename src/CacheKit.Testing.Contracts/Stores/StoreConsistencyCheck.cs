using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using CacheKit.Stores;

namespace CacheKit.Testing.Contracts.Stores;

/// <summary>Has many tasks read, load, set and invalidate a few keys of a store, and compares every read with what had happened before it began.</summary>
/// <remarks>
/// <para>The values are versions of a source that only grow. Who changes something raises the versions of the keys concerned, then tells the
/// store, and only then raises the bound below which no read may see a version that begins from now on. Loads read the source after they
/// have read the store, and write what they saw some time later.</para>
/// <para>Changes of one key are made one after the other: two sets at once would have no order to hold the store to. Loads and reads take no
/// part in that.</para>
/// </remarks>
internal sealed class StoreConsistencyCheck(IReadOnlyList<ICacheStore> stores, TimeProvider clock, StoreTraffic traffic)
{
    private const int Workers = 8;
    private const int ViolationsToStopAt = 3;

    private static readonly string[][] _tagsOfKeys = [[], ["a"], ["b"], ["a", "b"], ["a", "b", "c"], ["c"]];

    private readonly CheckedKey[] _keys = [.. _tagsOfKeys.Select((tags, i) => new CheckedKey($"key {i}", tags))];
    private readonly StoreTraffic[] _changes = [.. Changes(traffic)];
    private long _hits;
    private long _stores;
    private long _refusals;
    private long _invalidations;

    internal ConcurrentQueue<string> Violations { get; } = [];

    internal long Hits => Volatile.Read(ref _hits);

    internal long Stores => Volatile.Read(ref _stores);

    internal long Invalidations => Volatile.Read(ref _invalidations);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Hits:N0} hits, {Stores:N0} values stored, {Volatile.Read(ref _refusals):N0} refused, {Invalidations:N0} invalidations and sets");

    /// <summary>Runs for a while, or until enough was found wrong.</summary>
    internal async Task RunAsync(TimeSpan duration)
    {
        using var end = new CancellationTokenSource(duration, TimeProvider.System);
        var workers = Enumerable.Range(0, Workers).Select(worker => Task.Factory.StartNew(
            () => WorkAsync(worker, end), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToArray();
        await Task.WhenAll(workers);
    }

    private static IEnumerable<StoreTraffic> Changes(StoreTraffic traffic)
    {
        // By weight: mostly what concerns few keys, or there would never be a hit.
        StoreTraffic[] all =
        [
            StoreTraffic.Sets, StoreTraffic.Sets, StoreTraffic.Sets, StoreTraffic.RemovalsByKey, StoreTraffic.RemovalsByKey, StoreTraffic.RemovalsByKey,
            StoreTraffic.RemovalsByTag, StoreTraffic.RemovalsByTag, StoreTraffic.RemovalsByAllTags, StoreTraffic.Clears,
        ];
        return all.Where(change => traffic.HasFlag(change));
    }

    private async Task WorkAsync(int worker, CancellationTokenSource end)
    {
        var random = new Random(worker);
        var store = stores[worker % stores.Count];
        var known = new Dictionary<CheckedKey, (long Stamp, long Version)>();
        while (!end.IsCancellationRequested)
        {
            var key = _keys[random.Next(_keys.Length)];
            if (random.Next(10) == 0)
            {
                await ChangeAsync(store, key, random);
            }
            else
            {
                await ReadOrLoadAsync(store, key, known, random);
            }

            if (Violations.Count >= ViolationsToStopAt)
            {
                await end.CancelAsync();
            }
        }
    }

    private async Task ReadOrLoadAsync(ICacheStore store, CheckedKey key, Dictionary<CheckedKey, (long Stamp, long Version)> known, Random random)
    {
        var (present, fresh) = key.Bounds;
        var options = new StoreReadOptions
        {
            TagHints = random.Next(2) == 0 ? key.Tags : null,
            KnownStamp = traffic.HasFlag(StoreTraffic.KnownStamps) && random.Next(3) == 0 && known.TryGetValue(key, out var held) ? held.Stamp : null,
        };
        long loadStamp;
        using (var lookup = await store.ReadAsync(key.Name, options, default))
        {
            loadStamp = lookup.LoadStamp;
            if (lookup.IsFound)
            {
                Interlocked.Increment(ref _hits);
                var version = lookup.Status == StoreLookupStatus.NotModified ? known[key].Version : Parse(lookup.Payload.Span);
                var isFresh = lookup.ExpiresAt > clock.GetUtcNow();
                if (version < present || (isFresh && version < fresh))
                {
                    Violations.Enqueue(string.Create(
                        CultureInfo.InvariantCulture,
                        $"'{key.Name}' was version {version} ({lookup.Status}, {(isFresh ? "fresh" : "stale")}, stamp {lookup.Stamp}) after {present} was the least that may be there and {fresh} the least unexpired"));
                }

                known[key] = (lookup.Stamp, version);
                if (traffic.HasFlag(StoreTraffic.NewEnds) && random.Next(10) == 0)
                {
                    await store.SetExpirationAsync(key.Name, lookup.Stamp, EndAfter(2), EndAfter(4), default);
                }

                if (isFresh && random.Next(20) != 0)
                {
                    return;
                }
            }
        }

        var made = key.Version;
        await DawdleAsync(random);
        var result = await store.WriteAsync(key.Name, Entry(made, key.Tags), StoreCondition.IfCurrent(loadStamp), default);
        if (result.IsStored)
        {
            Interlocked.Increment(ref _stores);
        }
        else
        {
            Interlocked.Increment(ref _refusals);
        }
    }

    private async Task ChangeAsync(ICacheStore store, CheckedKey key, Random random)
    {
        var change = _changes[random.Next(_changes.Length)];
        var kind = traffic.HasFlag(StoreTraffic.Expiries) && random.Next(3) == 0 ? InvalidationKind.Expire : InvalidationKind.Remove;
        string[] tags = change switch
        {
            StoreTraffic.RemovalsByTag => [new[] { "a", "b", "c" }[random.Next(3)]],
            StoreTraffic.RemovalsByAllTags => ["b", "a"],
            _ => [],
        };
        CheckedKey[] concerned = change switch
        {
            StoreTraffic.Clears => _keys,
            StoreTraffic.RemovalsByTag or StoreTraffic.RemovalsByAllTags => [.. _keys.Where(other => tags.All(other.Tags.Contains))],
            _ => [key],
        };

        // In the order of the keys, so that nobody waits in a circle.
        foreach (var other in concerned)
        {
            await other.Changing.WaitAsync();
        }

        try
        {
            var versions = Array.ConvertAll(concerned, other => other.Raise());
            switch (change)
            {
                case StoreTraffic.Sets:
                    kind = InvalidationKind.Remove;
                    await store.WriteAsync(key.Name, Entry(versions[0], key.Tags), StoreCondition.Always, default);
                    break;
                case StoreTraffic.RemovalsByKey:
                    await store.InvalidateAsync(key.Name, kind, default);
                    break;
                case StoreTraffic.RemovalsByTag:
                    await store.InvalidateTagsAsync(tags, TagMatch.Any, kind, default);
                    break;
                case StoreTraffic.RemovalsByAllTags:
                    await store.InvalidateTagsAsync(tags, TagMatch.All, kind, default);
                    break;
                default:
                    kind = InvalidationKind.Remove;
                    await store.ClearAsync(default);
                    break;
            }

            for (var i = 0; i < concerned.Length; i++)
            {
                concerned[i].Commit(versions[i], kind);
            }

            Interlocked.Increment(ref _invalidations);
        }
        finally
        {
            foreach (var other in concerned)
            {
                other.Changing.Release();
            }
        }
    }

    private StoreEntry Entry(long version, string[] tags) => new()
    {
        Payload = Encoding.ASCII.GetBytes(version.ToString(CultureInfo.InvariantCulture)),
        ExpiresAt = EndAfter(2),
        RetainUntil = EndAfter(4),
        Tags = tags,
    };

    private DateTimeOffset EndAfter(int hours) => clock.GetUtcNow().AddHours(hours);

    private static long Parse(ReadOnlySpan<byte> payload) =>
        long.TryParse(payload, NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : -1;

    private static async Task DawdleAsync(Random random)
    {
        // A load takes some time: none, a little, or until others have run.
        switch (random.Next(4))
        {
            case 0:
                Thread.SpinWait(random.Next(2_000));
                break;
            case 1:
                await Task.Yield();
                break;
            case 2:
                Thread.Yield();
                break;
        }
    }

    private sealed class CheckedKey(string name, string[] tags)
    {
        private long _version;
        private long _present;
        private long _fresh;

        internal string Name => name;

        internal string[] Tags => tags;

        /// <summary>Held by who changes it.</summary>
        internal SemaphoreSlim Changing { get; } = new(1);

        /// <summary>What the source has now.</summary>
        internal long Version => Volatile.Read(ref _version);

        /// <summary>The least version a read may see at all, and as one that has not expired.</summary>
        internal (long Present, long Fresh) Bounds => (Volatile.Read(ref _present), Volatile.Read(ref _fresh));

        internal long Raise() => Interlocked.Increment(ref _version);

        internal void Commit(long version, InvalidationKind kind)
        {
            Volatile.Write(ref _fresh, version);
            if (kind == InvalidationKind.Remove)
            {
                Volatile.Write(ref _present, version);
            }
        }
    }
}
