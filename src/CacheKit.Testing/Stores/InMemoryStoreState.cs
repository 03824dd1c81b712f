namespace CacheKit.Testing.Stores;

/// <summary>What an <see cref="InMemoryStore"/> holds: the server that several nodes of a test share. Safe for concurrent use.</summary>
/// <remarks>Nothing of it ages by itself: entries and locks end by the clock of the store that looks at them.</remarks>
public sealed class InMemoryStoreState
{
    private readonly Dictionary<string, StorePartition> _partitions = [];
    private int _openLookups;

    /// <summary>
    /// How much is remembered of keys without an entry, and of tags, for each cache name. When there is more, it is forgotten, and values
    /// whose making began before then are refused. Default: 10,000.
    /// </summary>
    /// <value>At least 1.</value>
    public int MaximumFences
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            field = value;
        }
    } = 10_000;

    /// <summary>Payloads with more bytes are declined, as a store with bounds would. Default: none are.</summary>
    /// <value>Zero or more.</value>
    public int MaximumPayloadBytes
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    } = int.MaxValue;

    /// <summary>How many lookups with a payload have not been disposed. When all work is done, a cache must have left none.</summary>
    public int OpenLookups => Volatile.Read(ref _openLookups);

    /// <summary>How much is remembered just now of keys without an entry, and of tags, for all cache names.</summary>
    public int Fences
    {
        get
        {
            lock (_partitions)
            {
                return _partitions.Values.Sum(partition => partition.Fences);
            }
        }
    }

    internal StorePartition PartitionOf(string cacheName)
    {
        lock (_partitions)
        {
            if (!_partitions.TryGetValue(cacheName, out var partition))
            {
                _partitions.Add(cacheName, partition = new(MaximumFences, MaximumPayloadBytes));
            }

            return partition;
        }
    }

    internal LentPayload Lend(byte[] payload)
    {
        Interlocked.Increment(ref _openLookups);
        return new(payload, () => Interlocked.Decrement(ref _openLookups));
    }
}
