namespace CacheKit.Memory;

/// <summary>Which of the entries that fall out of the window get into the main part.</summary>
internal enum Admission
{
    /// <summary>Those asked for more often lately than what they displace.</summary>
    ByFrequency,

    /// <summary>Those hit twice in the window; and a key that comes back soon after it was evicted goes there at once.</summary>
    ByReuse,
}

/// <summary>A way to run the cache.</summary>
/// <param name="WindowShare">What share of it the window has.</param>
/// <param name="Admission">How entries get into the main part.</param>
/// <param name="Ages">
/// Whether an entry that has stayed by its frequency alone, and has not been hit since, goes round and has its count halved when it comes by again: with
/// admission by frequency. So what an earlier phase has left behind is gone after a few turns of the hand, and does not wait for the sketch to forget.
/// </param>
internal readonly record struct Tuning(double WindowShare, Admission Admission, bool Ages = false);

/// <summary>A small cache of hashes alone, which decides as <see cref="AdaptiveClockPolicy"/> would with one tuning.</summary>
/// <remarks>Nodes are numbered by 16 bits and linked by number: about 20 bytes each with the sketch. Not thread-safe.</remarks>
internal sealed class MiniatureCache
{
    private readonly int _capacity;
    private readonly bool _ages;
    private readonly int _windowCapacity;
    private readonly Node[] _nodes;
    private readonly ushort[] _buckets;
    private readonly FrequencySketch? _sketch;
    private readonly GhostTable? _ghosts;
    private Queue _window;
    private Queue _main;
    private ushort _free;

    internal MiniatureCache(int capacity, Tuning tuning)
    {
        _capacity = capacity;
        _ages = tuning.Ages && tuning.Admission == Admission.ByFrequency;
        _windowCapacity = Math.Max(1, (int)(capacity * tuning.WindowShare));
        _nodes = new Node[capacity + 2];
        _buckets = new ushort[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)capacity + 1)];
        for (var node = capacity + 1; node > 0; node--)
        {
            _nodes[node].After = _free;
            _free = (ushort)node;
        }

        if (tuning.Admission == Admission.ByReuse)
        {
            _ghosts = new GhostTable(capacity);
        }
        else
        {
            _sketch = new FrequencySketch(AdaptiveClockPolicy.SketchCallsPerEntry);
            _sketch.SetCapacity(capacity, capacity);
        }
    }

    /// <summary>Plays one request.</summary>
    /// <returns>Whether it was a hit.</returns>
    internal bool Access(uint hash)
    {
        ref var bucket = ref Bucket(hash);
        for (var number = bucket; number != 0; number = _nodes[number].Chain)
        {
            ref var found = ref _nodes[number];
            if (found.Hash == hash)
            {
                if (found.Frequency < AdaptiveClockPolicy.MaximumFrequency)
                {
                    found.Frequency++;
                }

                return true;
            }
        }

        var newcomer = _free;
        ref var node = ref _nodes[newcomer];
        _free = node.After;
        node = new Node { Hash = hash, Chain = bucket };
        bucket = newcomer;
        _sketch?.Add(hash);
        Append(ref _ghosts is not null && _ghosts.Take(hash) ? ref _main : ref _window, newcomer);
        if (_ghosts is null)
        {
            for (var moves = 0; moves < AdaptiveClockPolicy.MovesPerInsert && _window.Count > _windowCapacity && _main.Count < _capacity - _windowCapacity; moves++)
            {
                Append(ref _main, PopFromWindow(out _));
            }
        }

        while (_window.Count + _main.Count > _capacity)
        {
            MakeRoom();
        }

        return false;
    }

    private void MakeRoom()
    {
        if (_window.Count <= _windowCapacity && _main.Count > 0)
        {
            TurnToVictim();
            Evict(Pop(ref _main));
            return;
        }

        var candidate = PopFromWindow(out var hits);
        if (_ghosts is not null ? hits >= AdaptiveClockPolicy.HitsForReuse
            : _main.Count > 0 && _sketch!.Estimate(_nodes[candidate].Hash) > _sketch.Estimate(_nodes[TurnToVictim()].Hash)) // one of the two is there
        {
            if (_ghosts is null)
            {
                Evict(Pop(ref _main));
            }

            Append(ref _main, candidate);
        }
        else
        {
            Evict(candidate);
            if (_ages && _main.Count > 0)
            {
                Age();
            }
        }
    }

    private void Age()
    {
        ref var winner = ref _nodes[_main.First];
        if (winner.Frequency != 0)
        {
            return;
        }

        if (winner.IsMarked)
        {
            _sketch!.Halve(winner.Hash); // admission is by frequency
        }

        winner.IsMarked = true;
        Append(ref _main, Pop(ref _main));
    }

    private ushort TurnToVictim()
    {
        for (var steps = 0; ; steps++)
        {
            var oldest = _main.First;
            ref var node = ref _nodes[oldest];
            if (node.Frequency == 0 || steps >= AdaptiveClockPolicy.Patience)
            {
                return oldest;
            }

            node.Frequency--;
            node.IsMarked = false;
            _sketch?.Add(node.Hash);
            Append(ref _main, Pop(ref _main));
        }
    }

    private ushort PopFromWindow(out int hits)
    {
        var number = Pop(ref _window);
        ref var node = ref _nodes[number];
        hits = node.Frequency;
        node.Frequency = 0;
        for (var hit = 0; hit < hits && _sketch is not null; hit++)
        {
            _sketch.Add(node.Hash);
        }

        return number;
    }

    private void Evict(ushort number)
    {
        ref var node = ref _nodes[number];
        ref var link = ref Bucket(node.Hash);
        while (link != number)
        {
            link = ref _nodes[link].Chain;
        }

        link = node.Chain;
        node.After = _free;
        _free = number;
        _ghosts?.Put(node.Hash);
    }

    private ref ushort Bucket(uint hash) => ref _buckets[hash * 0x9E37_79B9u >> 7 & (uint)(_buckets.Length - 1)];

    private void Append(ref Queue queue, ushort number)
    {
        _nodes[number].After = 0;
        (queue.Count++ == 0 ? ref queue.First : ref _nodes[queue.Last].After) = number;
        queue.Last = number;
    }

    private ushort Pop(ref Queue queue)
    {
        var number = queue.First;
        queue.First = _nodes[number].After;
        queue.Count--;
        return number;
    }

    private struct Node
    {
        internal uint Hash;
        internal ushort Chain;
        internal ushort After;
        internal byte Frequency;
        internal bool IsMarked;
    }

    private struct Queue
    {
        internal ushort First;
        internal ushort Last;
        internal int Count;
    }
}
