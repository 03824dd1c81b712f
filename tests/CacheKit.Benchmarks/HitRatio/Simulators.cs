using CacheKit.Memory;

namespace CacheKit.Benchmarks.HitRatio;

/// <summary>A cache of keys alone.</summary>
internal interface ICacheSimulator
{
    /// <returns>Whether it was a hit; after a miss the key is in the cache, if the policy lets it in.</returns>
    bool Access(int id);
}

/// <summary>A doubly linked list of ids. Several lists may share one pair of arrays, as long as an id is in one of them.</summary>
internal sealed class IdList(int[] previous, int[] next)
{
    private int _first = -1;
    private int _last = -1;

    internal int Count { get; private set; }

    internal int First => _first;

    internal void AddLast(int id)
    {
        previous[id] = _last;
        next[id] = -1;
        (_last < 0 ? ref _first : ref next[_last]) = id;
        _last = id;
        Count++;
    }

    internal void Remove(int id)
    {
        var (before, after) = (previous[id], next[id]);
        (before < 0 ? ref _first : ref next[before]) = after;
        (after < 0 ? ref _last : ref previous[after]) = before;
        Count--;
    }

    internal int RemoveFirst()
    {
        var id = _first;
        Remove(id);
        return id;
    }

    /// <summary>The id after this one, or -1.</summary>
    internal int After(int id) => next[id];
}

internal sealed class LruSimulator(int capacity, int ids) : ICacheSimulator
{
    private readonly IdList _list = new(new int[ids], new int[ids]);
    private readonly bool[] _isIn = new bool[ids];

    public bool Access(int id)
    {
        if (_isIn[id])
        {
            _list.Remove(id);
            _list.AddLast(id);
            return true;
        }

        if (_list.Count == capacity)
        {
            _isIn[_list.RemoveFirst()] = false;
        }

        _isIn[id] = true;
        _list.AddLast(id);
        return false;
    }
}

/// <summary>Zhang et al., <i>SIEVE is simpler than LRU</i>, NSDI 2024.</summary>
internal sealed class SieveSimulator(int capacity, int ids) : ICacheSimulator
{
    private readonly IdList _list = new(new int[ids], new int[ids]);
    private readonly byte[] _state = new byte[ids]; // 0 out, 1 in, 2 visited
    private int _hand = -1;

    public bool Access(int id)
    {
        if (_state[id] != 0)
        {
            _state[id] = 2;
            return true;
        }

        if (_list.Count == capacity)
        {
            // The list runs from old to new; the hand goes from the oldest towards the newest, and starts over.
            var victim = _hand < 0 ? _list.First : _hand;
            while (_state[victim] == 2)
            {
                _state[victim] = 1;
                victim = _list.After(victim) is >= 0 and var after ? after : _list.First;
            }

            _hand = _list.After(victim);
            _list.Remove(victim);
            _state[victim] = 0;
        }

        _list.AddLast(id);
        _state[id] = 1;
        return false;
    }
}

/// <summary>Yang et al., <i>FIFO queues are all you need for cache eviction</i>, SOSP 2023: small queue 10 %, promotion at two hits.</summary>
internal sealed class S3FifoSimulator(int capacity, int ids) : ICacheSimulator
{
    private readonly int _smallCapacity = Math.Max(1, capacity / 10);
    private readonly Queue<int> _small = new();
    private readonly Queue<int> _main = new();
    private readonly Queue<(int Id, int Stamp)> _ghost = new();
    private readonly int[] _ghostStamp = new int[ids];
    private readonly byte[] _frequency = new byte[ids];
    private readonly bool[] _isIn = new bool[ids];
    private int _stamps;
    private int _ghosts;

    public bool Access(int id)
    {
        if (_isIn[id])
        {
            _frequency[id] = (byte)Math.Min(_frequency[id] + 1, 3);
            return true;
        }

        while (_small.Count + _main.Count >= capacity)
        {
            if (_small.Count >= _smallCapacity || _main.Count == 0)
            {
                EvictFromSmall();
            }
            else
            {
                EvictFromMain();
            }
        }

        _isIn[id] = true;
        _frequency[id] = 0;
        if (_ghostStamp[id] != 0)
        {
            _ghostStamp[id] = 0;
            _ghosts--;
            _main.Enqueue(id);
        }
        else
        {
            _small.Enqueue(id);
        }

        return false;
    }

    private void EvictFromSmall()
    {
        while (_small.TryDequeue(out var id))
        {
            if (_frequency[id] > 1)
            {
                _frequency[id] = 0;
                _main.Enqueue(id);
                if (_small.Count + _main.Count > capacity || _main.Count > capacity - _smallCapacity)
                {
                    EvictFromMain();
                    return;
                }
            }
            else
            {
                _isIn[id] = false;
                _ghostStamp[id] = ++_stamps;
                _ghosts++;
                _ghost.Enqueue((id, _stamps));
                while (_ghosts > capacity - _smallCapacity)
                {
                    var (old, stamp) = _ghost.Dequeue();
                    if (_ghostStamp[old] == stamp)
                    {
                        _ghostStamp[old] = 0;
                        _ghosts--;
                    }
                }

                return;
            }
        }
    }

    private void EvictFromMain()
    {
        while (_main.TryDequeue(out var id))
        {
            if (_frequency[id] == 0)
            {
                _isIn[id] = false;
                return;
            }

            _frequency[id]--;
            _main.Enqueue(id);
        }
    }
}

/// <summary>
/// Jiang and Zhang, <i>LIRS</i>, SIGMETRICS 2002: 1 % of the cache for keys with long or unknown distances between uses; as many keys that have left
/// are remembered as twice the cache holds.
/// </summary>
internal sealed class LirsSimulator : ICacheSimulator
{
    private readonly int _capacity;
    private readonly int _lirCapacity;
    private readonly int _mostGone;
    private readonly IdList _stack;
    private readonly IdList _queue;
    private readonly IdList _gone;
    private readonly bool[] _isStacked;
    private readonly byte[] _where; // 0 out, 1 LIR, 2 HIR and here, 3 HIR and gone
    private int _lirs;

    internal LirsSimulator(int capacity, int ids)
    {
        _capacity = capacity;
        _lirCapacity = Math.Max(1, capacity - Math.Max(1, capacity / 100));
        _mostGone = 2 * capacity;
        _stack = new(new int[ids], new int[ids]);
        var (previous, next) = (new int[ids], new int[ids]);
        _queue = new(previous, next);
        _gone = new(previous, next);
        _isStacked = new bool[ids];
        _where = new byte[ids];
    }

    public bool Access(int id)
    {
        switch (_where[id])
        {
            case 1:
                Stack(id);
                Prune();
                return true;
            case 2 when _isStacked[id]:
                _queue.Remove(id);
                Promote(id);
                return true;
            case 2:
                _queue.Remove(id);
                _queue.AddLast(id);
                Stack(id);
                return true;
        }

        if (_lirs + _queue.Count == _capacity)
        {
            Evict();
        }

        if (_where[id] == 3) // the eviction may have made it forgotten
        {
            _gone.Remove(id);
            Promote(id);
        }
        else if (_lirs < _lirCapacity)
        {
            _where[id] = 1;
            _lirs++;
            Stack(id);
        }
        else
        {
            _where[id] = 2;
            _queue.AddLast(id);
            Stack(id);
        }

        return false;
    }

    private void Evict()
    {
        if (_queue.Count == 0)
        {
            Demote(); // a cache of one entry
        }

        var victim = _queue.RemoveFirst();
        _where[victim] = _isStacked[victim] ? (byte)3 : (byte)0;
        if (_isStacked[victim])
        {
            _gone.AddLast(victim);
            if (_gone.Count > _mostGone)
            {
                Forget(_gone.First);
            }
        }
    }

    private void Promote(int id)
    {
        _where[id] = 1;
        _lirs++;
        Stack(id);
        if (_lirs > _lirCapacity)
        {
            Demote();
        }
    }

    private void Demote()
    {
        var bottom = _stack.First; // always LIR
        Unstack(bottom);
        _where[bottom] = 2;
        _lirs--;
        _queue.AddLast(bottom);
        Prune();
    }

    private void Prune()
    {
        while (_stack.Count > 0 && _where[_stack.First] != 1)
        {
            if (_where[_stack.First] == 3)
            {
                Forget(_stack.First);
            }
            else
            {
                Unstack(_stack.First);
            }
        }
    }

    private void Forget(int id)
    {
        _gone.Remove(id);
        Unstack(id);
        _where[id] = 0;
    }

    private void Stack(int id)
    {
        if (_isStacked[id])
        {
            _stack.Remove(id);
        }

        _isStacked[id] = true;
        _stack.AddLast(id);
    }

    private void Unstack(int id)
    {
        _isStacked[id] = false;
        _stack.Remove(id);
    }
}

/// <summary>The segmented LRU of several concurrent caches for .NET: hot, warm and cold queues of a third each; a hit sets a mark.</summary>
internal sealed class SegmentedLruSimulator(int capacity, int ids) : ICacheSimulator
{
    private readonly Queue<int> _hot = new();
    private readonly Queue<int> _warm = new();
    private readonly Queue<int> _cold = new();
    private readonly int _part = Math.Max(1, capacity / 3);
    private readonly byte[] _state = new byte[ids]; // 0 out, 1 in, 2 read

    public bool Access(int id)
    {
        if (_state[id] != 0)
        {
            _state[id] = 2;
            return true;
        }

        _state[id] = 1;
        _hot.Enqueue(id);
        if (_hot.Count > _part)
        {
            Place(_hot.Dequeue());
        }

        while (_hot.Count + _warm.Count + _cold.Count > capacity)
        {
            if (_warm.Count > _part || (_cold.Count == 0 && _warm.Count > 0))
            {
                var warm = _warm.Dequeue();
                (_state[warm] == 2 ? _warm : _cold).Enqueue(warm);
                _state[warm] = 1;
            }
            else if (_cold.Count > 0)
            {
                Place(_cold.Dequeue(), isLeaving: true);
            }
            else
            {
                Place(_hot.Dequeue(), isLeaving: true);
            }
        }

        return false;
    }

    private void Place(int id, bool isLeaving = false)
    {
        var wasRead = _state[id] == 2;
        _state[id] = 1;
        if (wasRead)
        {
            _warm.Enqueue(id);
        }
        else if (isLeaving)
        {
            _state[id] = 0;
        }
        else
        {
            _cold.Enqueue(id);
        }
    }
}

/// <summary>Megiddo and Modha, <i>ARC</i>, FAST 2003.</summary>
internal sealed class ArcSimulator : ICacheSimulator
{
    private readonly int _capacity;
    private readonly IdList[] _lists;
    private readonly byte[] _where; // 0 nowhere, 1 T1, 2 T2, 3 B1, 4 B2
    private double _target;

    internal ArcSimulator(int capacity, int ids)
    {
        _capacity = capacity;
        var (previous, next) = (new int[ids], new int[ids]);
        _lists = [new(previous, next), new(previous, next), new(previous, next), new(previous, next), new(previous, next)];
        _where = new byte[ids];
    }

    public bool Access(int id)
    {
        switch (_where[id])
        {
            case 1 or 2:
                Move(id, 2);
                return true;
            case 3:
                _target = Math.Min(_capacity, _target + Math.Max(1.0, (double)_lists[4].Count / _lists[3].Count));
                MakeRoom(isInB2: false);
                Move(id, 2);
                return false;
            case 4:
                _target = Math.Max(0, _target - Math.Max(1.0, (double)_lists[3].Count / _lists[4].Count));
                MakeRoom(isInB2: true);
                Move(id, 2);
                return false;
        }

        var recent = _lists[1].Count + _lists[3].Count;
        var all = recent + _lists[2].Count + _lists[4].Count;
        if (recent == _capacity)
        {
            if (_lists[1].Count < _capacity)
            {
                Move(_lists[3].First, 0);
                MakeRoom(isInB2: false);
            }
            else
            {
                Move(_lists[1].First, 0);
            }
        }
        else if (all >= _capacity)
        {
            if (all >= 2 * _capacity)
            {
                Move(_lists[4].First, 0);
            }

            MakeRoom(isInB2: false);
        }

        Move(id, 1);
        return false;
    }

    private void MakeRoom(bool isInB2)
    {
        if (_lists[1].Count + _lists[2].Count < _capacity)
        {
            return;
        }

        if (_lists[1].Count > 0 && (_lists[1].Count > _target || (isInB2 && _lists[1].Count == (int)_target) || _lists[2].Count == 0))
        {
            Move(_lists[1].First, 3);
        }
        else
        {
            Move(_lists[2].First, 4);
        }
    }

    private void Move(int id, byte to)
    {
        if (_where[id] != 0)
        {
            _lists[_where[id]].Remove(id);
        }

        _where[id] = to;
        if (to != 0)
        {
            _lists[to].AddLast(id);
        }
    }
}

/// <summary>
/// W-TinyLFU: Einziger, Friedman, Manes, <i>TinyLFU</i>, ToS 2017; with a window that climbs the hill of the hit rate:
/// Einziger, Eytan, Friedman, Manes, <i>Adaptive Software Cache Management</i>, Middleware 2018.
/// </summary>
internal sealed class WTinyLfuSimulator : ICacheSimulator
{
    private readonly int _capacity;
    private readonly bool _climbs;
    private readonly FrequencySketch _sketch = new(callsPerEntry: 10);
    private readonly IdList _window;
    private readonly IdList _probation;
    private readonly IdList _protected;
    private readonly byte[] _where; // 0 out, 1 window, 2 probation, 3 protected
    private readonly Random _random = new(1);
    private double _windowShare = 0.01;
    private double _step = -0.0625;
    private double _hitRate;
    private int _requests;
    private int _hits;

    internal WTinyLfuSimulator(int capacity, int ids, bool climbs)
    {
        _capacity = capacity;
        _climbs = climbs;
        _sketch.SetCapacity(capacity);
        var (previous, next) = (new int[ids], new int[ids]);
        _window = new(previous, next);
        _probation = new(previous, next);
        _protected = new(previous, next);
        _where = new byte[ids];
    }

    private int WindowCapacity => Math.Max(1, (int)(_capacity * _windowShare));

    private int ProtectedCapacity => (int)((_capacity - WindowCapacity) * 0.8);

    public bool Access(int id)
    {
        var isHit = _where[id] != 0;
        _sketch.Add((uint)id);
        switch (_where[id])
        {
            case 1:
                _window.Remove(id);
                _window.AddLast(id);
                break;
            case 2:
                _probation.Remove(id);
                Place(id, _protected, 3);
                break;
            case 3:
                _protected.Remove(id);
                _protected.AddLast(id);
                break;
            default:
                Place(id, _window, 1);
                break;
        }

        if (_climbs)
        {
            Climb(isHit);
        }

        while (_protected.Count > Math.Max(ProtectedCapacity, 0))
        {
            Place(_protected.RemoveFirst(), _probation, 2);
        }

        while (_window.Count > WindowCapacity)
        {
            var candidate = _window.RemoveFirst();
            if (_window.Count + _probation.Count + _protected.Count < _capacity)
            {
                Place(candidate, _probation, 2);
                continue;
            }

            var main = _probation.Count > 0 ? _probation : _protected;
            if (main.Count > 0 && Admits(candidate, main.First))
            {
                _where[main.RemoveFirst()] = 0;
                Place(candidate, _probation, 2);
            }
            else
            {
                _where[candidate] = 0;
            }
        }

        return isHit;
    }

    private bool Admits(int candidate, int victim)
    {
        var (one, other) = (_sketch.Estimate((uint)candidate), _sketch.Estimate((uint)victim));
        return one > other || (one > 5 && _random.Next(128) == 0);
    }

    private void Place(int id, IdList list, byte where)
    {
        list.AddLast(id);
        _where[id] = where;
    }

    private void Climb(bool isHit)
    {
        _hits += isHit ? 1 : 0;
        if (++_requests < 10 * _capacity)
        {
            return;
        }

        var hitRate = (double)_hits / _requests;
        var change = hitRate - _hitRate;
        var amount = change >= 0 ? _step : -_step;
        _step = Math.Abs(change) >= 0.05 ? Math.CopySign(0.0625, amount) : 0.98 * amount;
        (_hitRate, _requests, _hits) = (hitRate, 0, 0);
        _windowShare = Math.Clamp(_windowShare + amount, 0.0, 0.8);
        while (_window.Count < WindowCapacity && _probation.Count + _protected.Count > 0)
        {
            Place((_probation.Count > 0 ? _probation : _protected).RemoveFirst(), _window, 1);
        }
    }
}

/// <summary>What could be had by who knows the future: evicts the key that is used again last. Belady, 1966.</summary>
internal sealed class OptimalSimulator : ICacheSimulator
{
    private readonly int _capacity;
    private readonly int[] _nextUse;
    private readonly int[] _dueOf;
    private readonly PriorityQueue<int, int> _latest = new(Comparer<int>.Create(static (one, other) => other.CompareTo(one)));
    private int _time;
    private int _count;

    internal OptimalSimulator(int capacity, Trace trace)
    {
        _capacity = capacity;
        _nextUse = new int[trace.Requests.Length];
        _dueOf = new int[trace.UniqueKeys]; // of a key in the cache, its next use; else 0
        var last = new int[trace.UniqueKeys];
        Array.Fill(last, int.MaxValue);
        for (var time = trace.Requests.Length - 1; time >= 0; time--)
        {
            _nextUse[time] = last[trace.Requests[time]];
            last[trace.Requests[time]] = time;
        }
    }

    public bool Access(int id)
    {
        var isHit = _dueOf[id] != 0;
        if (!isHit)
        {
            if (_count == _capacity)
            {
                int victim, due;
                do
                {
                    _latest.TryDequeue(out victim, out due);
                }
                while (_dueOf[victim] != due); // it was used since, and is in the queue again
                _dueOf[victim] = 0;
                _count--;
            }

            _count++;
        }

        _dueOf[id] = _nextUse[_time];
        _latest.Enqueue(id, _nextUse[_time++]);
        return isHit;
    }
}
