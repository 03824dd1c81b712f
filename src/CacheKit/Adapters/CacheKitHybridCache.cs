using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using CacheKit.Diagnostics;
using CacheKit.Engine;
using CacheKit.Engine.Isolation;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.Logging;

namespace CacheKit.Adapters;

/// <summary>A cache as a <see cref="HybridCache"/>.</summary>
/// <remarks>
/// <para>Keys and tags that this interface answers but does not cache go to the engine under a digest, as calls that store nothing: so they, too, have
/// one factory for all who ask meanwhile.</para>
/// <para>Mutable values are always isolated. A value that nothing can copy is handed to its caller and not cached: then each caller's own factory
/// runs, since they must not share it.</para>
/// </remarks>
internal sealed class CacheKitHybridCache : HybridCache
{
    private const string Everything = "*";
    private const HybridCacheEntryFlags Reads = HybridCacheEntryFlags.DisableLocalCacheRead | HybridCacheEntryFlags.DisableDistributedCacheRead;

    private const HybridCacheEntryFlags Writes = HybridCacheEntryFlags.DisableLocalCacheWrite | HybridCacheEntryFlags.DisableDistributedCacheWrite;

    private readonly ICache _cache;

    // Null if somebody has put another cache in its place.
    private readonly Cache? _engine;
    private readonly HybridCacheEntryOptions? _ownDefaults;
    private readonly CacheEntryOptions _cacheDefaults;
    private readonly int _maximumKeyLength;
    private readonly bool _isCompressionDisabled;
    private readonly HybridSerializers _serializers;
    private readonly ILogger _logger;
    private readonly LogThrottle _keyThrottle, _tagThrottle, _valueThrottle;
    private readonly CacheEntryOptions _defaults;

    // What callers keep in a static field is translated once.
    private readonly ConditionalWeakTable<HybridCacheEntryOptions, CacheEntryOptions> _translated = [];

    internal CacheKitHybridCache(
        ICache cache, CacheKitHybridCacheOptions options, CacheEntryOptions cacheDefaults, HybridSerializers serializers, ILogger logger, TimeProvider time)
    {
        _cache = cache;
        _engine = cache as Cache;
        _ownDefaults = options.DefaultEntryOptions;
        _cacheDefaults = cacheDefaults;
        _maximumKeyLength = options.MaximumKeyLength;
        _isCompressionDisabled = options.DisableCompression;
        _serializers = serializers;
        _logger = GuardedLogger.For(logger);
        _keyThrottle = new(time);
        _tagThrottle = new(time);
        _valueThrottle = new(time);
        _defaults = Translate(null, FlagsOf(null), null);
    }

    public override ValueTask<T> GetOrCreateAsync<TState, T>(
        string key, TState state, Func<TState, CancellationToken, ValueTask<T>> underlyingDataCallback, HybridCacheEntryOptions? options = null,
        IEnumerable<string>? tags = null, CancellationToken cancellationToken = default)
    {
        var flags = FlagsOf(options);
        var isOnlyRead = (flags & HybridCacheEntryFlags.DisableUnderlyingData) != 0;
        if (!isOnlyRead)
        {
            ArgumentNullException.ThrowIfNull(underlyingDataCallback);
        }

        cancellationToken.ThrowIfCancellationRequested();
        var given = ListOf(tags);
        var isCached = CanBeKey(key) & CanBeTags(given);
        if (isCached && TryGetHit<T>(key, TranslateCached(options, flags, null), out var hit))
        {
            return new(hit);
        }

        if (isOnlyRead)
        {
            return isCached ? ReadAsync<T>(key, TranslateCached(options, flags, null), cancellationToken) : default;
        }

        if (key is null)
        {
            return underlyingDataCallback(state, cancellationToken);
        }

        var ownTags = TranslateTags(given);
        var call = new HybridCall<TState, T>(state, underlyingDataCallback, isCached && (flags & Writes) != Writes);
        return isCached
            ? CreateAsync(key, call, options, flags, ownTags, cancellationToken)
            : CreateAsync(
                AdapterKey.DigestOf(key), call, new CacheEntryOptions { Tiers = CacheTiers.None, Isolate = true, Tags = ownTags }, null, cancellationToken);
    }

    public override ValueTask SetAsync<T>(
        string key, T value, HybridCacheEntryOptions? options = null, IEnumerable<string>? tags = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var given = ListOf(tags);
        var isTagged = CanBeTags(given);
        if (!CanBeKey(key))
        {
            return default;
        }

        // What it would replace is out of date in any case.
        return isTagged
            ? StoreAsync(key, value, TranslateCached(options, FlagsOf(options), TranslateTags(given)), cancellationToken)
            : RemoveAsync(key, cancellationToken);
    }

    public override async ValueTask RemoveAsync(string key, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        await _cache.RemoveAsync(KeyFor(key), cancellationToken).ConfigureAwait(false);
    }

    public override async ValueTask RemoveAsync(IEnumerable<string> keys, CancellationToken cancellationToken = default)
    {
        // No keys at all are none, as this interface has it; one that is null among others is a mistake.
        if (keys?.ToList() is { } all)
        {
            var own = all.ConvertAll(key => KeyFor(key ?? throw new ArgumentNullException(nameof(keys), "One of the keys is null.")));
            await _cache.RemoveManyAsync(own, cancellationToken).ConfigureAwait(false);
        }
    }

    public override ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default) =>
        string.IsNullOrWhiteSpace(tag) ? default
        : tag == Everything ? _cache.ClearAsync(cancellationToken)
        : _cache.RemoveByTagAsync(TagFor(tag), cancellationToken);

    public override ValueTask RemoveByTagAsync(IEnumerable<string> tags, CancellationToken cancellationToken = default)
    {
        var named = tags?.Where(static tag => !string.IsNullOrWhiteSpace(tag)).ToList() ?? [];
        return named.Contains(Everything)
            ? _cache.ClearAsync(cancellationToken)
            : _cache.RemoveByTagsAsync(named.Select(TagFor), TagMatch.Any, cancellationToken);
    }

    /// <summary>Gives what is in memory at no cost but that of the look. Whatever is unusual about it is left to the longer way.</summary>
    private bool TryGetHit<T>(string key, CacheEntryOptions options, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        try
        {
            return _engine is not null && _engine.TryGetHit(key, options, default, out value);
        }
        catch (Exception exception) when (exception is CacheTypeMismatchException or CacheSerializationException)
        {
            return false;
        }
    }

    /// <summary>Gets or creates what may be cached.</summary>
    private ValueTask<T> CreateAsync<TState, T>(
        string key, HybridCall<TState, T> call, HybridCacheEntryOptions? options, HybridCacheEntryFlags flags, string[]? tags, CancellationToken cancellationToken) =>
        CreateAsync(key, call, TranslateCached(options, flags, tags), () => Translate(options, flags | Reads, tags), cancellationToken);

    /// <param name="key">The key.</param>
    /// <param name="call">The caller's factory.</param>
    /// <param name="options">How to store the value.</param>
    /// <param name="replacing">How to store it if what is there is of another type; <see langword="null"/> if nothing can be there.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "What is not handled is thrown on.")]
    private async ValueTask<T> CreateAsync<TState, T>(
        string key, HybridCall<TState, T> call, CacheEntryOptions options, Func<CacheEntryOptions>? replacing, CancellationToken cancellationToken)
    {
        try
        {
            return await _cache.GetOrCreateAsync(key, call, HybridCall<TState, T>.Run, options, cancellationToken).ConfigureAwait(false);
        }
        catch (TaskCanceledException exception)
            when (cancellationToken.IsCancellationRequested && exception.CancellationToken == cancellationToken && !call.HasFailed)
        {
            throw new OperationCanceledException(exception.Message, exception, cancellationToken); // no more derived than code for this interface expects
        }
        catch (CacheTypeMismatchException) when (!call.HasFailed)
        {
            // One that replaces the other's value, or, if the other's factory still runs, stores nothing.
            return replacing is null
                ? await call.RunAsync(cancellationToken).ConfigureAwait(false)
                : await CreateAsync(key, call, replacing(), null, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!call.HasFailed && exception is UncopyableValueException or CacheSerializationException)
        {
            ThrowIfOfOwnSerializer<T>(exception);
            if (_valueThrottle.ShouldLog(out var unreported))
            {
                _logger.HybridValueNotCached(_cache.Name, typeof(T), unreported, exception);
            }

            return call.HasValue ? call.Value! : await call.RunAsync(cancellationToken).ConfigureAwait(false); // which may be null, as T allows
        }
    }

    private async ValueTask<T> ReadAsync<T>(string key, CacheEntryOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return (await _cache.GetAsync<T>(key, options, cancellationToken).ConfigureAwait(false)).GetValueOrDefault()!; // default, if T has no other word for nothing
        }
        catch (CacheTypeMismatchException)
        {
            return default!; // as above
        }
    }

    private async ValueTask StoreAsync<T>(string key, T value, CacheEntryOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await _cache.SetAsync(key, value, options, cancellationToken).ConfigureAwait(false);
        }
        catch (CacheSerializationException exception)
        {
            ThrowIfOfOwnSerializer<T>(exception);
            throw;
        }
    }

    /// <summary>Throws what a serializer of the application's has thrown, as it was.</summary>
    private void ThrowIfOfOwnSerializer<T>(Exception exception)
    {
        if (exception is CacheSerializationException { InnerException: { } inner } && _serializers.Find<T>() is not null)
        {
            ExceptionDispatchInfo.Throw(inner);
        }
    }

    private HybridCacheEntryFlags FlagsOf(HybridCacheEntryOptions? options) => options?.Flags ?? _ownDefaults?.Flags ?? HybridCacheEntryFlags.None;

    private CacheEntryOptions TranslateCached(HybridCacheEntryOptions? options, HybridCacheEntryFlags flags, string[]? tags) =>
        tags is not null ? Translate(options, flags, tags)
        : options is null ? _defaults
        : _translated.TryGetValue(options, out var known) ? known
        : _translated.GetValue(options, given => Translate(given, FlagsOf(given), null));

    private CacheEntryOptions Translate(HybridCacheEntryOptions? options, HybridCacheEntryFlags flags, string[]? tags)
    {
        var local = LocalOf(options) ?? LocalOf(_ownDefaults);
        var isLocalOver = local <= TimeSpan.Zero;
        var disabled = Disabled(flags) | (isLocalOver ? CacheTiers.WriteMemory : CacheTiers.None);
        return new()
        {
            Expiration = options?.Expiration ?? _ownDefaults?.Expiration,
            MemoryExpiration = isLocalOver ? null : local,
            Tiers = disabled == CacheTiers.None ? null : (_cacheDefaults.Tiers ?? CacheTiers.All) & ~disabled,
            Compress = _isCompressionDisabled || (flags & HybridCacheEntryFlags.DisableCompression) != 0 ? false : null,
            Isolate = true,
            Tags = tags,
        };

        // An expiration that is said without a local one is that of memory, too, whatever the defaults say of memory.
        static TimeSpan? LocalOf(HybridCacheEntryOptions? given) => given?.LocalCacheExpiration ?? given?.Expiration;
    }

    private static CacheTiers Disabled(HybridCacheEntryFlags flags)
    {
        var disabled = CacheTiers.None;
        Add(HybridCacheEntryFlags.DisableLocalCacheRead, CacheTiers.ReadMemory);
        Add(HybridCacheEntryFlags.DisableLocalCacheWrite, CacheTiers.WriteMemory);
        Add(HybridCacheEntryFlags.DisableDistributedCacheRead, CacheTiers.ReadNear | CacheTiers.ReadFar);
        Add(HybridCacheEntryFlags.DisableDistributedCacheWrite, CacheTiers.WriteNear | CacheTiers.WriteFar);
        return disabled;

        void Add(HybridCacheEntryFlags flag, CacheTiers tiers) => disabled |= (flags & flag) != 0 ? tiers : CacheTiers.None;
    }

    private bool CanBeKey([NotNullWhen(true)] string? key)
    {
        if (WhyNotUsable(key) is not { } reason)
        {
            return true;
        }

        if (_keyThrottle.ShouldLog(out var unreported))
        {
            _logger.HybridKeyNotCached(_cache.Name, reason, unreported);
        }

        return false;
    }

    private bool IsUsable(string text) => WhyNotUsable(text) is null;

    /// <summary>Why a text cannot be cached under, to go on from "a key": never with the key itself. Nothing if it can.</summary>
    private string? WhyNotUsable(string? text) =>
        string.IsNullOrWhiteSpace(text) ? "is empty"
        : text.Length > _maximumKeyLength ? string.Create(CultureInfo.InvariantCulture, $"has {text.Length} characters, and {_maximumKeyLength} are allowed")
        : text.AsSpan().ContainsAnyInRange('\0', '\u001f') ? "has control characters"
        : AdapterKey.IsPossible(text) ? null : "is not well-formed text, or takes more than 65,535 bytes";

    private string KeyFor(string key) => IsUsable(key) ? key : AdapterKey.DigestOf(key);

    private string TagFor(string tag) => IsUsable(tag) ? tag : AdapterKey.DigestOf(tag);

    // What is enumerated anew at every look is looked at once.
    private static IReadOnlyList<string>? ListOf(IEnumerable<string>? tags) => tags as IReadOnlyList<string> ?? tags?.ToList();

    /// <returns>Whether an entry with these tags is cached.</returns>
    /// <exception cref="ArgumentException">A tag is empty, or stands for all.</exception>
    private bool CanBeTags(IReadOnlyList<string>? tags)
    {
        string? reason = null;
        for (var i = 0; i < tags?.Count; i++)
        {
            var tag = tags[i];
            if (string.IsNullOrWhiteSpace(tag))
            {
                throw new ArgumentException("A tag must not be empty.", nameof(tags));
            }

            if (tag == Everything)
            {
                throw new ArgumentException("'*' stands for all entries and is not a tag of one.", nameof(tags));
            }

            reason ??= WhyNotUsable(tag);
        }

        if (reason is not null && _tagThrottle.ShouldLog(out var unreported))
        {
            _logger.HybridTagNotCached(_cache.Name, reason, unreported);
        }

        return reason is null;
    }

    private string[]? TranslateTags(IReadOnlyList<string>? tags) => tags is { Count: > 0 } ? [.. tags.Select(TagFor)] : null;
}
