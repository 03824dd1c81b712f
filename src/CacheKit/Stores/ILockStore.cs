namespace CacheKit.Stores;

/// <summary>A store that can keep several processes from making the same value at once. For efficiency only: no promise depends on it.</summary>
public interface ILockStore : ICacheStore
{
    /// <summary>Takes the lock of a key if nobody has it. Never waits for it.</summary>
    /// <param name="key">The key.</param>
    /// <param name="lease">After so long without <see cref="IStoreLock.ExtendAsync"/> the lock is free again, whatever became of its holder.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The lock, which is released when disposed; <see langword="null"/> if somebody has it.</returns>
    ValueTask<IStoreLock?> TryLockAsync(string key, TimeSpan lease, CancellationToken cancellationToken);
}

/// <summary>A lock that is held. Disposing releases it, if it is still held; it never throws.</summary>
public interface IStoreLock : IAsyncDisposable
{
    /// <summary>Makes the lease last so long from now.</summary>
    /// <param name="lease">How long.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns><see langword="false"/> if the lock was lost meanwhile.</returns>
    ValueTask<bool> ExtendAsync(TimeSpan lease, CancellationToken cancellationToken);
}
