using System.Text;
using CacheKit.Stores;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Short forms of what tests ask of a store.</summary>
internal static class StoreCalls
{
    internal static StoreEntry Entry(string text, params IReadOnlyList<string> tags) => Entry(text, TimeSpan.FromHours(1), tags);

    internal static StoreEntry Entry(string text, TimeSpan life, IReadOnlyList<string>? tags = null) => new()
    {
        Payload = Encoding.UTF8.GetBytes(text),
        ExpiresAt = DateTimeOffset.UtcNow + life,
        RetainUntil = DateTimeOffset.UtcNow + life,
        Tags = tags ?? [],
    };

    internal static async Task<string?> GetAsync(this ICacheStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.IsFound ? Encoding.UTF8.GetString(lookup.Payload.Span) : null;
    }

    internal static async Task<long> LoadStampAsync(this ICacheStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.LoadStamp;
    }

    internal static async Task<long> SetAsync(this ICacheStore store, string key, StoreEntry entry)
    {
        var result = await store.WriteAsync(key, entry, StoreCondition.Always, default);
        result.IsStored.Should().BeTrue();
        return result.Stamp;
    }

    internal static async Task<bool> PopulateAsync(this ICacheStore store, string key, StoreEntry entry, long loadStamp) =>
        (await store.WriteAsync(key, entry, StoreCondition.IfCurrent(loadStamp), default)).IsStored;

    internal static Task<StoreInvalidation> RemoveAsync(this ICacheStore store, string key) =>
        store.InvalidateAsync(key, InvalidationKind.Remove, default).AsTask();

    internal static Task<long> RemoveByTagAsync(this ICacheStore store, params IReadOnlyList<string> tags) =>
        store.InvalidateTagsAsync(tags, TagMatch.Any, InvalidationKind.Remove, default).AsTask();
}
