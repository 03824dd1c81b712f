namespace CacheKit.Stores;

/// <summary>What an invalidation of a key has done.</summary>
/// <param name="Stamp">Its stamp: later than that of every entry it covers.</param>
/// <param name="WasFresh">Whether there was a live entry that had not expired.</param>
public readonly record struct StoreInvalidation(long Stamp, bool WasFresh);
