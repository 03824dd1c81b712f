using CacheKit.Disk;
using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Benchmarks.Memory;

/// <summary>Caches as an application would have them.</summary>
internal static class Subjects
{
    internal static Cache CreateCache(long maximumEntries) =>
        new("benchmark", new CacheKitOptions(), new MemoryOptions { MaximumEntries = maximumEntries }, TimeProvider.System, NullLogger.Instance, [], null);

    /// <summary>One with stores, with or without memory before them.</summary>
    internal static Cache CreateCache(long maximumEntries, bool hasMemory, params ICacheStore[] stores) => new(
        "benchmark", new CacheKitOptions(), new MemoryOptions { MaximumEntries = maximumEntries }, TimeProvider.System, NullLogger.Instance, [], null,
        stores: [.. stores.Select(static store => new StoreSetup(store, new CacheStoreOptions()))], hasMemory: hasMemory);

    /// <summary>A disk of 256 MiB.</summary>
    internal static DiskStore CreateDisk(string folder) => new(new()
    {
        Path = folder,
        CacheName = "benchmark",
        Geometry = DiskGeometry.For(256 << 20, 1024, null),
        TimeProvider = TimeProvider.System,
        Logger = NullLogger.Instance,
    });

    /// <summary>The numbers among the arguments, or those that are usual.</summary>
    internal static int[] Numbers(string[] args, params int[] usual)
    {
        var given = args.Where(arg => int.TryParse(arg, out _)).Select(int.Parse).ToArray();
        return given.Length > 0 ? given : usual;
    }
}
