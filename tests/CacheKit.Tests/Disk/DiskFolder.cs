using CacheKit.Disk;
using CacheKit.Stores;
using CacheKit.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Disk;

/// <summary>A directory for disk stores that is gone after the test.</summary>
internal sealed class DiskFolder : IDisposable
{
    public string Root { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "cachekit-" + Guid.NewGuid().ToString("N"));

    public ManualTimeProvider Clock { get; } = new();

    public ILogger Logger { get; set; } = NullLogger.Instance;

    /// <summary>Where the store of the default name keeps its shared files.</summary>
    public string Files => System.IO.Path.Combine(CacheFolder.Of(Root, "default"), DiskDirectory.FormatFolder);

    public string IndexPath => System.IO.Path.Combine(Files, CacheKit.Disk.IndexFile.Name);

    /// <summary>
    /// With this seed no key or tag of a contract shares a slot or its cells with another, so that the contract holds to the letter. What happens when some do
    /// is tested apart.
    /// </summary>
    public const ulong SeedWithoutCollisions = 2;

    /// <summary>Small sizes, so that the log comes round soon.</summary>
    public static DiskGeometry Small { get; } = new()
    {
        SegmentBytes = 64 << 10,
        SegmentCount = 16,
        BucketCount = 256,
        TagCells = 4096,
        FenceCells = 4096,
        FeedMessages = 64,
        Conjunctions = 16,
    };

    public DiskSettings Settings => new()
    {
        Path = Root,
        CacheName = "default",
        Geometry = Small,
        TimeProvider = Clock,
        Logger = Logger,
        Schedule = static work => work(),
    };

    public DiskStore Open(Func<DiskSettings, DiskSettings>? change = null) => new(change is null ? Settings : change(Settings));

    public string[] SegmentFiles() => [.. Directory.GetFiles(Files, CacheKit.Disk.SegmentFiles.Pattern).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        if (Directory.Exists(Root))
            Directory.Delete(Root, recursive: true);
    }
}

/// <summary>The short way to say what a test of a store does.</summary>
internal static class DiskStoreCalls
{
    public static StoreEntry Entry(byte[] payload, params string[] tags) => new()
    {
        Payload = payload,
        ExpiresAt = DateTimeOffset.MaxValue,
        RetainUntil = DateTimeOffset.MaxValue,
        Tags = tags,
    };

    public static byte[] Bytes(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static async Task<StoreWriteResult> Set(this ICacheStore store, string key, byte[] payload, params string[] tags) =>
        await store.WriteAsync(key, Entry(payload, tags), StoreCondition.Always, default);

    public static async Task<StoreWriteResult> Load(this ICacheStore store, string key, byte[] payload, long stamp, params string[] tags) =>
        await store.WriteAsync(key, Entry(payload, tags), StoreCondition.IfCurrent(stamp), default);

    /// <summary>The payload; null for a miss.</summary>
    public static async Task<byte[]?> Get(this ICacheStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.IsFound ? lookup.Payload.ToArray() : null;
    }

    public static async Task<long> Stamp(this ICacheStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.Stamp;
    }

    public static async Task<long> LoadStamp(this ICacheStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.LoadStamp;
    }

    public static async Task<List<string>> Keys(this IEnumerableStore store, string prefix = "")
    {
        List<string> keys = [];
        await foreach (var key in store.EnumerateKeysAsync(prefix, default))
            keys.Add(key);
        return keys;
    }
}
