namespace CacheKit.Stores;

/// <summary>A store that knows what it can hold.</summary>
internal interface IBoundedStore : ICacheStore
{
    /// <summary>The most bytes that an entry may have: more are declined.</summary>
    long MaximumEntryBytes { get; }

    /// <summary>How much of the room it was given it cannot have, because there is no more; zero if nothing is missing, as far as it has noticed. Waits for nothing.</summary>
    long MissingBytes { get; }
}
