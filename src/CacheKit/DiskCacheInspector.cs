using CacheKit.Disk;
using CacheKit.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit;

/// <summary>Looks into a disk cache from outside, while applications use it or while none does: for operators and health checks.</summary>
/// <remarks>Members are safe for concurrent use. Dispose it: while it is open, it counts as a process that uses the cache.</remarks>
public sealed class DiskCacheInspector : IAsyncDisposable
{
    private readonly DiskStore _store;

    private DiskCacheInspector(DiskStore store) => _store = store;

    /// <summary>
    /// Opens a cache that exists, with the sizes it has, and changes nothing of what it holds. Blocks for as long as opening files takes; waits while another process
    /// is opening or closing the cache.
    /// </summary>
    /// <param name="path">The directory, as in <see cref="DiskOptions.Path"/>.</param>
    /// <param name="cacheName">The name of the cache.</param>
    /// <returns>The inspector.</returns>
    /// <exception cref="ArgumentException">The path or the name is empty, or the path has a character that no path may have.</exception>
    /// <exception cref="CacheStoreException">
    /// There is no such cache; or it is not shared: then only the process that uses it can look into it; or its files may not be read and written; or what it holds
    /// does not count any more, because it is damaged or was not closed before the machine started anew. The message says which.
    /// </exception>
    public static DiskCacheInspector Open(string path, string cacheName = CacheKitBuilder.DefaultName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentException.ThrowIfNullOrWhiteSpace(cacheName);
        return new(new DiskStore(new()
        {
            Path = path,
            CacheName = cacheName,
            Geometry = null, // it must exist
            TimeProvider = TimeProvider.System,
            Logger = NullLogger.Instance,
        }));
    }

    /// <summary>Shows what the cache holds and has done. Costs a walk through the index, a few milliseconds per million entries.</summary>
    /// <returns>A snapshot.</returns>
    public DiskStatistics GetStatistics() => _store.GetStatistics();

    /// <summary>Reads every entry and compares its bytes with their checksums. Costs as much as reading all that is on the disk.</summary>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>What is live, dead and damaged.</returns>
    public Task<DiskCheckResult> CheckAsync(CancellationToken cancellationToken = default) =>
        Task.Run(() => _store.Check(cancellationToken), cancellationToken);

    /// <summary>Closes the cache.</summary>
    /// <returns>Completes when it is closed.</returns>
    public ValueTask DisposeAsync() => _store.DisposeAsync();
}
