namespace CacheKit.Testing.Contracts.Stores;

/// <summary>What goes on at a store while it is checked.</summary>
[Flags]
internal enum StoreTraffic
{
    Loads = 0,
    Sets = 1,
    RemovalsByKey = 2,
    RemovalsByTag = 4,
    RemovalsByAllTags = 8,
    Clears = 16,
    Expiries = 32,
    KnownStamps = 64,
    NewEnds = 128,
    Everything = 255,
}
