using CacheKit.Memory;

namespace CacheKit.Tests.Memory;

/// <summary>
/// The policy with one tuning, as slow and obvious as can be: two lists, weights summed anew at every look, nothing kept that can be derived. Sketch and ghosts,
/// which have tests of their own, are the product's.
/// </summary>
internal sealed class ClockModel(long bound, Tuning tuning)
{
    private readonly List<Item> _window = [];
    private readonly List<Item> _main = [];
    private readonly FrequencySketch _sketch = new(AdaptiveClockPolicy.SketchCallsPerEntry);
    private readonly long _windowShare = Math.Max(1, (long)(bound * tuning.WindowShare));
    private long _windowBound = Math.Max(1, (long)(bound * tuning.WindowShare));
    private ulong _lots = 0x9E37_79B9_7F4A_7C15;
    private GhostTable? _ghosts;
    private int _most;

    private bool IsByReuse => tuning.Admission == Admission.ByReuse;

    private long Total => Weight(_window) + Weight(_main);

    private int Count => _window.Count + _main.Count;

    internal IEnumerable<string> Keys => _window.Concat(_main).Select(item => item.Key);

    internal void Hit(string key)
    {
        var item = _window.Concat(_main).Single(each => each.Key == key);
        item.Hits = Math.Min(item.Hits + 1, AdaptiveClockPolicy.MaximumFrequency);
    }

    internal void Remove(string key)
    {
        // The queue fills the gap with the entry at its nearer end.
        foreach (var list in (List<Item>[])[_window, _main])
        {
            var at = list.FindIndex(item => item.Key == key);
            if (at >= 0 && at <= list.Count - 1 - at)
            {
                list[at] = list[0];
                list.RemoveAt(0);
            }
            else if (at >= 0)
            {
                list[at] = list[^1];
                list.RemoveAt(list.Count - 1);
            }
        }
    }

    /// <summary>Stores a key anew that is there.</summary>
    /// <returns>Whether it was taken in, and the keys that have left for it.</returns>
    internal (bool IsAdmitted, List<string> Victims) Replace(string key, long weight)
    {
        if (weight > bound)
        {
            Remove(key);
            return (false, []);
        }

        var list = _window.Exists(item => item.Key == key) ? _window : _main;
        var at = list.FindIndex(item => item.Key == key);
        var old = list[at];
        list[at] = new Item(key, old.Hash, weight) { Hits = Math.Min(old.Hits + 1, AdaptiveClockPolicy.MaximumFrequency) };
        List<Item> victims = [];
        MakeRoom(list[at], victims);
        Remember(victims);
        return (true, victims.ConvertAll(victim => victim.Key));
    }

    /// <summary>Stores a key that is not there.</summary>
    /// <returns>Whether it was taken in, and the keys that have left for it.</returns>
    internal (bool IsAdmitted, List<string> Victims) Put(string key, uint hash, long weight)
    {
        List<Item> victims = [];
        if (weight > bound)
        {
            return (false, []);
        }

        var newcomer = new Item(key, hash, weight);
        if (weight <= bound / AdaptiveClockPolicy.NewestPart)
        {
            _windowBound = Math.Max(_windowShare, weight);
        }

        _sketch.Add(hash);
        var comesBack = _ghosts is not null && _ghosts.Take(hash);
        Item? kept = null;
        var isAdmitted = true;
        if (comesBack && IsByReuse)
        {
            _main.Add(newcomer);
            kept = newcomer;
        }
        else if (weight <= _windowBound)
        {
            _window.Add(newcomer);
            for (var moves = 0; moves < AdaptiveClockPolicy.MovesPerInsert && !IsByReuse && Weight(_window) > _windowBound && _window.Count > 1; moves++)
            {
                if (Weight(_main) + _window[0].Weight > bound - _windowBound)
                {
                    break;
                }

                TakeHits(_window[0]);
                Move(_window, _main);
            }
        }
        else if (Beats(newcomer, _sketch.Estimate(hash), () => Total + weight <= bound, drawsOnWindow: true, victims))
        {
            _main.Add(newcomer);
        }
        else
        {
            isAdmitted = false;
        }

        if (isAdmitted)
        {
            MakeRoom(kept, victims);
            if (Count > _most || Count < _most / 2)
            {
                _most = Count;
                _sketch.SetCapacity(Count, (int)(bound * (double)Count / Math.Max(1, Total)));
            }
        }

        Remember(victims);
        if (!isAdmitted)
        {
            _ghosts?.Put(hash);
        }

        return (isAdmitted, victims.ConvertAll(victim => victim.Key));
    }

    private void Remember(List<Item> victims)
    {
        if (victims.Count > 0 && IsByReuse)
        {
            _ghosts ??= new GhostTable((int)((double)bound * Count / Math.Max(1, Total)));
            victims.ForEach(victim => _ghosts.Put(victim.Hash));
        }
    }

    private void MakeRoom(Item? kept, List<Item> victims)
    {
        for (var steps = 0; Total > bound; steps++)
        {
            var hasInWindow = _window.Any(item => item != kept);
            var hasInMain = _main.Any(item => item != kept);
            var isWindowTooLarge = Weight(_window) > _windowBound && steps < AdaptiveClockPolicy.Patience;
            if (!hasInWindow || (!isWindowTooLarge && hasInMain))
            {
                victims.Add(TurnToVictim(kept));
                _main.RemoveAt(0);
                continue;
            }

            if (_window[0] == kept)
            {
                Move(_window, _window);
                continue;
            }

            var candidate = _window[0];
            _window.RemoveAt(0);
            var hits = candidate.Hits;
            TakeHits(candidate);
            if (IsByReuse ? hits >= AdaptiveClockPolicy.HitsForReuse : BeatsMain(candidate, kept, victims))
            {
                _main.Add(candidate);
            }
            else
            {
                victims.Add(candidate);
            }
        }
    }

    /// <summary>Whether a candidate is worth more than what it would push out of the main part, and if so pushes it out.</summary>
    private bool BeatsMain(Item candidate, Item? kept, List<Item> victims)
    {
        var share = bound - _windowBound;
        var worth = _sketch.Estimate(candidate.Hash);
        return Weight(_main) + candidate.Weight > share
            ? candidate.Weight <= share && Beats(candidate, worth, () => Weight(_main) + candidate.Weight <= share, drawsOnWindow: false, victims, kept)
            : Total + candidate.Weight - bound <= Weight(_main) && Beats(candidate, worth, Fits(candidate), drawsOnWindow: false, victims, kept);

        // What is over the bound, counted before anything is taken out, must come out of the main part.
        Func<bool> Fits(Item item)
        {
            var least = Weight(_main) - (Total + item.Weight - bound);
            return () => Weight(_main) <= least;
        }
    }

    private bool Beats(Item rival, int worth, Func<bool> fits, bool drawsOnWindow, List<Item> victims, Item? kept = null)
    {
        if (worth == FrequencySketch.Maximum && rival.Weight * (double)Count > AdaptiveClockPolicy.Heavy * (double)Total)
        {
            _lots ^= _lots << 13;
            _lots ^= _lots >> 7;
            _lots ^= _lots << 17;
            worth = (int)Math.Min(int.MaxValue, worth / (((_lots >> 11) + 1) / Math.Pow(2, 53)));
        }

        List<(Item Item, List<Item> From)> taken = [];
        while (!fits())
        {
            var list = _main.Any(item => item != kept) ? _main : _window;
            if (list == _window && !drawsOnWindow)
            {
                worth = 0;
            }
            else
            {
                var loser = list == _main ? TurnToVictim(kept) : _window[0];
                worth -= Math.Max(taken.Count == 0 ? 0 : 1, _sketch.Estimate(loser.Hash) + loser.Hits);
            }

            if (worth <= 0)
            {
                if (tuning.Ages && taken.Count == 0 && list == _main && _main[0].Hits == 0)
                {
                    Age();
                }

                taken.Reverse();
                taken.ForEach(each => each.From.Insert(0, each.Item)); // as they stood
                return false;
            }

            taken.Add((list[0], list));
            list.RemoveAt(0);
        }

        victims.AddRange(taken.Select(each => each.Item));
        return true;
    }

    private void Age()
    {
        if (_main[0].HasWonUnused)
        {
            _sketch.Halve(_main[0].Hash);
        }

        _main[0].HasWonUnused = true;
        Move(_main, _main);
    }

    private Item TurnToVictim(Item? kept)
    {
        for (var steps = 0; ;)
        {
            var oldest = _main[0];
            if (oldest != kept)
            {
                if (oldest.Hits == 0 || steps == AdaptiveClockPolicy.Patience)
                {
                    return oldest;
                }

                _sketch.Add(oldest.Hash);
                oldest.Hits--;
                oldest.HasWonUnused = false;
            }

            steps++;
            Move(_main, _main);
        }
    }

    private void TakeHits(Item item)
    {
        for (; item.Hits > 0; item.Hits--)
        {
            _sketch.Add(item.Hash);
        }
    }

    private static void Move(List<Item> from, List<Item> to)
    {
        var item = from[0];
        from.RemoveAt(0);
        to.Add(item);
    }

    private static long Weight(List<Item> items) => items.Sum(item => item.Weight);

    private sealed class Item(string key, uint hash, long weight)
    {
        internal string Key => key;

        internal uint Hash => hash;

        internal long Weight => weight;

        internal int Hits { get; set; }

        /// <summary>Whether it has stayed by its frequency alone since it was last seen to be hit.</summary>
        internal bool HasWonUnused { get; set; }
    }
}
