using CacheKit.Disk;
using CacheKit.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Benchmarks.Disk;

/// <summary>The disk store as benchmarks use it.</summary>
internal sealed class DiskSubject : IDisposable
{
    private readonly DiskStore _store;

    internal DiskSubject(string path, long maximumBytes, int expectedEntryBytes = 1024) => _store = new(new()
    {
        Path = path,
        CacheName = "default",
        Geometry = DiskGeometry.For(maximumBytes, expectedEntryBytes, null),
        TimeProvider = TimeProvider.System,
        Logger = NullLogger.Instance,
    });

    /// <summary>Reads; a caller would decode the bytes in place.</summary>
    internal int Get(string key)
    {
        using var lookup = Wait(_store.ReadAsync(key, default, default));
        return lookup.Payload.Length;
    }

    internal bool Set(string key, byte[] value) => Wait(_store.WriteAsync(
        key, new() { Payload = value, ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = [] }, StoreCondition.Always, default)).IsStored;

    public void Dispose() => _store.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private static T Wait<T>(ValueTask<T> task) => task.IsCompletedSuccessfully ? task.Result : task.AsTask().GetAwaiter().GetResult();
}
