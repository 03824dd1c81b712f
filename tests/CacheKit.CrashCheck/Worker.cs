using System.Diagnostics;
using CacheKit.Disk;
using CacheKit.Stores;
using static CacheKit.CrashCheck.CheckTable;

namespace CacheKit.CrashCheck;

/// <summary>A process that uses the cache until it is killed, kills itself, or is told to stop.</summary>
internal sealed class Worker(CheckOptions options, CheckTable table, string directory)
{
    private const int WaysToDie = 4000;

    private readonly int _number = options.Worker ?? 0;

    [ThreadStatic]
    private static Random? _random;

    private static Random Chance => _random ??= new();

    internal void Run()
    {
        var others = Enumerable.Range(1, ThreadsPerWorker - 1).Select(thread => new Thread(() => Work(thread))).ToList();
        others.ForEach(static thread => thread.Start());
        Work(0);
        others.ForEach(static thread => thread.Join());
    }

    /// <summary>The sizes of the cache: small, so that it comes round many times in a second.</summary>
    internal static DiskGeometry GeometryOf(CheckMode mode) => new()
    {
        SegmentBytes = 128 << 10,
        SegmentCount = mode == CheckMode.Stray ? 8 : 16,
        BucketCount = 64,
        TagCells = 4096,
        FenceCells = 4096,
        FeedMessages = mode == CheckMode.Stray ? 64 : 1024,
        Conjunctions = 16,
    };

    internal static string Name(int key) => $"key {key}";

    internal static int KeysOf(CheckMode mode) => mode switch
    {
        CheckMode.Hot => 8,
        CheckMode.Reinsert => 600,
        _ => 400,
    };

    /// <summary>Compares what a read got with the bounds that held before it began.</summary>
    internal static bool IsWrong(CheckTable table, int key, in StoreLookup lookup, long present, long fresh, out string what, out long made)
    {
        (what, made) = ("", 0);
        if (CheckedValue.Read(lookup.Payload.Span, key) is not { } value)
        {
            what = $"TORN {Name(key)}: {lookup.Payload.Length} bytes that nobody wrote";
            return true;
        }

        made = value.IsLoaded ? value.Origin : table.EndOf(value.Origin);
        var bound = lookup.ExpiresAt > TimeProvider.System.GetUtcNow() ? Math.Max(present, fresh) : present;
        if (made < bound)
        {
            what = $"STALE {Name(key)}: {(value.IsLoaded ? "loaded" : "set")} at {made}, stamp {lookup.Stamp}, after a change that began at {bound} was complete";
            return true;
        }

        return false;
    }

    private DiskStore Open()
    {
        table.Count(Counter.Opens);
        return new(new()
        {
            Path = directory,
            CacheName = "default",
            Geometry = GeometryOf(options.Mode),
            TimeProvider = TimeProvider.System,
            Logger = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance,
            Hook = OnStep,
            VerifySums = options.Break != Break.Checksum,
            RaiseFences = options.Break != Break.Removal,
        });
    }

    private void OnStep(DiskStep step)
    {
        if (options.Mode == CheckMode.Stray && Chance.Next(step == DiskStep.Writing ? 1500 : 6000) == 0)
        {
            table.Count(Counter.Pauses);
            Thread.Sleep(Chance.Next(5, 150));
        }

        var isRare = step is DiskStep.OpenLocked or DiskStep.IndexWritten or DiskStep.IndexNamed or DiskStep.CloseFlushed or DiskStep.CloseMarked or DiskStep.Reclaimed;
        if (options.Kills && Chance.Next(isRare ? 40 : WaysToDie * 10) == 0)
        {
            table.Count(Counter.SelfKills);
            Process.GetCurrentProcess().Kill();
            Thread.Sleep(Timeout.Infinite);
        }
    }

    private void Work(int thread)
    {
        // A handle for each thread: one is not told of its own changes.
        var keys = KeysOf(options.Mode);
        while (!table.IsStopping)
        {
            var store = Open();
            var session = new Session(store, thread, thread == 0 ? new() : null);
            do
            {
                try
                {
                    // Some keys more than others, or nothing would be read twice before it is written again.
                    Act(session, (int)(Math.Pow(Chance.NextDouble(), 2) * keys));
                    table.CountStep(_number);
                }
                catch (Exception exception) when (exception is not ThreadInterruptedException)
                {
                    Report($"ERROR {exception}");
                }
            }
            while (!table.IsStopping && Chance.Next(20_000) != 0);

            store.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private void Act(Session session, int key)
    {
        var isReading = options.Mode == CheckMode.Reinsert ? 93 : 65;
        switch (Chance.Next(100))
        {
            case var read when read < isReading:
                if (session.Memory is not { } memory || Chance.Next(2) == 0 || !ReadMemory(session.Store, memory, key))
                {
                    ReadOrLoad(session, key);
                }

                break;
            case < 96 when options.Mode == CheckMode.Reinsert:
            case < 79:
                Set(session, key, Chance.Next(4) == 0 ? StoreConditionKind.IfAbsent : StoreConditionKind.Always);
                break;
            case < 82:
                SetStream(session, key);
                break;
            case < 92:
                Invalidate(session, key, InvalidationKind.Remove);
                break;
            case < 95:
                Invalidate(session, key, InvalidationKind.Expire);
                break;
            case < 98:
                // One of them ends many entries.
                if (options.Mode != CheckMode.Reinsert || Chance.Next(20) == 0)
                {
                    InvalidateTags(session);
                }

                break;
            default:
                if (Chance.Next(800) == 0)
                {
                    var began = table.Tick();
                    Wait(session.Store.ClearAsync(default));
                    session.Memory?.OnAllChanged(isCleared: true);
                    table.Complete(Everything, isExpiry: false, began);
                }

                break;
        }
    }

    private void ReadOrLoad(Session session, int key)
    {
        var (store, memory) = (session.Store, session.Memory);
        table.Count(Counter.Reads);
        var lateOrigin = options.Break == Break.Stamp ? table.Tick() : 0;
        if (lateOrigin != 0 && Chance.Next(4) == 0)
        {
            Thread.Yield();
        }

        var (present, fresh) = (table.LastChangeOf(key, expiriesToo: false), table.LastChangeOf(key, expiriesToo: true));
        if (memory is not null)
        {
            // What is told after this concerns what is read from now on, too.
            Listen(store, memory);
        }

        if (Chance.Next(8) == 0 && ReadStream(store, key) is { } streamed)
        {
            table.Count(Counter.StreamedReads);
            if (IsWrong(table, key, streamed, present, fresh, out var what, out _))
            {
                Report(what + " (streamed)");
            }
        }

        long loadStamp;
        using (var lookup = Wait(store.ReadAsync(Name(key), default, default)))
        {
            loadStamp = lookup.LoadStamp;
            if (lookup.IsFound)
            {
                table.Count(Counter.Hits);
                if (IsWrong(table, key, lookup, present, fresh, out var what, out var made))
                {
                    Report(what);
                }

                if (lookup.ExpiresAt > TimeProvider.System.GetUtcNow())
                {
                    memory?.Keep(key, made);
                    if (Chance.Next(20) == 0)
                    {
                        table.Count(Counter.Expirations);
                        var later = DateTimeOffset.MaxValue.AddTicks(-Chance.Next(1000));
                        Wait(store.SetExpirationAsync(Name(key), lookup.Stamp, later, later, default));
                    }
                    else if (Chance.Next(15) == 0)
                    {
                        Step(session, key, lookup.Stamp, made);
                    }

                    return;
                }
            }
        }

        // The factory: what it makes is as of now.
        var origin = lateOrigin != 0 ? lateOrigin : table.Tick();
        if (Chance.Next(8) == 0)
        {
            Thread.Yield();
        }

        table.Count(Counter.Loads);
        var result = Wait(store.WriteAsync(Name(key), Entry(new(key, IsLoaded: true, origin, Size())), StoreCondition.IfCurrent(loadStamp), default));
        if (!result.IsStored)
        {
            table.Count(Counter.LoadsRefused);
        }
    }

    /// <summary>Writes a value made from one that was read: it is as old as that, and must not come after what that one must not come after.</summary>
    private void Step(Session session, int key, long stamp, long made)
    {
        if (made < table.Tick())
        {
            var result = Wait(session.Store.WriteAsync(
                Name(key), Entry(new(key, IsLoaded: true, made, Size())), StoreCondition.IfUnchanged(stamp), default));
            session.Memory?.OnKeyChanged(Name(key));
            table.Count(result.IsStored ? Counter.Steps : Counter.StepsRefused);
        }
    }

    private bool ReadMemory(DiskStore store, LocalMemory memory, int key)
    {
        var fresh = table.LastChangeOf(key, expiriesToo: true);
        Listen(store, memory);
        if (!memory.TryGet(key, out var made))
        {
            return false;
        }

        table.Count(Counter.MemoryHits);
        if (made < fresh)
        {
            Report($"STALE {Name(key)} in memory: made at {made}, after a change that began at {fresh} was complete");
        }

        return true;
    }

    private void Listen(DiskStore store, LocalMemory memory)
    {
        var head = HeadOf(store);
        if (head != memory.Head && options.Break != Break.Feed)
        {
            if (!store.TryDrain(memory))
            {
                memory.Forget();
            }

            memory.Head = head;
        }
    }

    private void Set(Session session, int key, StoreConditionKind kind)
    {
        var set = table.BeginSet(_number, session.Thread);
        var began = table.Tick();
        var result = Wait(session.Store.WriteAsync(Name(key), Entry(new(key, IsLoaded: false, set, Size())), new(kind, 0), default));
        table.EndSet(set);
        session.Memory?.OnKeyChanged(Name(key));
        table.Count(result.Outcome == StoreWriteOutcome.Declined ? Counter.Declined : Counter.Sets);
        if (kind == StoreConditionKind.Always || result.IsStored)
        {
            table.Complete(Key(key), isExpiry: false, began);
        }
    }

    /// <summary>Writes a value part by part. It is as old as one that is loaded: made after the stamp was drawn.</summary>
    private void SetStream(Session session, int key)
    {
        var began = table.Tick();
        var stream = Wait(session.Store.BeginWriteAsync(Name(key), default));
        var bytes = new CheckedValue(key, IsLoaded: true, table.Tick(), Size()).ToBytes();
        var result = default(StoreWriteResult);
        if (Wait(stream.WriteAsync(bytes.AsMemory(CheckedValue.HeaderBytes), default)))
        {
            Thread.Yield();
            result = Wait(stream.CompleteAsync(Entry(key, bytes.AsMemory(0, CheckedValue.HeaderBytes)), default));
        }

        Wait(stream.DisposeAsync());
        table.Count(result.IsStored ? Counter.Streams : Counter.StreamsRefused);
        session.Memory?.OnKeyChanged(Name(key));
        if (result.IsStored)
        {
            table.Complete(Key(key), isExpiry: false, began);
        }
    }

    /// <summary>Reads a value part by part.</summary>
    /// <returns>Nothing if there is none, or it was evicted in the middle.</returns>
    private static StoreLookup? ReadStream(DiskStore store, int key)
    {
        if (Wait(store.OpenReadAsync(Name(key), default)) is not { } stream)
        {
            return null;
        }

        try
        {
            var bytes = new byte[stream.Length];
            for (var at = 0; at < bytes.Length;)
            {
                at += Wait(stream.ReadAsync(at, bytes.AsMemory(at, Math.Min(bytes.Length - at, 7000)), default));
            }

            return StoreLookup.Found(0, stream.Stamp, bytes, stream.ExpiresAt, stream.RetainUntil);
        }
        catch (CacheStoreException)
        {
            return null;
        }
        finally
        {
            Wait(stream.DisposeAsync());
        }
    }

    private void Invalidate(Session session, int key, InvalidationKind kind)
    {
        var began = table.Tick();
        Wait(session.Store.InvalidateAsync(Name(key), kind, default));
        session.Memory?.OnKeyChanged(Name(key));
        table.Count(Counter.Invalidations);
        table.Complete(Key(key), kind == InvalidationKind.Expire, began);
    }

    private void InvalidateTags(Session session)
    {
        var (tag, group) = (Chance.Next(Tags), Chance.Next(Groups));
        var kind = Chance.Next(3) == 0 ? InvalidationKind.Expire : InvalidationKind.Remove;
        var began = table.Tick();
        var way = Chance.Next(5);
        string[] tags = way switch
        {
            0 => [$"group {group}"],
            < 3 => [$"tag {tag}"],
            _ => [$"tag {tag}", $"group {group}"],
        };
        Wait(session.Store.InvalidateTagsAsync(tags, TagMatch.All, kind, default));
        session.Memory?.OnAllChanged(isCleared: false);
        table.Count(Counter.Invalidations);
        table.Complete(way switch { 0 => Group(group), < 3 => Tag(tag), _ => Both(tag, group) }, kind == InvalidationKind.Expire, began);
    }

    private static StoreEntry Entry(CheckedValue value) => Entry(value.Key, value.ToBytes());

    private static StoreEntry Entry(int key, ReadOnlyMemory<byte> payload) => new()
    {
        Payload = payload,
        ExpiresAt = DateTimeOffset.MaxValue,
        RetainUntil = DateTimeOffset.MaxValue,
        Tags = [$"tag {TagOf(key)}", $"group {GroupOf(key)}"],
    };

    private static int Size() => CheckedValue.HeaderBytes + (Chance.Next(200) == 0 ? Chance.Next(120_000) : Chance.Next(10) == 0 ? Chance.Next(9000) : Chance.Next(600));

    private static unsafe long HeadOf(DiskStore store) => Volatile.Read(ref *store.Head);

    private static void Wait(ValueTask task) => task.AsTask().GetAwaiter().GetResult();

    private static T Wait<T>(ValueTask<T> task) => task.IsCompletedSuccessfully ? task.Result : task.AsTask().GetAwaiter().GetResult();

    private void Report(string what)
    {
        table.Count(Counter.Violations);
        Console.WriteLine($"process {_number}: {what}");
    }

    private sealed record Session(DiskStore Store, int Thread, LocalMemory? Memory);

    /// <summary>A memory tier in small: what was read, until the feed says that it changed.</summary>
    private sealed class LocalMemory : ISharedMemoryFeedReader
    {
        private readonly Dictionary<int, long> _made = [];

        internal long Head { get; set; }

        internal void Keep(int key, long made) => _made[key] = made;

        internal bool TryGet(int key, out long made) => _made.TryGetValue(key, out made);

        internal void Forget() => _made.Clear();

        public void OnKeyChanged(string key) => _made.Remove(int.Parse(key.AsSpan(4), System.Globalization.CultureInfo.InvariantCulture));

        public void OnTagInvalidated(string tag, InvalidationKind kind)
        {
            var number = tag[^1] - '0';
            foreach (var key in _made.Keys.Where(key => tag.StartsWith('t') ? TagOf(key) == number : GroupOf(key) == number).ToList())
            {
                _made.Remove(key);
            }
        }

        public void OnAllChanged(bool isCleared) => _made.Clear();
    }
}
