using System.Collections.Concurrent;
using Microsoft.Extensions.Caching.Distributed;

namespace CacheKit.Tests.Adapters;

/// <summary>The least there can be behind the interface; it keeps everything.</summary>
internal sealed class DictionaryCache : IDistributedCache
{
    internal ConcurrentDictionary<string, byte[]> Bytes { get; init; } = new();

    /// <summary>What was said of the time of each record when it was set.</summary>
    internal ConcurrentDictionary<string, DistributedCacheEntryOptions> Lives { get; } = new();

    internal bool IsBroken { get; set; }

    internal bool CannotWrite { get; set; }

    /// <summary>How often entries were read; when things were invalidated is read besides.</summary>
    internal int EntryReads { get; private set; }

    internal byte[] BytesOf(string key) => Bytes.Single(pair => pair.Key.EndsWith(":e:" + key, StringComparison.Ordinal)).Value;

    public byte[]? Get(string key)
    {
        EntryReads += key.Contains(":e:", StringComparison.Ordinal) ? 1 : 0;
        return IsBroken ? throw new InvalidOperationException("broken") : Bytes.GetValueOrDefault(key);
    }

    public async Task<byte[]?> GetAsync(string key, CancellationToken token = default)
    {
        await Task.Yield();
        return Get(key);
    }

    public void Refresh(string key)
    {
    }

    public Task RefreshAsync(string key, CancellationToken token = default) => Task.CompletedTask;

    public void Remove(string key)
    {
        ThrowIfBroken();
        Bytes.TryRemove(key, out _);
    }

    public async Task RemoveAsync(string key, CancellationToken token = default)
    {
        await Task.Yield();
        Remove(key);
    }

    public void Set(string key, byte[] value, DistributedCacheEntryOptions options)
    {
        ThrowIfBroken();
        Bytes[key] = value;
        Lives[key] = options;
    }

    public async Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default)
    {
        await Task.Yield();
        Set(key, value, options);
    }

    private void ThrowIfBroken()
    {
        if (IsBroken || CannotWrite)
        {
            throw new InvalidOperationException("broken");
        }
    }
}
