namespace CacheKit.Engine;

/// <summary>Told by a <see cref="StoreGuard"/> what becomes of its store. Called under no lock, in the middle of other callers' calls: must not block.</summary>
internal interface IStoreGuardListener
{
    /// <summary>The store is left alone from now on.</summary>
    void OnOpened(StoreGuard guard);

    /// <summary>The store answers: its circuit has closed, or the probe that was asked for got through. Time to send what it has missed.</summary>
    void OnReachable(StoreGuard guard);
}
