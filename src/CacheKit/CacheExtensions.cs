using System.Runtime.CompilerServices;
using CacheKit.Engine;

namespace CacheKit;

/// <summary>The calls one usually types: shorter forms of the members of <see cref="ICache"/>, with nothing added.</summary>
/// <remarks>
/// Where CacheKit's own engine is behind the interface they go to it directly, which makes a hit several nanoseconds
/// cheaper than a generic interface call; any other <see cref="ICache"/> is called through its members.
/// </remarks>
public static class CacheExtensions
{
    /// <summary>Looks a key up with options of its own, such as <c>new() { AllowStale = true }</c>.</summary>
    /// <inheritdoc cref="ICache.GetAsync{T}"/>
    [OverloadResolutionPriority(1)]
    public static ValueTask<CacheLookup<T>> GetAsync<T>(
        this ICache cache, string key, CacheEntryOptions? options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return cache.GetAsync<T>(key, options, cancellationToken);
    }

    // The priorities: `new() { … }` in the place of the options means options, not a time; and an asynchronous lambda,
    // which could be either, makes a ValueTask.

    /// <summary>Looks a key up, and tells an absent entry from one whose value is <see langword="null"/>.</summary>
    /// <inheritdoc cref="ICache.GetAsync{T}"/>
    public static ValueTask<CacheLookup<T>> GetAsync<T>(this ICache cache, string key, CancellationToken cancellationToken = default)
    {
        if (cache is Cache engine)
        {
            return engine.TryFindHit<T>(key, null, cancellationToken, out var found)
                ? new(new CacheLookup<T>(Engine.Cache.ValueOf<T>(found)))
                : engine.GetPastHitAsync<T>(found, key, null, cancellationToken);
        }

        ArgumentNullException.ThrowIfNull(cache);
        return cache.GetAsync<T>(key, null, cancellationToken);
    }

    /// <summary>Gets the value under a key, or creates and stores it; one factory runs, however many callers miss.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    [OverloadResolutionPriority(3)]
    public static ValueTask<T> GetOrCreateAsync<T>(
        this ICache cache, string key, Func<CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, factory, Adapted<T>.Plain, options, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it, by a factory that returns a <see cref="Task{TResult}"/>, such as <c>ct => database.LoadAsync(id, ct)</c>.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    [OverloadResolutionPriority(2)]
    public static ValueTask<T> GetOrCreateAsync<T>(
        this ICache cache, string key, Func<CancellationToken, Task<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, factory, Adapted<T>.PlainTask, options, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it, by a factory that has a say in how its value is stored.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    [OverloadResolutionPriority(1)]
    public static ValueTask<T> GetOrCreateAsync<T>(
        this ICache cache, string key, Func<CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, factory, Adapted<T>.WithContext, options, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it, by a factory that has a say in how its value is stored and returns a <see cref="Task{TResult}"/>.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    public static ValueTask<T> GetOrCreateAsync<T>(
        this ICache cache, string key, Func<CacheEntryContext, CancellationToken, Task<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, factory, Adapted<T>.WithContextTask, options, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it for a time.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    [OverloadResolutionPriority(1)]
    public static ValueTask<T> GetOrCreateAsync<T>(
        this ICache cache, string key, Func<CancellationToken, ValueTask<T>> factory, TimeSpan expiration,
        CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, factory, Adapted<T>.Plain, expiration, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it for a time, by a factory that returns a <see cref="Task{TResult}"/>.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    public static ValueTask<T> GetOrCreateAsync<T>(
        this ICache cache, string key, Func<CancellationToken, Task<T>> factory, TimeSpan expiration,
        CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, factory, Adapted<T>.PlainTask, expiration, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it, handing a state to the factory so that it captures nothing.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    [OverloadResolutionPriority(1)]
    public static ValueTask<T> GetOrCreateAsync<TState, T>(
        this ICache cache, string key, TState state, Func<TState, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, new Stateful<TState, Func<TState, CancellationToken, ValueTask<T>>>(state, Required(factory)),
            static (with, _, token) => with.Factory(with.State, token), options, cancellationToken);

    /// <summary>Gets the value under a key, or creates and stores it, by a factory that is handed a state and returns a <see cref="Task{TResult}"/>.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateAsync{TState, T}"/>
    public static ValueTask<T> GetOrCreateAsync<TState, T>(
        this ICache cache, string key, TState state, Func<TState, CancellationToken, Task<T>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default) =>
        GetOrCreate(cache, key, new Stateful<TState, Func<TState, CancellationToken, Task<T>>>(state, Required(factory)),
            static (with, _, token) => new ValueTask<T>(Returned(with.Factory(with.State, token))), options, cancellationToken);

    /// <summary>Gets many values, creating those that are missing with one call of a factory that makes a dictionary of them.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateManyAsync{TState, T}"/>
    [OverloadResolutionPriority(2)]
    public static ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateManyAsync<T>(
        this ICache cache, IEnumerable<string> keys,
        Func<IReadOnlyList<string>, CancellationToken, ValueTask<Dictionary<string, T>>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return cache.GetOrCreateManyAsync(
            keys, Required(factory),
            static async ValueTask<IReadOnlyDictionary<string, T>> (create, batch, token) => await create(batch.Keys, token).ConfigureAwait(false),
            options, cancellationToken);
    }

    /// <summary>Gets many values, creating those that are missing with one call of a factory that returns a <see cref="Task{TResult}"/>.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateManyAsync{TState, T}"/>
    [OverloadResolutionPriority(1)]
    public static ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateManyAsync<T>(
        this ICache cache, IEnumerable<string> keys,
        Func<IReadOnlyList<string>, CancellationToken, Task<Dictionary<string, T>>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return cache.GetOrCreateManyAsync(
            keys, Required(factory),
            static async ValueTask<IReadOnlyDictionary<string, T>> (create, batch, token) => await create(batch.Keys, token).ConfigureAwait(false),
            options, cancellationToken);
    }

    /// <summary>Gets many values, creating those that are missing with one call of the factory.</summary>
    /// <inheritdoc cref="ICache.GetOrCreateManyAsync{TState, T}"/>
    public static ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateManyAsync<T>(
        this ICache cache, IEnumerable<string> keys,
        Func<IReadOnlyList<string>, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(factory);
        return cache.GetOrCreateManyAsync(
            keys, factory, static (create, batch, token) => create(batch.Keys, token), options, cancellationToken);
    }

    /// <summary>Stores a value for a time.</summary>
    /// <inheritdoc cref="ICache.SetAsync{T}"/>
    public static ValueTask SetAsync<T>(
        this ICache cache, string key, T value, TimeSpan expiration, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return cache.SetAsync(key, value, new CacheEntryOptions { Expiration = expiration }, cancellationToken);
    }

    /// <summary>Stores a value for a time if the key is absent or expired.</summary>
    /// <inheritdoc cref="ICache.TryAddAsync{T}"/>
    public static ValueTask<bool> TryAddAsync<T>(
        this ICache cache, string key, T value, TimeSpan expiration, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return cache.TryAddAsync(key, value, new CacheEntryOptions { Expiration = expiration }, cancellationToken);
    }

    /// <summary>Subtracts from a counter, atomically.</summary>
    /// <inheritdoc cref="ICache.IncrementAsync"/>
    /// <exception cref="OverflowException"><paramref name="delta"/> is <see cref="long.MinValue"/>, which cannot be negated.</exception>
    public static ValueTask<long> DecrementAsync(
        this ICache cache, string key, long delta = 1, CacheCounterOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(cache);
        return cache.IncrementAsync(key, checked(-delta), options, cancellationToken);
    }

    private static ValueTask<T> GetOrCreate<TFactory, T>(
        ICache cache, string key, TFactory factory,
        Func<TFactory, CacheEntryContext, CancellationToken, ValueTask<T>> call, CacheEntryOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(factory);
        if (cache is Cache engine)
        {
            return engine.TryFindHit<T>(key, options, cancellationToken, out var found)
                ? new(Engine.Cache.ValueOf<T>(found))
                : engine.GetOrCreatePastHitAsync(found, key, factory, call, options, cancellationToken);
        }

        ArgumentNullException.ThrowIfNull(cache);
        return cache.GetOrCreateAsync(key, factory, call, options, cancellationToken);
    }

    private static ValueTask<T> GetOrCreate<TFactory, T>(
        ICache cache, string key, TFactory factory,
        Func<TFactory, CacheEntryContext, CancellationToken, ValueTask<T>> call, TimeSpan expiration, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(factory);
        if (cache is Cache engine)
        {
            // The options are made past the hit, so that a hit allocates nothing.
            return engine.TryFindHit<T>(key, null, cancellationToken, out var found) ? new(Engine.Cache.ValueOf<T>(found))
                : found is not null && engine.TryGetClosely<T>(found, cancellationToken, out var value) ? new(value)
                : engine.GetOrCreatePastHitAsync(null, key, factory, call, new CacheEntryOptions { Expiration = expiration }, cancellationToken);
        }

        return GetOrCreate(cache, key, factory, call, new CacheEntryOptions { Expiration = expiration }, cancellationToken);
    }

    private static TFactory Required<TFactory>(TFactory factory, [CallerArgumentExpression(nameof(factory))] string? name = null)
    {
        ArgumentNullException.ThrowIfNull(factory, name);
        return factory;
    }

    private static Task<T> Returned<T>(Task<T>? task) => task
        ?? throw new InvalidOperationException("The cache factory returned null instead of a task. A substitute in a test may do that; have it return Task.FromResult.");

    private readonly record struct Stateful<TState, TFactory>(TState State, TFactory Factory);

    /// <summary>The shorter factories, brought into the form of the primitive by delegates that capture nothing.</summary>
    private static class Adapted<T>
    {
        internal static readonly Func<Func<CancellationToken, ValueTask<T>>, CacheEntryContext, CancellationToken, ValueTask<T>> Plain =
            static (factory, _, token) => factory(token);

        internal static readonly Func<Func<CancellationToken, Task<T>>, CacheEntryContext, CancellationToken, ValueTask<T>> PlainTask =
            static (factory, _, token) => new(Returned(factory(token)));

        internal static readonly Func<Func<CacheEntryContext, CancellationToken, ValueTask<T>>, CacheEntryContext, CancellationToken, ValueTask<T>> WithContext =
            static (factory, context, token) => factory(context, token);

        internal static readonly Func<Func<CacheEntryContext, CancellationToken, Task<T>>, CacheEntryContext, CancellationToken, ValueTask<T>> WithContextTask =
            static (factory, context, token) => new(Returned(factory(context, token)));
    }
}
