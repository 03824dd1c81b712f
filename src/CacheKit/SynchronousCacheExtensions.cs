using System.Runtime.CompilerServices;

namespace CacheKit;

/// <summary>
/// The cache for code that cannot be asynchronous. A hit in memory costs what it costs asynchronously and blocks
/// nothing; past memory, and where another caller's factory is already running, the calling thread waits.
/// </summary>
/// <remarks>
/// There is no second engine behind these: they are the asynchronous calls, waited for. Prefer those where you can: a
/// thread that waits is a thread that the thread pool lacks.
/// </remarks>
public static class SynchronousCacheExtensions
{
    /// <summary>Looks a key up. Never blocks on a cache that has only memory.</summary>
    /// <inheritdoc cref="ICache.GetAsync{T}"/>
    public static CacheLookup<T> Get<T>(this ICache cache, string key)
    {
        if (cache is Engine.Cache engine)
        {
            return engine.TryFindHit<T>(key, null, default, out var found)
                ? new(Engine.Cache.ValueOf<T>(found))
                : Wait(engine.GetPastHitAsync<T>(found, key, null, default));
        }

        return Wait(cache.GetAsync<T>(key));
    }

    /// <summary>
    /// Gets the value under a key, or creates and stores it. Blocks only if another caller is creating it already, or
    /// a <see cref="CacheEntryOptions.HardTimeout"/>, or a <see cref="CacheEntryOptions.SoftTimeout"/> beside a stale value, has moved
    /// the factory to another thread.
    /// </summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    [OverloadResolutionPriority(1)] // so that `new() { … }` means options, not a time
    public static T GetOrCreate<T>(this ICache cache, string key, Func<T> factory, CacheEntryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(cache);
        return cache is Engine.Cache engine && engine.TryGetHit<T>(key, options, default, out var value)
            ? value
            : Wait(cache.GetOrCreateAsync(key, factory, static (create, _, _) => new ValueTask<T>(create()), options));
    }

    /// <summary>Gets the value under a key, or creates and stores it, by a factory that has a say in how its value is stored.</summary>
    /// <inheritdoc cref="GetOrCreate{T}(ICache, string, Func{T}, CacheEntryOptions?)"/>
    public static T GetOrCreate<T>(this ICache cache, string key, Func<CacheEntryContext, T> factory, CacheEntryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(cache);
        return cache is Engine.Cache engine && engine.TryGetHit<T>(key, options, default, out var value)
            ? value
            : Wait(cache.GetOrCreateAsync(key, factory, static (create, context, _) => new ValueTask<T>(create(context)), options));
    }

    /// <summary>Gets the value under a key, or creates it and stores it for a time.</summary>
    /// <inheritdoc cref="GetOrCreate{T}(ICache, string, Func{T}, CacheEntryOptions?)"/>
    public static T GetOrCreate<T>(this ICache cache, string key, Func<T> factory, TimeSpan expiration)
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(cache);
        return cache is Engine.Cache engine && engine.TryGetHit<T>(key, null, default, out var value)
            ? value
            : Wait(cache.GetOrCreateAsync(
                key, factory, static (create, _, _) => new ValueTask<T>(create()), new CacheEntryOptions { Expiration = expiration }));
    }

    /// <summary>Stores a value. Never blocks on a cache that has only memory.</summary>
    /// <inheritdoc cref="ICache.SetAsync{T}"/>
    [OverloadResolutionPriority(1)] // as above
    public static void Set<T>(this ICache cache, string key, T value, CacheEntryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(cache);

        // Called directly, a generic method costs a third of what it does through an interface.
        Wait(cache is Engine.Cache engine ? engine.SetAsync(key, value, options) : cache.SetAsync(key, value, options));
    }

    /// <summary>Stores a value for a time. Never blocks on a cache that has only memory.</summary>
    /// <inheritdoc cref="ICache.SetAsync{T}"/>
    public static void Set<T>(this ICache cache, string key, T value, TimeSpan expiration)
    {
        ArgumentNullException.ThrowIfNull(cache);
        Wait(cache.SetAsync(key, value, expiration));
    }

    /// <summary>Removes an entry for good. Never blocks on a cache that has only memory.</summary>
    /// <inheritdoc cref="ICache.RemoveAsync"/>
    public static bool Remove(this ICache cache, string key)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return Wait(cache.RemoveAsync(key));
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
