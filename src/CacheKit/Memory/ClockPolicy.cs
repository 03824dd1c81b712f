namespace CacheKit.Memory;

// THE IDEA. Newcomers pass through a short first-in-first-out window. What falls out of it must earn its place: it is
// let into the main part if it was asked for more often lately, as a small sketch remembers, than the entry it would
// push out. The main part is a clock: its hand takes the oldest entry, and one that was hit meanwhile goes round
// once more for each hit noted, up to three. So a scan runs through the window and spoils nothing, and a hit moves nothing.
//
// A HIT only raises a two-bit counter in the entry, without a lock, and writes only if the counter is not full, so that
// the memory of a hot entry stays shared between processors. Two readers may both write the same count: one is
// lost, harmlessly. The sketch is fed by the hand when it passes an entry, and by every insert; never by a hit.
//
// WEIGHT. The bound, the window and the main part count weight; with a bound on entries every weight is 1.
// - The weight never exceeds the bound, and a newcomer heavier than all of it is refused, leaving the others alone.
// - A candidate is compared with the sum of the frequencies of all it would displace. They are gathered at the
//   hand first and put back if it loses. One that has looked at many worthless ones and still needs more keeps
//   what it has won and goes on, so each step of the hand is paid for by an insert or is one of a bounded number.
// - A newcomer heavier than the whole window competes at once. It is the only kind that may be refused: with weights
//   of 1 the newest entry always stays for a while.
//
// INVARIANTS, under the tier's eviction lock: every entry of the table is in exactly one of the two queues, at the place it
// names; the queues hold nothing else; their weights add up; and their sum is within the bound, unless the bound was lowered
// and Resize has not yet been called often enough, during which it never rises.
//
// COST. A hit: one byte read, at most one written. An insert with an eviction: two to three looks at the sketch, a cache
// miss each in a large cache, and amortised a few steps of the hand. Memory: 8 bytes of sketch, 8 of queue and 8 in the entry.
//
// SOURCES. Einziger, Friedman, Manes: TinyLFU, ACM ToS 2017. Einziger, Eytan, Friedman, Manes: Adaptive Software Cache
// Management, Middleware 2018. Einziger et al.: Lightweight Robust Size Aware Cache Management, ACM ToS 2022 (the sum of
// the victims). Corbató: A Paging Experiment with the Multics System, 1968 (the clock).

/// <summary>Keeps what is asked for often lately: a window for newcomers, a clock, and admission by frequency.</summary>
internal sealed class ClockPolicy : IEvictionPolicy
{
    /// <summary>The most hits noted between two passages of the hand. One bit would tell hot from warm worse; more bits gained nothing.</summary>
    private const int MaximumFrequency = 3;

    /// <summary>So many entries the hand passes at most in search of a victim, so that one insert cannot walk the whole clock.</summary>
    private const int Patience = 64;

    /// <summary>So many entries an insert moves from the window into free room at most; more than one, so that it ever ends.</summary>
    private const int MovesPerInsert = 8;

    /// <summary>So many calls per entry after which the sketch forgets half: longer than usual, since it is not fed by hits.</summary>
    private const int SketchCallsPerEntry = 40;

    private const double WindowShare = 0.1;

    private const byte InWindow = 1;
    private const byte InMain = 2;

    private readonly EntryQueue _window = new(InWindow);
    private readonly EntryQueue _main = new(InMain);
    private readonly FrequencySketch _sketch = new(SketchCallsPerEntry);
    private readonly List<MemoryEntry> _gathered = [];
    private readonly Func<string, int> _hash;
    private ulong _bound;
    private ulong _windowBound;
    private int _capacity;

    /// <summary>The entry that must not leave, because it is just taking the place of another; usually none.</summary>
    private MemoryEntry? _kept;

    /// <param name="maximumWeight">The bound, at least 1.</param>
    /// <param name="hash">The hash the sketch goes by, if the runtime's, which is another one in every process, is not wanted.</param>
    internal ClockPolicy(long maximumWeight, Func<string, int>? hash = null)
    {
        _hash = hash ?? (static key => key.GetHashCode(StringComparison.Ordinal));
        SetBound(maximumWeight);
    }

    public long Weight => (long)Total;

    public int Count => _window.Count + _main.Count;

    private ulong Total => _window.Weight + _main.Weight;

    public void OnHit(MemoryEntry entry)
    {
        var frequency = entry.Frequency;
        if (frequency < MaximumFrequency)
        {
            entry.Frequency = (byte)(frequency + 1);
        }
    }

    public bool Admit(MemoryEntry entry, List<MemoryEntry> victims)
    {
        var weight = (ulong)entry.Weight;
        if (weight > _bound)
        {
            return false;
        }

        entry.PolicyHash = (uint)_hash(entry.Key);
        entry.Frequency = 0;
        _sketch.Add(entry.PolicyHash);

        // After the bound was lowered, and until Resize has caught up, inserts only must not make it worse.
        var limit = Math.Max(_bound, Total);
        if (weight <= _windowBound)
        {
            _window.Append(entry);
            FillMain(limit);
        }
        else if (Gather(limit - weight, fromWindow: true, _sketch.Estimate(entry.PolicyHash), victims))
        {
            _main.Append(entry);
        }
        else
        {
            return false;
        }

        MakeRoom(limit, victims);
        NoteCount();
        return true;
    }

    public bool Replace(MemoryEntry old, MemoryEntry entry, List<MemoryEntry> victims)
    {
        var queue = QueueOf(old);
        var weight = (ulong)entry.Weight;
        if (weight > _bound)
        {
            queue.Remove(old);
            return false;
        }

        var limit = Math.Max(_bound, Total);
        entry.PolicyHash = old.PolicyHash;
        entry.Frequency = old.Frequency;
        OnHit(entry); // who stores a key anew uses it
        queue.Replace(old, entry);
        _kept = entry;
        MakeRoom(limit, victims);
        _kept = null;
        return true;
    }

    public void Remove(MemoryEntry entry) => QueueOf(entry).Remove(entry);

    public bool Resize(long maximumWeight, int most, List<MemoryEntry> victims)
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

    private EntryQueue QueueOf(MemoryEntry entry) => entry.Region == InWindow ? _window : _main;

    private void SetBound(long maximumWeight)
    {
        _bound = (ulong)maximumWeight;
        _windowBound = Math.Max(1, (ulong)(maximumWeight * WindowShare));
        _capacity = 0;
        NoteCount();
    }

    /// <summary>Keeps the sketch as large as the cache ever was under this bound; so a cache that stays small costs little.</summary>
    private void NoteCount()
    {
        if (Count > _capacity)
        {
            _capacity = Count;
            _sketch.SetCapacity(_capacity);
        }
    }

    /// <summary>Gives up entries until the weight is within the limit.</summary>
    private void MakeRoom(ulong limit, List<MemoryEntry> victims)
    {
        while (Total > limit)
        {
            if (HasOther(_window, InWindow) && (_window.Weight > _windowBound || !HasOther(_main, InMain)))
            {
                var candidate = _window.PopOldest();
                if (candidate == _kept)
                {
                    _window.Append(candidate);
                    continue;
                }

                // It competes for its own weight within the main part's share. While that part is still growing into a larger
                // share, so that there is room, it competes for as much as is over the bound.
                var weight = (ulong)candidate.Weight;
                var excess = Total + weight - limit;
                TakeHits(candidate);
                var (taken, allowed) = _main.Weight + weight > limit - _windowBound ? (weight, limit - _windowBound) : (excess, _main.Weight);
                if (taken <= allowed && Gather(allowed - taken, fromWindow: false, Worth(candidate), victims))
                {
                    _main.Append(candidate);
                }
                else
                {
                    victims.Add(candidate);
                }
            }
            else
            {
                // The window is still growing into its share, and takes the room from the main part.
                Victim();
                victims.Add(_main.PopOldest());
            }
        }
    }

    /// <summary>Moves what is too much in the window into free room of the main part: a few at a time, so that no insert pays for many.</summary>
    private void FillMain(ulong limit)
    {
        for (var moves = 0; moves < MovesPerInsert && _window.Weight > _windowBound; moves++)
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

    /// <summary>Takes entries out until no more than this weight is left, if together they are worth less than their rival.</summary>
    /// <param name="weight">What may be left: in the main part, or in both.</param>
    /// <param name="fromWindow">Whether the window counts, and is drawn on when the main part is used up.</param>
    /// <param name="worth">What the rival is worth.</param>
    /// <param name="victims">Receives the entries taken out.</param>
    private bool Gather(ulong weight, bool fromWindow, int worth, List<MemoryEntry> victims)
    {
        var gatheredFromMain = 0;
        while ((fromWindow ? Total : _main.Weight) > weight)
        {
            var isInMain = HasOther(_main, InMain);
            if (isInMain)
            {
                worth -= Worth(Victim());
            }
            else if (fromWindow)
            {
                worth -= Worth(_window.Oldest);
            }
            else
            {
                worth = 0;
            }

            if (worth <= 0)
            {
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
            if (_gathered.Count == Patience)
            {
                victims.AddRange(_gathered);
                _gathered.Clear();
                gatheredFromMain = 0;
            }
        }

        victims.AddRange(_gathered);
        _gathered.Clear();
        return true;
    }

    private int Worth(MemoryEntry entry) => _sketch.Estimate(entry.PolicyHash) + entry.Frequency;

    /// <summary>Turns the hand to an entry that was not hit since it last came by, or until it is out of patience: the oldest then.</summary>
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

            if (oldest.Frequency == 0 || steps >= Patience)
            {
                return oldest;
            }

            _sketch.Add(oldest.PolicyHash);
            oldest.Frequency--;
            _main.MoveOldestToEnd();
        }
    }

    private bool HasOther(EntryQueue queue, byte region) => queue.Count > (_kept is { } kept && kept.Region == region ? 1 : 0);

    private void TakeHits(MemoryEntry entry)
    {
        for (var hits = entry.Frequency; hits > 0; hits--)
        {
            _sketch.Add(entry.PolicyHash);
        }

        entry.Frequency = 0;
    }
}
