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
        Logger = context.LoggerFactory.CreateLogger(LogCategory),
        IsShared = options.IsShared,
    });
}
