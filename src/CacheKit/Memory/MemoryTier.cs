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

    private readonly IEntryTable _table;
    private readonly IEvictionPolicy _policy;
    private readonly CacheClock _clock;
    private readonly IMemoryListener _listener;
    private readonly Func<bool> _isMemoryShort;
    private readonly double _pressureShare;
    private readonly Lock _evictionLock = new();
    private readonly List<MemoryEntry> _victims = [];
    private readonly List<MemoryEntry> _visited = new(Slice);
    private long _scanned;
    private ITimer? _maintenance;
    private readonly IDisposable _clockLease;
    private bool _isShrunk;
    private int _maintaining;

    internal MemoryTier(
        IEntryTable table, IEvictionPolicy policy, long maximumWeight, double pressureShare, CacheClock clock,
        IMemoryListener listener, Func<bool>? isMemoryShort = null)
    {
        _table = table;
        _policy = policy;
        MaximumWeight = maximumWeight;
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

    /// <summary>Stores an entry in place of the one under its key. The caller holds the key's lock.</summary>
    /// <returns><see langword="false"/> if the entry was refused; what was under the key has left all the same.</returns>
    internal bool Put(MemoryEntry entry, ref EndedEntries ended)
    {
        lock (_evictionLock)
        {
            var old = _table.Prepare(entry);
            _victims.Clear();
            var isAdmitted = old is null ? _policy.Admit(entry, _victims) : _policy.Replace(old, entry, _victims);
            TakeOut(_victims, CacheEntryEndReason.Evicted, ref ended);
            if (old is null)
            {
                if (isAdmitted)
                {
                    _table.Add(entry);
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
    }

    /// <summary>Takes this very entry out, if it is still there.</summary>
    internal bool Remove(MemoryEntry entry, CacheEntryEndReason reason, ref EndedEntries ended)
    {
        lock (_evictionLock)
        {
            if (!_table.Remove(entry))
            {
                return false;
            }

            _policy.Remove(entry);
        }

        ended.Add(entry, reason);
        return true;
    }

    /// <summary>Visits all entries, a slice at a time, and takes out those for which there is a reason. O(entries).</summary>
    /// <remarks>Entries that are there throughout are all visited; those that come meanwhile may be.</remarks>
    internal void Sweep(Func<MemoryEntry, CacheEntryEndReason?> reasonToEnd, ref EndedEntries ended)
    {
        var position = 0L;
        var visited = new List<MemoryEntry>(Slice);
        do
        {
            visited.Clear();
            _table.Scan(ref position, Slice, visited);
            foreach (var entry in visited)
            {
                if (reasonToEnd(entry) is { } reason)
                {
                    Remove(entry, reason, ref ended);
                }
            }
        }
        while (position != 0);
    }

    /// <summary>Lets entries go that have expired without being read, and keeps to less while memory is short.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "See the catch.")]
    internal void Maintain()
    {
        if (Interlocked.Exchange(ref _maintaining, 1) != 0)
        {
            return; // the last round still runs
        }

        try
        {
            var ended = new EndedEntries();
            RelieveMemory(ref ended);
            LetExpire(ref ended);
            _listener.OnEnded(in ended);
            _listener.OnMaintenance();
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

    public void Dispose()
    {
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
    private void LetExpire(ref EndedEntries ended)
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
                if (reason is { } over && Remove(entry, over, ref ended))
                {
                    left++;
                }
            }
        }
        while (_scanned != 0 && (seen < quota || left > seen / 4));
        _visited.Clear();
    }

    private static bool GarbageCollectorReportsHighLoad()
    {
        var memory = GC.GetGCMemoryInfo();
        return memory.MemoryLoadBytes >= memory.HighMemoryLoadThresholdBytes && memory.HighMemoryLoadThresholdBytes > 0;
    }

    private void RelieveMemory(ref EndedEntries ended)
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

        var bound = isShort ? Math.Max(1, (long)(MaximumWeight * _pressureShare)) : MaximumWeight;
        bool isKept;
        do
        {
            lock (_evictionLock)
            {
                _victims.Clear();
                isKept = _policy.Resize(bound, Slice, _victims);
                TakeOut(_victims, CacheEntryEndReason.Evicted, ref ended);
            }
        }
        while (!isKept);

        if (isShort != _isShrunk)
        {
            _isShrunk = isShort;
            _listener.OnMemoryPressureChanged(isShort, _pressureShare);
        }
    }

    private void TakeOut(List<MemoryEntry> victims, CacheEntryEndReason reason, ref EndedEntries ended)
    {
        foreach (var victim in victims)
        {
            if (_table.Remove(victim))
            {
                ended.Add(victim, reason);
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
