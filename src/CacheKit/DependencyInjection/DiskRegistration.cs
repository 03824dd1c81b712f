using CacheKit.Diagnostics;
using CacheKit.Disk;
using CacheKit.Stores;

namespace CacheKit.DependencyInjection;

/// <summary>Says that a cache has a disk store, and creates it.</summary>
internal sealed class DiskRegistration
{
    private const string LogCategory = "CacheKit.Disk";

    internal static DiskStore Create(StoreContext context, DiskOptions options) => new(new()
    {
        Path = options.Path,
        CacheName = context.CacheName,
        Geometry = DiskGeometry.For(options.MaximumBytes, options.ExpectedEntryBytes, options.ExpectedTags),
        TimeProvider = context.TimeProvider,
        Logger = GuardedLogger.For(context.LoggerFactory.CreateLogger(LogCategory)), // some of it is logged where nobody could catch what it throws
        IsShared = options.IsShared,
    });
}
