namespace CacheKit.Tests.Consistency;

/// <summary>One key as several nodes see it: its row in a database, and for each node the oldest version a read there may still give.</summary>
/// <remarks>
/// A writer commits a version, calls the cache of its node, and raises that node's floor when the call has returned; the others' floors rise when the
/// change must have reached them. A reader notes the floor before it calls: whatever happens afterwards cannot make its judgement unjust.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "Its wait handle is never asked for.")]
internal sealed class NodeKey(string name, string knownTag, string lateTag, int nodes)
{
    private readonly long[] _floors = new long[nodes];
    private readonly SemaphoreSlim _commits = new(1, 1);
    private long _committed = 1;

    internal string Name => name;

    internal string KnownTag => knownTag;

    /// <summary>The tag that a factory adds when it has read the row.</summary>
    internal string LateTag => lateTag;

    internal string[] Tags { get; } = [knownTag, lateTag];

    internal long Committed => Volatile.Read(ref _committed);

    internal long FloorOf(int node) => Volatile.Read(ref _floors[node]);

    internal async Task<long> CommitAsync()
    {
        await _commits.WaitAsync();
        try
        {
            return ++_committed;
        }
        finally
        {
            _commits.Release();
        }
    }

    /// <summary>Commits a version and writes it to a cache before anybody commits another.</summary>
    internal async Task<long> CommitAndWriteAsync(Func<Row, Task> write)
    {
        await _commits.WaitAsync();
        try
        {
            var version = ++_committed;
            await write(Row.Of(name, version));
            return version;
        }
        finally
        {
            _commits.Release();
        }
    }

    internal void Raise(int node, long version)
    {
        var seen = Volatile.Read(ref _floors[node]);
        while (seen < version && Interlocked.CompareExchange(ref _floors[node], version, seen) is var now && now != seen)
        {
            seen = now;
        }
    }
}
