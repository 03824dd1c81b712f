using System.Buffers;
using Microsoft.Extensions.Caching.Distributed;

namespace CacheKit.Adapters;

/// <summary>A cache as an <see cref="IDistributedCache"/>: for session state, and whatever else was written for that interface.</summary>
/// <remarks>
/// <para>Values are stored as byte arrays, copied on their way in and out, so that nobody holds an array that others read. Any text but
/// <see langword="null"/> is a key, also one that <see cref="ICache"/> does not take. What <see cref="ICache"/> keeps under a key as another
/// type is not found.</para>
/// <para>The synchronous members block past memory, as the interface has it.</para>
/// </remarks>
internal sealed class CacheKitDistributedCache(ICache cache, CacheEntryOptions defaults, TimeProvider time) : IBufferDistributedCache
{
    private static readonly CacheEntryOptions _read = new() { AllowStale = false };

    // As the cache has it, but never stale: this interface knows no such thing.
    private static readonly CacheEntryOptions _inherited = new() { Isolate = false, StaleFor = TimeSpan.Zero };

    public byte[]? Get(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Wait(FindAsync(key, default)) is { } value ? [.. value] : null;
    }

    public Task<byte[]?> GetAsync(string key, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        return CopyAsync(FindAsync(key, token));

        static async Task<byte[]?> CopyAsync(ValueTask<byte[]?> found) => await found.ConfigureAwait(false) is { } value ? [.. value] : null;
    }

    public bool TryGet(string key, IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(destination);
        return Write(Wait(FindAsync(key, default)), destination);
    }

    public ValueTask<bool> TryGetAsync(string key, IBufferWriter<byte> destination, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(destination);
        return WriteAsync(FindAsync(key, token), destination);

        static async ValueTask<bool> WriteAsync(ValueTask<byte[]?> found, IBufferWriter<byte> destination) =>
            Write(await found.ConfigureAwait(false), destination);
    }

    public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => Wait(StartSet(key, value, options, default));

    public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default) =>
        StartSet(key, value, options, token).AsTask();

    public void Set(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options) => Wait(StartSet(key, value, options, default));

    public ValueTask SetAsync(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options, CancellationToken token = default) =>
        StartSet(key, value, options, token);

    public void Refresh(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        Wait(cache.TouchAsync(AdapterKey.For(key)));
    }

    public Task RefreshAsync(string key, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        return cache.TouchAsync(AdapterKey.For(key), token).AsTask();
    }

    public void Remove(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        Wait(cache.RemoveAsync(AdapterKey.For(key)));
    }

    public Task RemoveAsync(string key, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        return cache.RemoveAsync(AdapterKey.For(key), token).AsTask();
    }

    private ValueTask StartSet(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(options);
        return cache.SetAsync(AdapterKey.For(key), (byte[])value.Clone(), Translate(options), token);
    }

    private ValueTask StartSet(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options, CancellationToken token)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(options);
        return cache.SetAsync(AdapterKey.For(key), value.ToArray(), Translate(options), token);
    }

    private ValueTask<byte[]?> FindAsync(string key, CancellationToken token)
    {
        ValueTask<CacheLookup<byte[]>> lookup;
        try
        {
            lookup = cache.GetAsync<byte[]>(AdapterKey.For(key), _read, token);
        }
        catch (CacheTypeMismatchException)
        {
            return default;
        }

        return lookup.IsCompletedSuccessfully ? new(lookup.Result.GetValueOrDefault()) : AwaitAsync(lookup);

        static async ValueTask<byte[]?> AwaitAsync(ValueTask<CacheLookup<byte[]>> lookup)
        {
            try
            {
                return (await lookup.ConfigureAwait(false)).GetValueOrDefault();
            }
            catch (CacheTypeMismatchException)
            {
                return null;
            }
        }
    }

    /// <remarks>
    /// Options that say nothing leave it to the cache. Options that say something say all: a session that lives as long as it is used must not
    /// end by the cache's own expiration.
    /// </remarks>
    private CacheEntryOptions Translate(DistributedCacheEntryOptions options)
    {
        var absolute = AbsoluteOf(options);
        if (absolute is null && options.SlidingExpiration is null)
        {
            return _inherited;
        }

        return new()
        {
            Expiration = absolute ?? TimeSpan.MaxValue,
            SlidingExpiration = options.SlidingExpiration ?? (defaults.SlidingExpiration is null ? null : TimeSpan.MaxValue),
            Jitter = TimeSpan.Zero,
            StaleFor = TimeSpan.Zero,
            Isolate = false,
        };
    }

    /// <summary>The time until the earlier of the two limits there may be.</summary>
    private TimeSpan? AbsoluteOf(DistributedCacheEntryOptions options)
    {
        var relative = options.AbsoluteExpirationRelativeToNow;
        if (options.AbsoluteExpiration is not { } instant)
        {
            return relative;
        }

        var left = instant - time.GetUtcNow();
        if (left <= TimeSpan.Zero)
        {
#pragma warning disable CA2208 // Named as callers know it: what is wrong is that property, not the argument as a whole.
            throw new ArgumentOutOfRangeException(nameof(options.AbsoluteExpiration), instant, "The absolute expiration value must be in the future.");
#pragma warning restore CA2208
        }

        return left < relative ? left : relative ?? left;
    }

    private static bool Write(byte[]? value, IBufferWriter<byte> destination)
    {
        if (value is null)
        {
            return false;
        }

        destination.Write(value);
        return true;
    }

    private static T Wait<T>(ValueTask<T> pending) =>
        pending.IsCompleted ? pending.GetAwaiter().GetResult() : pending.AsTask().GetAwaiter().GetResult();

    private static void Wait(ValueTask pending)
    {
        if (pending.IsCompleted)
        {
            pending.GetAwaiter().GetResult();
        }
        else
        {
            pending.AsTask().GetAwaiter().GetResult();
        }
    }
}
