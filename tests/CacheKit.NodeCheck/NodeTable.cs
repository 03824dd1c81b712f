using System.IO.MemoryMappedFiles;

namespace CacheKit.NodeCheck;

/// <summary>What all processes of a check know together: the rows behind the cache, and how old a value each node may still give.</summary>
/// <remarks>
/// <para>Whoever changes a key commits a new version of its row, calls the cache, and raises floors when the call has returned: that of its own node at once; those of the
/// others when the authority has been told, and after the time in which their memory must have followed. A reader notes its node's floor before it
/// calls; a value below it is older than promised, whatever happens meanwhile.</para>
/// <para>A value that is set, not loaded, is written while nobody else can commit, so that of two versions the later one is set or removed later, too.</para>
/// </remarks>
internal sealed class NodeTable : IDisposable
{
    internal const int MostNodes = 8;
    internal const int Keys = 24;

    private const int CountersAt = 16;
    private const int BusyAt = 48;
    private const int KeysAt = 64;

    // Of a key: the version of its row, who holds its lock, the floor of a node that begins, and the floors of the nodes.
    private const int WordsOfKey = 3 + MostNodes;
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
        LongestRead,
        LongestPause,
        Callers,
        Ready,
        Failures,
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

    /// <summary>Whether nobody is to begin anything.</summary>
    internal unsafe bool IsHeld
    {
        get => Volatile.Read(ref _words[2]) != 0;
        set => Volatile.Write(ref _words[2], value ? 1 : 0);
    }

    /// <summary>How many calls nodes are in, and whether they still have something to tell the authority.</summary>
    internal unsafe long Busy
    {
        get
        {
            var sum = 0L;
            for (var node = 0; node < MostNodes; node++)
            {
                sum += Volatile.Read(ref _words[BusyAt + node]);
            }

            return sum;
        }
    }

    /// <summary>A node begins, or ends, a number of calls.</summary>
    internal unsafe void ChangeBusy(int node, int by) => Interlocked.Add(ref _words[BusyAt + node], by);

    private unsafe void ResetBusy(int node) => Volatile.Write(ref _words[BusyAt + node], 0);

    internal unsafe long this[Counter counter] => Volatile.Read(ref _words[CountersAt + (int)counter]);

    internal unsafe void Count(Counter counter, long by = 1) => Interlocked.Add(ref _words[CountersAt + (int)counter], by);

    internal unsafe void RaiseCounter(Counter counter, long to) => Raise(ref _words[CountersAt + (int)counter], to);

    internal unsafe void ResetCounter(Counter counter) => Volatile.Write(ref _words[CountersAt + (int)counter], 0);

    internal long Committed(int key) => Volatile.Read(ref Word(key, 0));

    /// <summary>The oldest version that Redis may still give.</summary>
    internal long SharedFloorOf(int key) => Volatile.Read(ref Word(key, 2));

    internal long FloorOf(int node, int key) => Volatile.Read(ref Word(key, 3 + node));

    /// <summary>Commits a version.</summary>
    internal async Task<long> CommitAsync(int node, int key)
    {
        await LockAsync(node, key);
        var version = Interlocked.Increment(ref Word(key, 0));
        Unlock(node, key);
        return version;
    }

    /// <summary>Commits a version and writes it to a cache before anybody commits another.</summary>
    internal async Task<long> CommitAndWriteAsync(int node, int key, Func<long, Task> write)
    {
        await LockAsync(node, key);
        try
        {
            var version = Interlocked.Increment(ref Word(key, 0));
            await write(version);
            return version;
        }
        finally
        {
            Unlock(node, key);
        }
    }

    /// <summary>A process begins: what its predecessor had promised its own callers, it need not know.</summary>
    internal void BeginNode(int node)
    {
        for (var key = 0; key < Keys; key++)
        {
            Volatile.Write(ref Word(key, 3 + node), Volatile.Read(ref Word(key, 2)));
        }
    }

    /// <summary>A process has died: nobody waits for it any more.</summary>
    internal void Forget(int node)
    {
        ResetBusy(node);
        for (var key = 0; key < Keys; key++)
        {
            Unlock(node, key);
        }
    }

    internal void RaiseOwn(int node, int key, long version) => Raise(ref Word(key, 3 + node), version);

    /// <summary>The authority knows: whoever begins now must not give anything older.</summary>
    internal void RaiseShared(int key, long version) => Raise(ref Word(key, 2), version);

    internal void RaiseAll(int key, long version)
    {
        for (var node = 0; node < MostNodes; node++)
        {
            RaiseOwn(node, key, version);
        }
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
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
}
