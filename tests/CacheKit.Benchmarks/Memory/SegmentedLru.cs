using System.Collections.Concurrent;

namespace CacheKit.Benchmarks.Memory;

/// <summary>
/// A bounded cache in the manner of the well-known concurrent LRUs for .NET: a <see cref="ConcurrentDictionary{TKey, TValue}"/> and three queues,
/// hot, warm and cold, through which entries pass; a hit only sets a mark. The rival of a set into a full cache that keeps what it is given.
/// </summary>
/// <remarks>With a time to live by the coarse clock of the system. The bound is kept but for what is under way on other threads.</remarks>
internal sealed class SegmentedLru(int capacity)
{
    private readonly ConcurrentDictionary<string, Node> _nodes = new(-1, capacity, StringComparer.Ordinal);
    private readonly ConcurrentQueue<Node> _hot = new();
    private readonly ConcurrentQueue<Node> _warm = new();
    private readonly ConcurrentQueue<Node> _cold = new();
    private readonly int _hotCapacity = capacity / 3;
    private readonly int _warmCapacity = capacity / 3;
    private readonly int _coldCapacity = capacity - (2 * (capacity / 3));
    private int _hotCount;
    private int _warmCount;
    private int _coldCount;

    internal bool TryGet(string key, out object? value)
    {
        if (_nodes.TryGetValue(key, out var node) && node.ExpiresAt > Environment.TickCount64)
        {
            if (!node.WasRead)
            {
                node.WasRead = true;
            }

            value = node.Value;
            return true;
        }

        value = null;
        return false;
    }

    internal void Add(string key, object value, TimeSpan timeToLive)
    {
        var node = new Node(key, value, Environment.TickCount64 + (long)timeToLive.TotalMilliseconds);
        if (_nodes.TryAdd(key, node))
        {
            _hot.Enqueue(node);
            Interlocked.Increment(ref _hotCount);
            Cycle();
        }
    }

    private void Cycle()
    {
        if (Volatile.Read(ref _hotCount) > _hotCapacity && _hot.TryDequeue(out var node))
        {
            Interlocked.Decrement(ref _hotCount);
            Place(node);
        }

        if (Volatile.Read(ref _warmCount) > _warmCapacity && _warm.TryDequeue(out node))
        {
            Interlocked.Decrement(ref _warmCount);
            Place(node);
        }

        if (Volatile.Read(ref _coldCount) > _coldCapacity && _cold.TryDequeue(out node))
        {
            Interlocked.Decrement(ref _coldCount);
            if (node.WasRead)
            {
                Place(node);
            }
            else
            {
                _nodes.TryRemove(new(node.Key, node));
            }
        }
    }

    private void Place(Node node)
    {
        if (node.WasRead)
        {
            node.WasRead = false;
            _warm.Enqueue(node);
            Interlocked.Increment(ref _warmCount);
        }
        else
        {
            _cold.Enqueue(node);
            Interlocked.Increment(ref _coldCount);
        }
    }

    private sealed class Node(string key, object value, long expiresAt)
    {
        internal readonly string Key = key;
        internal readonly object Value = value;
        internal readonly long ExpiresAt = expiresAt;
        internal volatile bool WasRead;
    }
}
