using System.IO.MemoryMappedFiles;

namespace CacheKit.NodeCheck;

/// <summary>What all processes of a check know together: the rows behind the cache, and how old a value each node may still give.</summary>
/// <remarks>
/// <para>Whoever changes a key commits a new version of its row, calls the cache, and raises floors when the call has returned: that of its own node at once; those of the
/// others when the authority has been told, and after the time in which their memory must have followed. A reader notes its node's floor before it
/// calls; a value below it is older than promised, whatever happens meanwhile.</para>
/// <para>A value that is set, not loaded, is written while nobody else can commit, so that of two versions the later one is set or removed later, too.</para>
/// <para>When one node of a cluster loses what it had while the clock goes on, the traces of removals go with it: what was being made before that may still be stored. So each
/// value says after which loss its making began, and one from before the latest is judged by those changes alone that began after it.</para>
/// </remarks>
internal sealed class NodeTable : IDisposable
{
    internal const int MostNodes = 8;
    internal const int Keys = 24;

    internal const int Tallies = 4;

    private const int CountersAt = 16;
    private const int TalliesAt = 48;
    private const int KeysAt = 64;

    // Of a key: the version of its row, who holds its lock, then the floors: of who asks Redis, and of the nodes. Of each floor: the version, and that since the latest loss.
    private const int FloorsAt = 2;
    private const int WordsOfKey = FloorsAt + (2 * (1 + MostNodes));
    private const int VersionBits = 40;
    private const int Words = KeysAt + (Keys * WordsOfKey);

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly unsafe long* _words;

    internal unsafe NodeTable(string path)
    {
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, mapName: null, Words * sizeof(long));
        _view = _file.CreateViewAccessor(0, Words * sizeof(long));
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _words = (long*)start;
    }

    internal enum Counter
    {
        Reads,
        Hits,
        Factories,
        Changes,
        Undelivered,
        Delivered,
        Violations,
        Exceptions,
        Gets,
        SlowGets,
        LongestRead,
        LongestPause,
        Callers,
        Ready,
        Failures,
        Excused,
        Followers,
        Lagging,
        Overlaps,
        Dropped,
        Counts,
        Locks,
    }

    internal unsafe bool IsStopping
    {
        get => Volatile.Read(ref _words[0]) != 0;
        set => Volatile.Write(ref _words[0], value ? 1 : 0);
    }

    /// <summary>Whether those who wait to begin may.</summary>
    internal unsafe bool MayGo
    {
        get => Volatile.Read(ref _words[1]) != 0;
        set => Volatile.Write(ref _words[1], value ? 1 : 0);
    }

    /// <summary>How often traces of removals were lost, twice; odd while that is going on.</summary>
    internal unsafe long Losses => Volatile.Read(ref _words[2]);

    /// <summary>A node of a cluster is about to lose what it has, or has lost it.</summary>
    internal unsafe void CountLoss() => Interlocked.Increment(ref _words[2]);

    /// <summary>How often it was tried to add to a number.</summary>
    internal unsafe long TriedToCount(int tally) => Volatile.Read(ref _words[TalliesAt + tally]);

    internal unsafe void TryToCount(int tally) => Interlocked.Increment(ref _words[TalliesAt + tally]);

    internal unsafe long this[Counter counter] => Volatile.Read(ref _words[CountersAt + (int)counter]);

    internal unsafe void Count(Counter counter, long by = 1) => Interlocked.Add(ref _words[CountersAt + (int)counter], by);

    internal unsafe void RaiseCounter(Counter counter, long to) => Raise(ref _words[CountersAt + (int)counter], to);

    internal unsafe void ResetCounter(Counter counter) => Volatile.Write(ref _words[CountersAt + (int)counter], 0);

    internal long Committed(int key) => Volatile.Read(ref Word(key, 0));

    /// <summary>The oldest version that Redis may still give.</summary>
    internal Floor SharedFloorOf(int key) => ReadFloor(key, 0);

    internal Floor FloorOf(int node, int key) => ReadFloor(key, 1 + node);

    /// <summary>Commits a version.</summary>
    internal async Task<long> CommitAsync(int node, int key)
    {
        await LockAsync(node, key);
        var version = Interlocked.Increment(ref Word(key, 0));
        Unlock(node, key);
        return version;
    }

    /// <summary>Commits a version of each of several keys, which ascend, and writes them to a cache before anybody commits another.</summary>
    internal async Task CommitAndWriteAsync(int node, int[] keys, Func<long[], Task> write)
    {
        var locked = 0;
        try
        {
            for (; locked < keys.Length; locked++)
            {
                await LockAsync(node, keys[locked]);
            }

            await write(Array.ConvertAll(keys, key => Interlocked.Increment(ref Word(key, 0))));
        }
        finally
        {
            while (locked > 0)
            {
                Unlock(node, keys[--locked]);
            }
        }
    }

    /// <summary>A process begins: what its predecessor had promised its own callers, it need not know.</summary>
    internal void BeginNode(int node)
    {
        for (var key = 0; key < Keys; key++)
        {
            for (var half = 0; half < 2; half++)
            {
                Volatile.Write(ref Word(key, FloorsAt + (2 * (1 + node)) + half), Volatile.Read(ref Word(key, FloorsAt + half)));
            }
        }
    }

    /// <summary>A process has died: nobody waits for it any more.</summary>
    internal void Forget(int node)
    {
        for (var key = 0; key < Keys; key++)
        {
            Unlock(node, key);
        }
    }

    internal void RaiseOwn(int node, in Change change) => RaiseFloor(1 + node, change);

    /// <summary>The authority knows: whoever begins now must not give anything older.</summary>
    internal void RaiseShared(in Change change) => RaiseFloor(0, change);

    internal void RaiseAll(in Change change)
    {
        for (var node = 0; node < MostNodes; node++)
        {
            RaiseOwn(node, change);
        }
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private Floor ReadFloor(int key, int floor)
    {
        var since = Volatile.Read(ref Word(key, FloorsAt + (2 * floor) + 1));
        return new(Volatile.Read(ref Word(key, FloorsAt + (2 * floor))), since & ((1L << VersionBits) - 1), since >> VersionBits);
    }

    private void RaiseFloor(int floor, in Change change)
    {
        Raise(ref Word(change.Key, FloorsAt + (2 * floor)), change.Version);
        if (change.Losses % 2 == 0)
        {
            Raise(ref Word(change.Key, FloorsAt + (2 * floor) + 1), (change.Losses << VersionBits) | change.Version);
        }
    }

    private async Task LockAsync(int node, int key)
    {
        while (Interlocked.CompareExchange(ref Word(key, 1), node + 1, 0) != 0)
        {
            await Task.Delay(1);
        }
    }

    private void Unlock(int node, int key) => Interlocked.CompareExchange(ref Word(key, 1), 0, node + 1);

    private static void Raise(ref long word, long to)
    {
        for (var seen = Volatile.Read(ref word); seen < to;)
        {
            var before = Interlocked.CompareExchange(ref word, to, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    private unsafe ref long Word(int key, int word) => ref _words[KeysAt + (key * WordsOfKey) + word];

    /// <summary>A version of a key that was committed.</summary>
    /// <param name="Key">The key.</param>
    /// <param name="Version">The version.</param>
    /// <param name="Losses">The losses when the cache was called about it.</param>
    internal readonly record struct Change(int Key, long Version, long Losses);

    /// <summary>How old a value may be.</summary>
    /// <param name="Version">The oldest version, if no trace of a removal was lost since its making began.</param>
    /// <param name="SinceLoss">The oldest by what has changed since then.</param>
    /// <param name="Losses">The losses that this is about.</param>
    internal readonly record struct Floor(long Version, long SinceLoss, long Losses)
    {
        internal Floor Or(in Floor other) => new(
            Math.Max(Version, other.Version),
            Losses == other.Losses ? Math.Max(SinceLoss, other.SinceLoss) : Losses > other.Losses ? SinceLoss : other.SinceLoss,
            Math.Max(Losses, other.Losses));

        /// <summary>The oldest version that may be served of a value.</summary>
        /// <param name="madeAfter">The losses when its making began.</param>
        /// <param name="now">The losses when it has been read.</param>
        internal long For(long madeAfter, long now) => madeAfter == now && now % 2 == 0 ? Version : Losses == now ? SinceLoss : 0;
    }
}
