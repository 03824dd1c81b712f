namespace CacheKit.Stores;

/// <summary>Where a store that fetches an entry in parts says that it is getting on. Safe for concurrent use.</summary>
public sealed class StoreReadProgress
{
    private long _parts;

    internal long Parts => Volatile.Read(ref _parts);

    /// <summary>Says that another part has come: whoever waits gives the next one as much time again.</summary>
    public void Report() => Interlocked.Increment(ref _parts);
}
