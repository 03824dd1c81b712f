using System.IO.MemoryMappedFiles;

namespace CacheKit.CrashCheck;

/// <summary>What all processes know together: one clock, when which change began that is complete, and when which set ended.</summary>
/// <remarks>
/// A <em>change</em> is a set or an invalidation. Once it has returned, no read that begins later may get a value that was made before the change
/// began. A value that was set was made, at the latest, when the set ended; one that was loaded, when its factory ran.
/// </remarks>
internal sealed unsafe class CheckTable : IDisposable
{
    internal const int MostWorkers = 16;
    internal const int ThreadsPerWorker = 2;
    internal const int MostKeys = 4096;
    internal const int Tags = 8;
    internal const int Groups = 3;

    private const int Sets = 1 << 21;
    private const int Changes = 8192;

    // Words, from the start: clock, stop, set counter, counters; then changes twice (removing, expiring), open sets, ends of sets.
    private const int CountersAt = 64;
    private const int StepsAt = 96;
    private const int ChangesAt = 128;
    private const int OpenAt = ChangesAt + (2 * Changes);
    private const int EndsAt = OpenAt + (MostWorkers * ThreadsPerWorker);
    private const long Bytes = (EndsAt + (long)Sets) * sizeof(long);

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly long* _words;

    internal CheckTable(string path)
    {
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, mapName: null, Bytes);
        _view = _file.CreateViewAccessor(0, Bytes);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _words = (long*)start;
    }

    internal enum Counter
    {
        Reads,
        Hits,
        MemoryHits,
        Sets,
        Loads,
        LoadsRefused,
        Invalidations,
        Expirations,
        Opens,
        Streams,
        StreamsRefused,
        Steps,
        StepsRefused,
        StreamedReads,
        Declined,
        Pauses,
        SelfKills,
        Violations,
    }

    internal bool IsStopping
    {
        get => Volatile.Read(ref _words[8]) != 0;
        set => Volatile.Write(ref _words[8], value ? 1 : 0);
    }

    /// <summary>Counts what a process has done since it started.</summary>
    internal void CountStep(int worker) => Interlocked.Increment(ref _words[StepsAt + worker]);

    internal long StepsOf(int worker) => Volatile.Read(ref _words[StepsAt + worker]);

    internal void ForgetSteps(int worker) => Volatile.Write(ref _words[StepsAt + worker], 0);

    internal long Tick() => Interlocked.Increment(ref _words[0]);

    internal void Count(Counter counter) => Interlocked.Increment(ref _words[CountersAt + (int)counter]);

    internal long this[Counter counter] => Volatile.Read(ref _words[CountersAt + (int)counter]);

    /// <summary>Announces a set.</summary>
    internal long BeginSet(int worker, int thread)
    {
        var set = Interlocked.Increment(ref _words[16]);
        Volatile.Write(ref End(set), 0);
        Volatile.Write(ref _words[OpenAt + (worker * ThreadsPerWorker) + thread], set);
        return set;
    }

    internal void EndSet(long set) => Volatile.Write(ref End(set), Tick());

    /// <summary>A process that has died can end no set any more.</summary>
    internal void EndSetsOf(int worker)
    {
        for (var thread = 0; thread < ThreadsPerWorker; thread++)
        {
            var set = Volatile.Read(ref _words[OpenAt + (worker * ThreadsPerWorker) + thread]);
            if (set != 0)
            {
                Interlocked.CompareExchange(ref End(set), Tick(), 0);
            }
        }
    }

    /// <summary>When a set ended, as far as is known.</summary>
    internal long EndOf(long set) => Volatile.Read(ref End(set)) is > 0 and var end ? end : long.MaxValue;

    /// <summary>A change that began then is complete.</summary>
    internal void Complete(int change, bool isExpiry, long began)
    {
        ref var word = ref _words[ChangesAt + (isExpiry ? Changes : 0) + change];
        for (var seen = Volatile.Read(ref word); seen < began;)
        {
            var before = Interlocked.CompareExchange(ref word, began, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    /// <summary>The beginning of the last complete change that covers a key.</summary>
    internal long LastChangeOf(int key, bool expiriesToo)
    {
        var last = Last(key, isExpiry: false);
        return expiriesToo ? Math.Max(last, Last(key, isExpiry: true)) : last;
    }

    internal static int Key(int key) => key;

    internal static int Tag(int tag) => MostKeys + tag;

    internal static int Group(int group) => MostKeys + Tags + group;

    internal static int Both(int tag, int group) => MostKeys + Tags + Groups + (tag * Groups) + group;

    internal static int Everything => MostKeys + Tags + Groups + (Tags * Groups);

    internal static int TagOf(int key) => key % Tags;

    internal static int GroupOf(int key) => key % Groups;

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private long Last(int key, bool isExpiry)
    {
        var (tag, group) = (TagOf(key), GroupOf(key));
        var last = Math.Max(Change(Key(key), isExpiry), Change(Everything, isExpiry));
        last = Math.Max(last, Math.Max(Change(Tag(tag), isExpiry), Change(Group(group), isExpiry)));
        return Math.Max(last, Change(Both(tag, group), isExpiry));
    }

    private long Change(int change, bool isExpiry) => Volatile.Read(ref _words[ChangesAt + (isExpiry ? Changes : 0) + change]);

    private ref long End(long set) => ref _words[EndsAt + (set & (Sets - 1))];
}
