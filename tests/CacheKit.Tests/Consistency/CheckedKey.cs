namespace CacheKit.Tests.Consistency;

/// <summary>A row of the checker's database, as a cache holds it. Large enough to be seen torn.</summary>
internal readonly record struct Row(string Key, long Version, long Echo)
{
    internal static Row Of(string key, long version) => new(key, version, ~version);

    internal bool IsWhole => Echo == ~Version;
}

/// <summary>The oldest version that a read may still give, and what made the older ones unfit.</summary>
internal sealed record Floor(long Version, string Cause)
{
    internal static readonly Floor None = new(0, "nothing");
}

/// <summary>What a read that is about to begin may give.</summary>
/// <param name="Any">For any value.</param>
/// <param name="Fresh">For a value that does not stand in as a stale one: an expiration on request counts here, too.</param>
internal readonly record struct Expectation(Floor Any, Floor Fresh);

/// <summary>One key: its row in a database, which is a version number, and the history of what the cache confirmed.</summary>
/// <remarks>
/// <para>How a read is judged. A writer commits a new version to the database, calls the cache, and raises the floor to that
/// version when the call has returned. A reader notes the floor before it calls. A value below that floor was read from
/// the database before a removal, or is older than a set, that had returned before the read began: the promise is broken.
/// Whatever happens while the read goes on cannot make it unjust, since the floor was noted before.</para>
/// <para>Values that a factory did not make (set, added, counted) are the caller's responsibility to order: they are
/// written while nobody can commit, so that a later commit's removal is never overtaken by an earlier one's value.</para>
/// </remarks>
internal sealed class CheckedKey(string name, string knownTag, string lateTag)
{
    private readonly Lock _commitLock = new();
    private long _committed = 1;
    private Floor _any = Floor.None;
    private Floor _fresh = Floor.None;

    internal string Name => name;

    /// <summary>The tag that calls name in their options.</summary>
    internal string KnownTag => knownTag;

    /// <summary>The tag that a factory adds when it has read the row.</summary>
    internal string LateTag => lateTag;

    internal string[] Tags { get; } = [knownTag, lateTag];

    /// <summary>The newest version in the database.</summary>
    internal long Committed => Volatile.Read(ref _committed);

    internal Row Read() => Row.Of(name, Committed);

    internal Expectation Expect() => new(Volatile.Read(ref _any), Volatile.Read(ref _fresh));

    internal long Commit() => WhileNobodyCommits(() => ++_committed);

    /// <summary>Commits a version and writes it to the cache before anybody commits another.</summary>
    /// <param name="write">Writes; says whether the value has taken the place of what was there.</param>
    /// <param name="cause">What to call it.</param>
    internal void CommitAndWrite(Func<Row, bool> write, string cause) => WhileNobodyCommits(() =>
    {
        var version = ++_committed;
        if (write(Row.Of(name, version)))
        {
            RaiseTo(version, cause);
        }

        return version;
    });

    internal T WhileNobodyCommits<T>(Func<T> act)
    {
        lock (_commitLock)
        {
            return act();
        }
    }

    /// <summary>From now on nobody may get a version older than this.</summary>
    internal void RaiseTo(long version, string cause)
    {
        Raise(ref _any, version, cause);
        Raise(ref _fresh, version, cause);
    }

    /// <summary>From now on nobody may get a version older than this as a fresh one.</summary>
    internal void RaiseFreshTo(long version, string cause) => Raise(ref _fresh, version, cause);

    private static void Raise(ref Floor floor, long version, string cause)
    {
        var raised = new Floor(version, cause);
        while (Volatile.Read(ref floor) is var seen && seen.Version < version && Interlocked.CompareExchange(ref floor, raised, seen) != seen)
        {
        }
    }
}
