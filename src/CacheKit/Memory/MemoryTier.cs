using System.Diagnostics.CodeAnalysis;

namespace CacheKit.Memory;

/// <summary>The memory tier: a table to find entries in, a policy that bounds them, and the upkeep of both.</summary>
/// <remarks>
/// <para>Readers go to the table alone and take no lock. Every change holds the eviction lock, so that count and
/// weight are within the bound at every instant, as seen from anywhere: victims leave the table before the newcomer
/// enters it.</para>
/// <para>Lock order: the engine's lock of a key → the eviction lock → the table's, of its growth. Nothing is called back under them;
/// what has left is handed out in <see cref="EndedEntries"/>.</para>
/// </remarks>
internal sealed class MemoryTier : IDisposable
{
    /// <summary>How many entries one hold of the eviction lock goes through in upkeep, so that writers are not kept waiting.</summary>
    private const int Slice = 256;

    /// <summary>So many entries are looked through for expired ones at every interval; of more, a part.</summary>
    private const int SmallTable = 1 << 14;

    /// <summary>In so many intervals a round through a large table is done.</summary>
    private const int RoundIntervals = 10;

    /// <summary>What holds less than this part of its bound, as a divisor, need not shrink when memory is short.</summary>
    private const int LeastPart = 4;

    private readonly IEntryTable _table;
    private readonly IEvictionPolicy _policy;
    private readonly CacheClock _clock;
    private readonly IMemoryListener _listener;
    private readonly Func<bool> _isMemoryShort;
    private readonly double _pressureShare;
    private readonly Lock _evictionLock = new();
    private readonly VictimList _victims = new(Slice);
    private readonly List<MemoryEntry> _visited = new(Slice);
    private readonly List<(MemoryEntry, CacheEntryEndReason)> _over = [];
    private long _scanned;
    private ITimer? _maintenance;
    private readonly IDisposable _clockLease;
    private bool _isShrunk;
    private long _bound;
    private volatile bool _isEnded;
    private int _maintaining;

    /// <summary>Whether table and policy may disagree, for want of memory: whoever changes anything next has to reconcile them first.</summary>
    private bool _isAtOdds;

    internal MemoryTier(
        IEntryTable table, IEvictionPolicy policy, long maximumWeight, double pressureShare, CacheClock clock,
        IMemoryListener listener, Func<bool>? isMemoryShort = null)
    {
        _table = table;
        _policy = policy;
        MaximumWeight = _bound = maximumWeight;
        _pressureShare = pressureShare;
        _clock = clock;
        _listener = listener;
        _isMemoryShort = isMemoryShort ?? GarbageCollectorReportsHighLoad;
        _clockLease = clock.Use();
    }

    /// <summary>Begins with the upkeep, every interval. Once, when the listener is ready.</summary>
    internal void Start(TimeProvider time, TimeSpan interval)
    {
        // The timer must not keep alive a cache that nobody else holds, nor the context of whoever happened to create it.
        var upkeep = new Upkeep(this);
        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            _maintenance = upkeep.Timer = time.CreateTimer(static upkeep => ((Upkeep)upkeep!).Run(), upkeep, interval, interval); // its state is upkeep
        }
    }

    internal long MaximumWeight { get; }

    /// <summary>What is kept to now: less than <see cref="MaximumWeight"/> while memory is short.</summary>
    internal long Bound => Volatile.Read(ref _bound);

    internal int Count => _table.Count;

    internal long Weight
    {
        get
        {
            lock (_evictionLock)
            {
                return _policy.Weight;
            }
        }
    }

    internal MemoryEntry? Find(string key) => _table.Find(key);

    internal void OnHit(MemoryEntry entry) => _policy.OnHit(entry);

    /// <summary>Told of the hash of a key under which an entry is about to be put, before any lock is taken.</summary>
    internal void Expect(uint hash)
    {
        _table.Expect(hash);
        _policy.Expect(hash);
    }

    /// <summary>Stores an entry in place of the one under its key. The caller holds the key's lock.</summary>
    /// <returns><see langword="false"/> if the entry was refused; what was under the key has left all the same.</returns>
    internal bool Put(MemoryEntry entry, ref EndedEntries ended)
    {
        lock (_evictionLock)
        {
            ReconcileIfAtOdds();
            var old = _table.Prepare(entry);
            try
            {
                return Put(entry, old, ref ended);
            }
            catch (OutOfMemoryException)
            {
                Reconcile();
                throw;
            }
        }
    }

    private bool Put(MemoryEntry entry, MemoryEntry? old, ref EndedEntries ended)
    {
        var isAdmitted = old is null ? _policy.Admit(entry, _victims) : _policy.Replace(old, entry, _victims);
        TakeOut(_victims, ref ended);
        if (old is null)
        {
            if (isAdmitted)
            {
                _table.Add(entry);
            }

            if (_policy.Foresee() is { } next)
            {
                _table.Expect(next.Hash);
            }
        }
        else if (isAdmitted)
        {
            _table.Replace(old, entry);
            ended.Add(old, CacheEntryEndReason.Replaced);
        }
        else
        {
            _table.Remove(old);
            ended.Add(old, CacheEntryEndReason.Removed);
        }

        return isAdmitted;
    }

    /// <summary>Takes this very entry out, if it is still there.</summary>
    internal bool Remove(MemoryEntry entry, CacheEntryEndReason reason, ref EndedEntries ended)
    {
        lock (_evictionLock)
        {
            ReconcileIfAtOdds();
            if (!_table.Remove(entry))
            {
                return false;
            }

            _policy.Remove(entry);
        }

        ended.Add(entry, reason);
        return true;
    }

    /// <summary>
    /// Has the policy take back what the table holds, after memory has run out halfway through a change: an entry may have been between two of its queues then,
    /// given up by it and still in the table, or in one and not yet in the other.
    /// </summary>
    /// <remarks>If there is no memory for this either, whoever comes next tries again.</remarks>
    private void Reconcile()
    {
        _isAtOdds = true;
        _victims.Clear(); // those that the table still has come back
        _policy.Restart();
        var visited = new List<MemoryEntry>(Slice);
        var position = 0L;
        do
        {
            visited.Clear();
            _table.Scan(ref position, Slice, visited);
            foreach (var entry in visited)
            {
                _policy.TakeBack(entry);
            }
        }
        while (position != 0);
        _isAtOdds = false;
    }

    private void ReconcileIfAtOdds()
    {
        if (_isAtOdds)
        {
            Reconcile();
        }
    }

    /// <summary>Takes out what was removed by tag or with everything, from the oldest on, as long as nothing alive is met: all of it, as a rule, after a clear.</summary>
    /// <remarks>In the order of the policy's queues, in which entries lie in memory; <see cref="Sweep"/>, which goes by their hashes, does the rest.</remarks>
    internal void LetGoOfRemoved()
    {
        bool isMore;
        do
        {
            var ended = new EndedEntries();
            lock (_evictionLock)
            {
                ReconcileIfAtOdds();
                try
                {
                    isMore = _policy.GiveUpRemoved(Slice, _victims);
                    for (var index = 0; index < _victims.Count; index++)
                    {
                        _table.Expect(_victims[index].Hash);
                    }

                    TakeOut(_victims, ref ended, CacheEntryEndReason.Removed);
                }
                catch (OutOfMemoryException)
                {
                    Reconcile();
                    throw;
                }
            }

            _listener.OnEnded(in ended);
        }
        while (isMore);
    }

    /// <summary>Visits all entries, a slice at a time, and takes out those for which there is a reason, and tells of them. O(entries).</summary>
    /// <remarks>Entries that are there throughout are all visited; those that come meanwhile may be.</remarks>
    internal void Sweep(Func<MemoryEntry, CacheEntryEndReason?> reasonToEnd)
    {
        var position = 0L;
        var visited = new List<MemoryEntry>(Slice);
        var over = new List<(MemoryEntry, CacheEntryEndReason)>();
        do
        {
            visited.Clear();
            _table.Scan(ref position, Slice, visited);
            foreach (var entry in visited)
            {
                if (reasonToEnd(entry) is { } reason)
                {
                    over.Add((entry, reason));
                }
            }

            // Told of slice by slice: what has left is not kept alive until the last has.
            var ended = new EndedEntries();
            RemoveAll(over, ref ended);
            _listener.OnEnded(in ended);
        }
        while (position != 0);
    }

    /// <summary>Takes out those that are still there, about a slice at most, in one hold of the lock, and empties the list.</summary>
    private int RemoveAll(List<(MemoryEntry, CacheEntryEndReason)> over, ref EndedEntries ended)
    {
        if (over.Count == 0)
        {
            return 0;
        }

        var removed = 0;
        lock (_evictionLock)
        {
            foreach (var (entry, reason) in over)
            {
                removed += Remove(entry, reason, ref ended) ? 1 : 0;
            }
        }

        over.Clear();
        return removed;
    }

    /// <summary>Lets entries go that have expired without being read, and keeps to less while memory is short.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "See the catch.")]
    internal void Maintain()
    {
        if (_isEnded || Interlocked.Exchange(ref _maintaining, 1) != 0)
        {
            return; // the last round still runs
        }

        try
        {
            RelieveMemory();
            LetExpire();
            GiveBackRoom();
            if (!_isEnded)
            {
                _listener.OnMaintenance();
            }
        }
        catch (Exception exception)
        {
            // On a timer's thread nobody else could catch it, and it would end the process.
            _listener.OnMaintenanceFailed(exception);
        }
        finally
        {
            Volatile.Write(ref _maintaining, 0);
        }
    }

    /// <remarks>Upkeep that is just running ends with the slice it is at: waiting for it could wait for an observer that waits for this.</remarks>
    public void Dispose()
    {
        _isEnded = true;
        _maintenance?.Dispose();
        _clockLease.Dispose();
    }

    /// <summary>Throws if table and policy disagree. For tests, while nobody writes.</summary>
    internal void Verify()
    {
        // Under the lock from the first look: upkeep may let entries go at any time.
        lock (_evictionLock)
        {
            var entries = new List<MemoryEntry>();
            var position = 0L;
            do
            {
                _table.Scan(ref position, int.MaxValue, entries);
            }
            while (position != 0);

            _table.Verify();
            _policy.Verify(entries);
            if (_policy.Weight > MaximumWeight)
            {
                throw new InvalidOperationException($"The weight is {_policy.Weight}, over the bound of {MaximumWeight}.");
            }
        }
    }

    /// <summary>Goes on with the round through the table, and lets entries go that have expired or were removed by tag, and that nobody reads.</summary>
    /// <remarks>
    /// A scan instead of a timer wheel: it takes no memory of the entries and no lock from their writers. A small table is
    /// gone through each time, a large one in <see cref="RoundIntervals"/>; where a quarter of what is met is let go it goes
    /// on at once, as Redis' active expiry does. So a million entries cost a few milliseconds each second.
    /// </remarks>
    private void LetExpire()
    {
        var now = _clock.Now;
        var quota = Math.Max(SmallTable, _table.Count / RoundIntervals);
        var (seen, left) = (0, 0);
        do
        {
            _visited.Clear();
            _table.Scan(ref _scanned, Slice, _visited);
            seen += _visited.Count;
            foreach (var entry in _visited)
            {
                var reason = entry.DeadAt <= now ? CacheEntryEndReason.Expired : _listener.ReasonToEnd(entry);
                if (reason is { } over)
                {
                    _over.Add((entry, over));
                }
            }

            var ended = new EndedEntries(); // told of slice by slice, as in Sweep
            left += RemoveAll(_over, ref ended);
            _listener.OnEnded(in ended);
        }
        while (!_isEnded && _scanned != 0 && (seen < quota || left > seen / 4));
        _visited.Clear();
    }

    /// <summary>A share of what is there, so that something is freed however large the bound; but not next to nothing of a cache that holds little.</summary>
    private long BoundUnderPressure() =>
        Math.Max(1, (long)(Math.Max(Math.Min(Weight, MaximumWeight), MaximumWeight / LeastPart) * _pressureShare));

    /// <summary>Has the table do with less if it was made for many more entries than are left.</summary>
    private void GiveBackRoom()
    {
        bool isMore;
        do
        {
            lock (_evictionLock)
            {
                isMore = _table.TrimExcess();
            }
        }
        while (isMore && !_isEnded);
    }

    /// <remarks>As of the last collection: a process that allocates nothing may be told for long that memory is short.</remarks>
    private static bool GarbageCollectorReportsHighLoad()
    {
        var memory = GC.GetGCMemoryInfo();
        return memory.MemoryLoadBytes >= memory.HighMemoryLoadThresholdBytes && memory.HighMemoryLoadThresholdBytes > 0;
    }

    private void RelieveMemory()
    {
        if (_pressureShare >= 1)
        {
            return;
        }

        var isShort = _isMemoryShort();
        if (!isShort && !_isShrunk)
        {
            return;
        }

        if (isShort != _isShrunk)
        {
            Volatile.Write(ref _bound, isShort ? BoundUnderPressure() : MaximumWeight);
        }

        bool isKept;
        do
        {
            var ended = new EndedEntries();
            lock (_evictionLock)
            {
                ReconcileIfAtOdds();
                try
                {
                    isKept = _policy.Resize(_bound, Slice, _victims);
                    TakeOut(_victims, ref ended);
                }
                catch (OutOfMemoryException)
                {
                    Reconcile();
                    throw;
                }
            }

            _listener.OnEnded(in ended); // as below
        }
        while (!isKept && !_isEnded);

        if (isShort != _isShrunk)
        {
            _isShrunk = isShort;
            _listener.OnMemoryPressureChanged(isShort, _pressureShare);
        }
    }

    /// <summary>Why an entry left that made room: what was dead already did not leave for want of it.</summary>
    private CacheEntryEndReason ReasonOf(MemoryEntry victim) =>
        victim.DeadAt <= _clock.Coarse ? CacheEntryEndReason.Expired
        : _listener.IsRemoved(victim) ? CacheEntryEndReason.Removed
        : CacheEntryEndReason.Evicted;

    /// <summary>Takes out what the policy has given up, for one reason or each for its own.</summary>
    private void TakeOut(VictimList victims, ref EndedEntries ended, CacheEntryEndReason? reason = null)
    {
        for (var index = 0; index < victims.Count; index++)
        {
            var victim = victims[index];
            if (_table.Remove(victim))
            {
                ended.Add(victim, reason ?? ReasonOf(victim));
            }
        }

        victims.Clear();
    }

    /// <summary>What the timer holds: enough to find the tier while it lives, and to end with it.</summary>
    private sealed class Upkeep(MemoryTier tier)
    {
        private readonly WeakReference<MemoryTier> _tier = new(tier);

        internal ITimer? Timer;

        internal void Run()
        {
            if (_tier.TryGetTarget(out var tier))
            {
                tier.Maintain();
            }
            else
            {
                Timer?.Dispose();
            }
        }
    }
}
