using System.Runtime.CompilerServices;

namespace CacheKit.Memory;

// THE IDEA. Newcomers pass through a first-in-first-out window. What falls out of it must earn its place in the main part,
// which is a clock: its hand takes the oldest entry, and one that was hit meanwhile goes round once more for each hit noted,
// up to three. So a scan runs through the window and spoils nothing, and a hit moves nothing.
// How large the window should be, and what earns a place, differs from workload to workload and from hour to hour: a loop
// wants a small window and the most frequent keys, a feed wants the newest ones. So a few miniature caches, of hashes alone,
// play a sample of the requests, each with its own tuning, and the cache takes on the tuning of whichever does best
// lately. A change sets two numbers; the queues adapt with the next inserts.
//
// TWO WAYS INTO THE MAIN PART. By frequency: a candidate must have been asked for more often, as a small sketch
// remembers, than what it would push out. By reuse: it must have been hit twice in the window; and a key that
// comes back soon after its eviction, as a table of ghosts remembers, goes to the main part at once. Sketch and ghosts are
// kept up whichever is in use, so that a change finds them ready. By frequency, in a third way that only large caches try, what stays by
// its frequency alone and is not hit for a whole turn of the hand has its count halved: after a change of phase, what was frequent before
// would else keep its place until the sketch forgets, which takes fifteen inserts an entry.
//
// A HIT only raises a two-bit counter in the entry, without a lock, and writes only if the counter is not full, so that
// the memory of a hot entry stays shared between processors. Two readers may both write the same count: one is
// lost, harmlessly. About one hit in 64 also goes into a lossy buffer for the miniatures. The sketch is fed by the
// hand when it passes an entry, and by every insert; never by a hit. Everything else is under the tier's eviction lock.
//
// WEIGHT. The bound, the window and the main part count weight; with a bound on entries every weight is 1.
// - The weight never exceeds the bound, and a newcomer heavier than all of it is refused, leaving the others alone.
// - A candidate is compared with the sum of the frequencies of all it would displace, each of which but the first counts at least once. They are
//   gathered at the hand first and put back if it loses, so what is refused displaces nothing, and no more are gathered than it is worth.
// - The sketch does not count far enough for what weighs as much as dozens of others. A heavy candidate that has reached its end is let in by lot,
//   with the chance that its worth has against theirs: so one that is asked for all the time gets in soon.
// - The window has room for the newest entry at least, whatever its share, if that is no heavier than a twentieth of the bound. A heavier newcomer
//   competes at once. It is the only kind that may be refused: what weighs as much as its like always stays for a while.
//
// INVARIANTS: every entry of the table is in exactly one of the two queues, at the place it names; the queues hold nothing
// else; their weights add up; and their sum is within the bound, unless the bound was lowered and Resize has not yet
// been called often enough, during which it never rises. What has left is referred to by nothing here but four bytes of hash.
//
// COST. A hit: one byte read, at most one written, and a test of its hash. An insert with an eviction: a few looks at sketch
// and ghosts, each one cache miss in a large cache, and amortised a few steps of the hand; at worst some hundred steps and
// 33 requests played through six miniatures. Memory: 8 bytes of queue, 8 of sketch, 4 of ghosts and 8 in the entry,
// and under 2 for the miniatures of a large cache; those of a small one take about 10 KB. All grow with the entries
// there are, not with the bound, and ghosts and miniatures come only when there is something to evict, or nearly.
//
// SOURCES. Einziger, Friedman, Manes: TinyLFU, ACM ToS 2017. Einziger, Eytan, Friedman, Manes: Adaptive Software Cache
// Management, Middleware 2018. Einziger et al.: Lightweight Robust Size Aware Cache Management, ACM ToS 2022 (the sum of
// the victims). Yang et al.: FIFO queues are all you need, SOSP 2023 (reuse). Waldspurger et al.: Cache Modeling and
// Optimization using Miniature Simulations, ATC 2017. Corbató: A Paging Experiment with the Multics System, 1968 (the clock).

/// <summary>Keeps what is worth most lately, in a window and a clock whose shares and rules follow the workload.</summary>
internal sealed class AdaptiveClockPolicy : IEvictionPolicy
{
    /// <summary>The most hits noted between two passages of the hand. One bit would tell hot from warm worse; more bits gained nothing.</summary>
    internal const int MaximumFrequency = 3;

    /// <summary>So many entries the hand passes at most in search of a victim, so that one insert cannot walk the whole clock.</summary>
    internal const int Patience = 64;

    /// <summary>So many entries an insert moves from the window into free room at most; more than one, so that it ever ends.</summary>
    internal const int MovesPerInsert = 8;

    /// <summary>So many calls per entry after which the sketch forgets half: longer than usual, since hits do not feed it.</summary>
    internal const int SketchCallsPerEntry = 15;

    /// <summary>With <see cref="Admission.ByReuse"/>, so many hits in the window let an entry into the main part.</summary>
    internal const int HitsForReuse = 2;

    /// <summary>Up to this part of the bound, as a divisor, the newest entry has its place in the window.</summary>
    internal const int NewestPart = 20;

    /// <summary>What weighs as much as so many others is heavy: the sketch cannot count as far as all of them together.</summary>
    internal const int Heavy = FrequencySketch.Maximum + 1;

    /// <summary>In so many parts of a round of inserts it is found out whether the miniatures still fit.</summary>
    private const int CheckOfScalePart = 16;

    private const byte InWindow = 1;
    private const byte InMain = 2;

    private readonly EntryQueue _window = new(InWindow);
    private readonly EntryQueue _main = new(InMain);
    private readonly FrequencySketch _sketch = new(SketchCallsPerEntry);
    private readonly SampleBuffer _samples = new();
    private readonly List<MemoryEntry> _gathered = [];
    private readonly CacheClock? _clock;
    private readonly Func<MemoryEntry, bool>? _isRemoved;
    private readonly Tuning[] _tunings;
    private GhostTable? _ghosts;
    private MiniatureSimulations? _simulations;
    private Tuning _tuning;
    private ulong _bound;
    private ulong _windowShare;
    private ulong _windowBound;
    private ulong _lots = 0x9E37_79B9_7F4A_7C15;

    /// <summary>The most entries there were under this bound, as of late.</summary>
    private int _highCount;
    private int _insertsSinceScaled;

    /// <summary>The entry that must not leave, because it is just coming in by another way than the window; usually none.</summary>
    private MemoryEntry? _kept;

    /// <param name="maximumWeight">The bound, at least 1.</param>
    /// <param name="clock">Tells which entries are dead, so that the hand takes them first. If null, only their removal does.</param>
    /// <param name="isRemoved">Tells which entries were removed by tag or with everything, and so are dead as well. Called under the eviction lock.</param>
    /// <param name="tunings">The tunings to choose from, if not the usual; the first is the one to start with.</param>
    internal AdaptiveClockPolicy(long maximumWeight, CacheClock? clock = null, Func<MemoryEntry, bool>? isRemoved = null, Tuning[]? tunings = null)
    {
        _clock = clock;
        _isRemoved = isRemoved;
        _tunings = tunings ?? MiniatureSimulations.Tunings;
        _tuning = _tunings[0];
        SetBound(maximumWeight);
    }

    public long Weight => (long)Total;

    public int Count => _window.Count + _main.Count;

    /// <summary>How the cache is run at the moment.</summary>
    internal Tuning Tuning => _tuning;

    /// <summary>Where sampled hits go.</summary>
    internal SampleBuffer Samples => _samples;

    /// <summary>How many of the hits noted were played by the miniatures.</summary>
    internal long HitsPlayed => _simulations?.HitsPlayed ?? 0;

    private ulong Total => _window.Weight + _main.Weight;

    public void OnHit(MemoryEntry entry) => OnHit(entry, _samples);

    /// <summary>The same for who has the policy's <see cref="Samples"/> at hand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void OnHit(MemoryEntry entry, SampleBuffer samples)
    {
        NoteHit(entry);
        samples.Offer(entry.Hash);
    }

    /// <remarks>A miss of the processor's caches for each of two tables that are looked at under the lock begins before it.</remarks>
    public void Expect(uint hash)
    {
        _sketch.Prefetch(hash);
        _ghosts?.Prefetch(hash);
    }

    /// <remarks>
    /// The next to fall out of the window, if the cache is full. Has the processor fetch what will be looked at for it, and the one after it: where memory
    /// decides, most of an insert is waiting for what the entry that leaves has left in tables.
    /// </remarks>
    public MemoryEntry? Foresee()
    {
        if (_window.Count < 2 || Total < _bound)
        {
            return null;
        }

        _window.PrefetchSecond();
        var next = _window.Oldest;
        Expect(next.Hash);
        return next;
    }

    public bool Admit(MemoryEntry entry, VictimList victims)
    {
        var weight = (ulong)entry.Weight;
        if (weight > _bound)
        {
            return false;
        }

        var hash = entry.Hash;
        entry.Frequency = 0;
        _sketch.Add(hash);
        var isGhost = _ghosts is not null && _ghosts.Take(hash);

        if (weight <= _bound / NewestPart)
        {
            _windowBound = Math.Max(_windowShare, weight);
        }

        // After the bound was lowered, and until Resize has caught up, inserts only must not make it worse.
        var limit = Math.Max(_bound, Total);
        var isAdmitted = true;
        if (isGhost && _tuning.Admission == Admission.ByReuse)
        {
            _main.Append(entry);
            _kept = entry;
        }
        else if (weight <= _windowBound)
        {
            _window.Append(entry);
            FillMain(limit);
        }
        else if (Gather(limit - weight, fromWindow: true, entry, _sketch.Estimate(hash), victims))
        {
            _main.Append(entry);
        }
        else
        {
            isAdmitted = false;
        }

        if (isAdmitted)
        {
            MakeRoom(limit, victims);
            if (_kept is not null)
            {
                _kept = null; // not written without need: readers share the memory around it
            }

            ScaleSketch();
        }

        Remember(victims);
        if (!isAdmitted)
        {
            _ghosts?.Put(hash);
        }

        Steer(hash);
        return isAdmitted;
    }

    public bool Replace(MemoryEntry old, MemoryEntry entry, VictimList victims)
    {
        var queue = QueueOf(old);
        if ((ulong)entry.Weight > _bound)
        {
            queue.Remove(old);
            return false;
        }

        var limit = Math.Max(_bound, Total);
        entry.Frequency = old.Frequency;
        queue.Replace(old, entry);
        OnHit(entry); // who stores a key anew uses it
        _kept = entry;
        MakeRoom(limit, victims);
        _kept = null;
        Remember(victims);
        return true;
    }

    public void Remove(MemoryEntry entry) => QueueOf(entry).Remove(entry);

    public bool Resize(long maximumWeight, int most, VictimList victims)
    {
        if ((ulong)maximumWeight != _bound)
        {
            SetBound(maximumWeight);
        }

        for (; Total > _bound && most > 0; most--)
        {
            // One leaves in each step, so there is no candidate to make room for; but the better of two stays.
            if (_window.Count > 0 && (_window.Weight > _windowBound || _main.Count == 0))
            {
                var candidate = _window.PopOldest();
                TakeHits(candidate);
                if (_main.Count > 0 && Worth(candidate) > Worth(Victim()))
                {
                    victims.Add(_main.PopOldest());
                    _main.Append(candidate);
                }
                else
                {
                    victims.Add(candidate);
                }
            }
            else
            {
                Victim();
                victims.Add(_main.PopOldest());
            }
        }

        return Total <= _bound;
    }

    public bool GiveUpRemoved(int most, VictimList victims)
    {
        var count = victims.Count + most;
        GiveUp(_main);
        GiveUp(_window);
        return victims.Count == count;

        void GiveUp(EntryQueue queue)
        {
            while (victims.Count < count && queue.Count > 0 && _isRemoved is not null && _isRemoved(queue.Oldest))
            {
                victims.Add(queue.PopOldest());
            }
        }
    }

    public void Restart()
    {
        _window.Clear();
        _main.Clear();
        _gathered.Clear();
        _kept = null;
    }

    public void TakeBack(MemoryEntry entry) => _main.Append(entry);

    public void Verify(IReadOnlyCollection<MemoryEntry> entries)
    {
        _window.Verify();
        _main.Verify();
        var own = new List<MemoryEntry>(Count);
        _window.CopyTo(own);
        _main.CopyTo(own);
        if (own.Count != entries.Count || !own.ToHashSet(ReferenceEqualityComparer.Instance).SetEquals(entries))
        {
            throw new InvalidOperationException($"The policy keeps {own.Count} entries, the table {entries.Count}, or they are not the same.");
        }

        if (_gathered.Count != 0 || _kept is not null)
        {
            throw new InvalidOperationException("An entry was left behind between two operations.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void NoteHit(MemoryEntry entry)
    {
        var frequency = entry.Frequency;
        if (frequency < MaximumFrequency)
        {
            entry.Frequency = (byte)(frequency + 1);
        }
    }

    private EntryQueue QueueOf(MemoryEntry entry) => entry.Region == InWindow ? _window : _main;

    private void SetBound(long maximumWeight)
    {
        _bound = (ulong)maximumWeight;
        _highCount = 0;
        SetWindow();
        ScaleSketch();
    }

    private void SetWindow() => _windowBound = _windowShare = Math.Max(1, (ulong)(_bound * _tuning.WindowShare));

    // ---- making room ----

    /// <summary>Gives up entries until the weight is within the limit.</summary>
    private void MakeRoom(ulong limit, VictimList victims)
    {
        for (var steps = 0; Total > limit; steps++)
        {
            var isWindowDue = _window.Weight > _windowBound && steps < Patience;
            if (!HasOther(_window, InWindow) || (!isWindowDue && HasOther(_main, InMain)))
            {
                // The window is still growing into its share, and takes the room from the main part.
                Victim();
                victims.Add(_main.PopOldest());
                continue;
            }

            var candidate = _window.PopOldest();
            if (candidate == _kept)
            {
                _window.Append(candidate);
            }
            else if (Earns(candidate, limit, victims))
            {
                _main.Append(candidate);
            }
            else
            {
                victims.Add(candidate);
            }
        }
    }

    /// <summary>Tells whether what has fallen out of the window may enter the main part, and makes the room if it has to win it.</summary>
    private bool Earns(MemoryEntry candidate, ulong limit, VictimList victims)
    {
        if (_tuning.Admission == Admission.ByReuse)
        {
            var hits = candidate.Frequency;
            TakeHits(candidate);
            return hits >= HitsForReuse;
        }

        // It competes for its own weight within the main part's share. While that part is still growing into a larger
        // share, so that there is room, it competes for as much as is over the bound.
        TakeHits(candidate);
        var weight = (ulong)candidate.Weight;
        var share = limit - _windowBound;
        var (taken, allowed) = _main.Weight + weight > share ? (weight, share) : (Total + weight - limit, _main.Weight);
        return taken <= allowed && Gather(allowed - taken, fromWindow: false, candidate, Requests(candidate), victims);
    }

    /// <summary>Moves what is too much in the window into free room of the main part: a few at a time, so that no insert pays for many.</summary>
    private void FillMain(ulong limit)
    {
        for (var moves = 0; moves < MovesPerInsert && _tuning.Admission == Admission.ByFrequency && _window.Weight > _windowBound; moves++)
        {
            var oldest = _window.Oldest;
            if (_main.Weight + (ulong)oldest.Weight > limit - _windowBound || _window.Count == 1)
            {
                return;
            }

            TakeHits(oldest);
            _main.Append(_window.PopOldest());
        }
    }

    /// <summary>Takes entries out until no more than this weight is left, if together they are worth less than their rival. What is dead is worth nothing, and goes.</summary>
    /// <param name="weight">What may be left: in the main part, or in both.</param>
    /// <param name="fromWindow">Whether the window counts, and is drawn on when the main part is used up: for a newcomer.</param>
    /// <param name="rival">The rival.</param>
    /// <param name="worth">What it is worth, if it is alive.</param>
    /// <param name="victims">Receives the entries taken out.</param>
    private bool Gather(ulong weight, bool fromWindow, MemoryEntry rival, int worth, VictimList victims)
    {
        if (worth >= FrequencySketch.Maximum && (double)rival.Weight * Count > (double)Heavy * Total)
        {
            worth = !fromWindow && IsDead(rival) ? 0 : (int)Math.Min(int.MaxValue, worth / DrawLot());
        }

        var gatheredFromMain = 0;
        while ((fromWindow ? Total : _main.Weight) > weight)
        {
            var isInMain = HasOther(_main, InMain);
            if (isInMain || fromWindow)
            {
                var victim = isInMain ? Victim() : _window.Oldest;
                if (IsDead(victim))
                {
                    victims.Add((isInMain ? _main : _window).PopOldest());
                    continue;
                }

                worth -= _gathered.Count == 0 ? Requests(victim) : Math.Max(1, Requests(victim));
                if (worth > 0 && _gathered.Count == 0)
                {
                    if (!fromWindow && IsDead(rival)) // asked only now: most lose anyhow
                    {
                        worth = 0;
                    }
                    else if ((fromWindow ? Total : _main.Weight) - (ulong)victim.Weight <= weight)
                    {
                        victims.Add((isInMain ? _main : _window).PopOldest()); // one will do, as usual
                        return true;
                    }
                }
            }
            else
            {
                worth = 0;
            }

            if (worth <= 0)
            {
                if (_tuning.Ages && isInMain && _gathered.Count == 0)
                {
                    Age(_main.Oldest);
                }

                // The winners stay where they were, in the order they had.
                for (var index = _gathered.Count - 1; index >= 0; index--)
                {
                    (index < gatheredFromMain ? _main : _window).PushOldest(_gathered[index]);
                }

                _gathered.Clear();
                return false;
            }

            _gathered.Add((isInMain ? _main : _window).PopOldest());
            gatheredFromMain += isInMain ? 1 : 0;
        }

        foreach (var gathered in _gathered)
        {
            victims.Add(gathered);
        }

        _gathered.Clear();
        return true;
    }

    /// <summary>Lets the entry at the hand, which has won by its frequency, go round; and halves that if it has done so before and has not been hit since.</summary>
    private void Age(MemoryEntry winner)
    {
        if (winner.Frequency != 0)
        {
            return;
        }

        if ((winner.Region & EntryQueue.Mark) != 0)
        {
            _sketch.Halve(winner.Hash);
        }

        winner.Region |= EntryQueue.Mark;
        _main.MoveOldestToEnd();
        if (_main.Count > 1)
        {
            // What the next inserts will look at, which nobody has touched for a whole turn of the hand.
            _main.PrefetchSecond();
            _sketch.Prefetch(_main.Oldest.Hash);
        }
    }

    /// <summary>A number above 0, up to 1, by Marsaglia's xorshift: the same sequence in every cache, since nothing secret hangs on it.</summary>
    private double DrawLot()
    {
        _lots ^= _lots << 13;
        _lots ^= _lots >> 7;
        _lots ^= _lots << 17;
        return ((_lots >> 11) + 1) * (1.0 / (1UL << 53));
    }

    /// <summary>Turns the hand until it points to an entry that was not hit since it last came by, or is out of patience: the oldest then.</summary>
    private MemoryEntry Victim()
    {
        for (var steps = 0; ; steps++)
        {
            var oldest = _main.Oldest;
            if (oldest == _kept)
            {
                _main.MoveOldestToEnd();
                continue;
            }

            if (oldest.Frequency == 0 || steps >= Patience || IsDead(oldest))
            {
                return oldest;
            }

            _sketch.Add(oldest.Hash);
            oldest.Region = InMain; // without the mark: it was hit
            oldest.Frequency--;
            _main.MoveOldestToEnd();
        }
    }

    private bool HasOther(EntryQueue queue, byte region) => queue.Count > (_kept is { } kept && kept.Region == region ? 1 : 0);

    private bool IsDead(MemoryEntry entry) => HasExpired(entry) || (_isRemoved is not null && _isRemoved(entry));

    /// <remarks>What is fresh has not expired, and tells so by itself.</remarks>
    private bool HasExpired(MemoryEntry entry) =>
        _clock is not null && Volatile.Read(ref entry.FreshUntil) is not long.MaxValue and var freshUntil
        && _clock.Coarse is var now && freshUntil <= now && entry.DeadAt <= now;

    private int Worth(MemoryEntry entry) => IsDead(entry) ? 0 : Requests(entry);

    /// <summary>How often an entry was asked for lately: what it is worth while it is alive.</summary>
    private int Requests(MemoryEntry entry) => _sketch.Estimate(entry.Hash) + entry.Frequency;

    private void TakeHits(MemoryEntry entry)
    {
        for (var hits = entry.Frequency; hits > 0; hits--)
        {
            _sketch.Add(entry.Hash);
        }

        entry.Frequency = 0;
    }

    // ---- what is learnt ----

    /// <summary>How many entries the cache has, or will have when it is full, if those to come weigh as much as these.</summary>
    private int ExpectedCount() => (int)Math.Min(1 << 30, (double)_bound * Count / Math.Max(Total, 1));

    /// <summary>Keeps the sketch as large as the cache ever was under this bound, or lately, if entries have become heavier.</summary>
    private void ScaleSketch()
    {
        if (Count > _highCount || Count < _highCount / 2 || _sketch.IsGrowing)
        {
            // What could not be is not tried again at once.
            _highCount = TryScaleSketch() ? Count : Count + (Count / 2);
        }
    }

    private bool TryScaleSketch()
    {
        try
        {
            _sketch.GrowOn();
            _sketch.SetCapacity(Count, ExpectedCount());
            return true;
        }
        catch (OutOfMemoryException)
        {
            _sketch.StopGrowing();
            return false;
        }
    }

    /// <summary>Makes what the policy can do without, if there is memory for it: an exception halfway through a change would leave table and queues at odds.</summary>
    private static bool TryProvide(Action make)
    {
        try
        {
            make();
            return true;
        }
        catch (OutOfMemoryException)
        {
            return false;
        }
    }

    private void Remember(VictimList victims)
    {
        if (victims.Count == 0 || (_tunings.Length == 1 && _tuning.Admission == Admission.ByFrequency))
        {
            return;
        }

        if (_ghosts is null && !TryProvide(() => _ghosts = new GhostTable(ExpectedCount())))
        {
            return;
        }

        for (var index = 0; index < victims.Count; index++)
        {
            _ghosts!.Put(victims[index].Hash); // just provided
        }
    }

    /// <summary>Plays what was sampled since the last miss, and this miss, and takes on the best tuning.</summary>
    private void Steer(uint missed)
    {
        // An eighth full is early enough to have learnt something by the time it is full, and a small cache under a large bound stays small.
        if (_insertsSinceScaled <= Count)
        {
            _insertsSinceScaled++;
        }

        if (_tunings.Length == 1 || Total < _bound / 8 || Total == 0)
        {
            return;
        }

        if (_simulations is null || (_insertsSinceScaled > Count && !IsNear(ExpectedCount(), _simulations.Capacity)))
        {
            _insertsSinceScaled = 0;
            if (!TryProvide(() => _simulations = new MiniatureSimulations(ExpectedCount(), _tunings, _tuning)))
            {
                return;
            }

            _ghosts = null;
        }
        else if (_insertsSinceScaled > Count)
        {
            _insertsSinceScaled = Count - (Count / CheckOfScalePart); // not looked at with each insert
        }

        _simulations!.Miss(missed, _samples); // just provided
        if (_samples.Mask != _simulations.SampleMask)
        {
            _samples.Mask = _simulations.SampleMask; // not written without need, as above
        }

        if (_tuning != _simulations.Best)
        {
            _tuning = _simulations.Best;
            SetWindow();
        }

        static bool IsNear(int one, int other) => one / 2 <= other && other / 2 <= one;
    }
}
