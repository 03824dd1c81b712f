using System.Buffers.Binary;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;

namespace CacheKit.Redis.Tests.Consistency;

/// <summary>
/// Many nodes read, load, set, remove, and invalidate by tag at once, while records, the clock and the scripts are lost at random; and every hit is
/// checked: it must not be older than what was committed, and invalidated with the call returned, before the read began.
/// </summary>
/// <remarks>
/// The data behind the cache are numbers that only grow: one for each tag, for each key, and for everything. Whoever changes one raises it, invalidates, and, once
/// that has returned, publishes the number as acknowledged. A value is a copy of the numbers as its factory found them. Keys have one writer each, since of two sets at
/// once nobody can tell which is the later.
/// </remarks>
internal sealed class StaleReadCheck
{
    private const int Tags = 6;
    private const int Keys = 48;
    private const int Readers = 24;
    private const int Invalidators = 2;
    private const int Writers = 2;
    private const long Exempt = long.MaxValue;

    private readonly RedisStore[] _stores;
    private readonly bool _takesStampLate;
    private readonly bool _isChaotic;
    private readonly Func<object[], Task> _break;
    private readonly long[] _tags = new long[Tags];
    private readonly long[] _tagsDone = new long[Tags];
    private readonly long[] _keys = new long[Keys];
    private readonly long[] _keysDone = new long[Keys];
    private long _everything;
    private long _everythingDone;
    private long _hits, _stale, _invalidations, _breakages, _populated, _refused, _failures;

    /// <param name="stores">The nodes.</param>
    /// <param name="breakAsync">Sends a command to all servers.</param>
    /// <param name="isChaotic">Whether things are lost.</param>
    /// <param name="takesStampLate">The mistake this is to find: the stamp of a value taken after its factory has run.</param>
    internal StaleReadCheck(RedisStore[] stores, Func<object[], Task> breakAsync, bool isChaotic, bool takesStampLate = false)
    {
        _stores = stores;
        _break = breakAsync;
        _isChaotic = isChaotic;
        _takesStampLate = takesStampLate;
    }

    internal long Hits => Volatile.Read(ref _hits);

    internal long Stale => Volatile.Read(ref _stale);

    internal long Failures => Volatile.Read(ref _failures);

    internal long Populated => Volatile.Read(ref _populated);

    public override string ToString() =>
        $"{Hits:N0} hits, {Stale:N0} stale, {_invalidations:N0} invalidations and sets, {_populated:N0} populated, {_refused:N0} refused, {_breakages:N0} losses, {_failures:N0} failures";

    /// <summary>Runs for a while, or until something stale was found.</summary>
    internal async Task RunAsync(TimeSpan duration, bool endsWhenFound = false)
    {
        using var end = new CancellationTokenSource(duration);
        bool IsOver() => end.IsCancellationRequested || (endsWhenFound && Stale > 0);
        var work = Enumerable.Range(0, Readers).Select(i => Loop(IsOver, () => ReadAsync(_stores[i % _stores.Length])))
            .Concat(Enumerable.Range(0, Invalidators).Select(i => Loop(IsOver, () => InvalidateAsync(_stores[i % _stores.Length]))))
            .Concat(Enumerable.Range(0, Writers).Select(i => Loop(IsOver, () => WriteAsync(_stores[i % _stores.Length], i))));
        if (_isChaotic)
        {
            work = work.Append(Loop(IsOver, LoseAsync));
        }

        await Task.WhenAll(work.Select(loop => Task.Run(loop)));
    }

    private Func<Task> Loop(Func<bool> isOver, Func<Task> act) => async () =>
    {
        while (!isOver())
        {
            try
            {
                await act();
            }
            catch (CacheStoreException)
            {
                Interlocked.Increment(ref _failures);
            }
        }
    };

    private static string Key(int key) => $"k{key}";

    // Two of the tags, by the key.
    private static (int First, int Second) TagsOf(int key) => (key % Tags, (key / Tags + key + 1) % Tags);

    private static string[] TagNamesOf(int key)
    {
        var (first, second) = TagsOf(key);
        return first == second ? [$"t{first}"] : [$"t{first}", $"t{second}"];
    }

    private async Task ReadAsync(RedisStore store)
    {
        var key = Random.Shared.Next(Keys);
        var (first, second) = TagsOf(key);
        var atLeast = (Volatile.Read(ref _tagsDone[first]), Volatile.Read(ref _tagsDone[second]), Volatile.Read(ref _keysDone[key]), Volatile.Read(ref _everythingDone));
        long loadStamp;
        using (var lookup = await store.ReadAsync(Key(key), new() { TagHints = Random.Shared.Next(2) == 0 ? TagNamesOf(key) : null }, default))
        {
            loadStamp = lookup.LoadStamp;
            if (lookup.IsFound && lookup.ExpiresAt > DateTimeOffset.UtcNow)
            {
                var value = lookup.Payload.ToArray();
                long Part(int i) => BinaryPrimitives.ReadInt64LittleEndian(value.AsSpan(8 * i));
                if (Part(0) < atLeast.Item1 || Part(1) < atLeast.Item2 || Part(2) < atLeast.Item3 || Part(3) < atLeast.Item4)
                {
                    Interlocked.Increment(ref _stale);
                }

                Interlocked.Increment(ref _hits);
                return;
            }
        }

        // The factory: what it finds is true when it begins, and it takes its time to say so.
        var made = new byte[32];
        BinaryPrimitives.WriteInt64LittleEndian(made, Volatile.Read(ref _tags[first]));
        BinaryPrimitives.WriteInt64LittleEndian(made.AsSpan(8), Volatile.Read(ref _tags[second]));
        BinaryPrimitives.WriteInt64LittleEndian(made.AsSpan(16), Volatile.Read(ref _keys[key]));
        BinaryPrimitives.WriteInt64LittleEndian(made.AsSpan(24), Volatile.Read(ref _everything));
        if (Random.Shared.Next(4) == 0)
        {
            await Task.Delay(Random.Shared.Next(8));
        }

        if (_takesStampLate)
        {
            loadStamp = await store.LoadStampAsync(Key(key));
        }

        var life = TimeSpan.FromMinutes(5);
        var entry = new StoreEntry { Payload = made, ExpiresAt = DateTimeOffset.UtcNow + life, RetainUntil = DateTimeOffset.UtcNow + life, Tags = TagNamesOf(key) };
        var isStored = (await store.WriteAsync(Key(key), entry, StoreCondition.IfCurrent(loadStamp), default)).IsStored;
        Interlocked.Increment(ref isStored ? ref _populated : ref _refused);
    }

    private async Task InvalidateAsync(RedisStore store)
    {
        var dice = Random.Shared.Next(40);
        if (dice == 0)
        {
            var number = Interlocked.Increment(ref _everything);
            await Insist(() => store.ClearAsync(default).AsTask());
            Raise(ref _everythingDone, number);
        }
        else
        {
            var tag = Random.Shared.Next(Tags);
            var number = Interlocked.Increment(ref _tags[tag]);
            await Insist(() => store.InvalidateTagsAsync([$"t{tag}"], TagMatch.Any, InvalidationKind.Remove, default).AsTask());
            Raise(ref _tagsDone[tag], number);
        }

        Interlocked.Increment(ref _invalidations);
        await Task.Delay(Random.Shared.Next(6));
    }

    private async Task WriteAsync(RedisStore store, int writer)
    {
        var key = (Random.Shared.Next(Keys / Writers) * Writers) + writer;
        var number = Interlocked.Increment(ref _keys[key]);
        if (Random.Shared.Next(2) == 0)
        {
            await Insist(() => store.RemoveAsync(Key(key)));
        }
        else
        {
            // What somebody sets is as it is: no invalidation before makes it old.
            var made = new byte[32];
            BinaryPrimitives.WriteInt64LittleEndian(made, Exempt);
            BinaryPrimitives.WriteInt64LittleEndian(made.AsSpan(8), Exempt);
            BinaryPrimitives.WriteInt64LittleEndian(made.AsSpan(16), number);
            BinaryPrimitives.WriteInt64LittleEndian(made.AsSpan(24), Exempt);
            var life = TimeSpan.FromMinutes(5);
            var entry = new StoreEntry { Payload = made, ExpiresAt = DateTimeOffset.UtcNow + life, RetainUntil = DateTimeOffset.UtcNow + life, Tags = TagNamesOf(key) };
            await Insist(() => store.WriteAsync(Key(key), entry, StoreCondition.Always, default).AsTask());
        }

        Raise(ref _keysDone[key], number);
        Interlocked.Increment(ref _invalidations);
        await Task.Delay(Random.Shared.Next(10));
    }

    private async Task LoseAsync()
    {
        var layout = _stores[0].Layout;
        switch (Random.Shared.Next(20))
        {
            case 0:
                await _break(["SCRIPT", "FLUSH"]);
                break;
            case < 5:
                await _break(["DEL", layout.Clock.ToString()]);
                break;
            case < 9:
                await _break(["DEL", layout.Clears[Random.Shared.Next(KeyLayout.ClearCopies)].ToString()]);
                break;
            default:
                await _break(["DEL", layout.Tag($"t{Random.Shared.Next(Tags)}").ToString()]);
                break;
        }

        Interlocked.Increment(ref _breakages);
        await Task.Delay(Random.Shared.Next(6));
    }

    // An invalidation that failed has not returned; it is repeated, as the cache would.
    private async Task Insist(Func<Task> act)
    {
        while (true)
        {
            try
            {
                await act();
                return;
            }
            catch (CacheStoreException)
            {
                Interlocked.Increment(ref _failures);
            }
        }
    }

    private static void Raise(ref long done, long number)
    {
        for (var seen = Volatile.Read(ref done); number > seen;)
        {
            var before = Interlocked.CompareExchange(ref done, number, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }
}
