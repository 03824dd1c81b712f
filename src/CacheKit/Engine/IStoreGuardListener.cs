namespace CacheKit.Engine;

/// <summary>Told by a <see cref="StoreGuard"/> what becomes of its store. Called under no lock, in the middle of other callers' calls: must not block.</summary>
internal interface IStoreGuardListener
{
    /// <summary>The store is left alone from now on.</summary>
    void OnOpened(StoreGuard guard);

    /// <summary>The store answers: its circuit has closed, or the probe that was asked for got through. Time to send what it has missed.</summary>
    void OnReachable(StoreGuard guard);

    /// <summary>A change that its caller had given up has ended after all.</summary>
    /// <param name="guard">Whose store it is.</param>
    /// <param name="operation">What was asked.</param>
    /// <param name="subject">The key, the list of keys or tags; <see langword="null"/> for everything.</param>
    /// <param name="isDone">Whether the store says that it was done; if not, nobody knows.</param>
    void OnLateChange(StoreGuard guard, StoreOperation operation, object? subject, bool isDone);
}
