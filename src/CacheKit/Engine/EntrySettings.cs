using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using Microsoft.Extensions.Primitives;

namespace CacheKit.Engine;

/// <summary>How one entry is stored: the options of the call over the defaults of the cache, and the factory's say over both.</summary>
/// <remarks>Never changes. Those of options that are shared between calls are worked out once.</remarks>
internal sealed class EntrySettings
{
    private readonly CacheEntryOptions? _defaults;
    private readonly TimeSpan? _expiration, _slidingExpiration, _staleFor, _jitter;
    private readonly double? _refreshAheadThreshold;

    /// <summary>A life of so many ticks may be measured from the coarse clock: the entry ends a thousandth early at most, unless the process was held up, and its set is a tenth cheaper.</summary>
    private const long LongLife = 1000 * CacheClock.CoarseTicks;

    private EntrySettings(CacheEntryOptions? options, CacheEntryOptions defaults)
    {
        _defaults = defaults;
        _expiration = options?.Expiration ?? defaults.Expiration;
        _slidingExpiration = options?.SlidingExpiration ?? defaults.SlidingExpiration;
        _staleFor = options?.StaleFor ?? defaults.StaleFor;
        _jitter = options?.Jitter ?? defaults.Jitter;
        _refreshAheadThreshold = options?.RefreshAheadThreshold ?? defaults.RefreshAheadThreshold;
        Size = options?.Size ?? defaults.Size;
        Isolate = options?.Isolate ?? defaults.Isolate;
        MemoryExpiration = options?.MemoryExpiration ?? defaults.MemoryExpiration;
        Tiers = CallOptions.TiersOf(options, defaults);
        Compress = options?.Compress ?? defaults.Compress;
        Tokens = options?.ExpirationTokens ?? defaults.ExpirationTokens;
        Tags = TagSet.Create(options?.Tags ?? defaults.Tags);
        NeedsDetails = FindOutWhetherDetailsAreNeeded();
    }

    private EntrySettings(CacheEntryContext context, CacheEntryOptions? options, CacheEntryOptions defaults)
    {
        _expiration = context.Expiration;
        _slidingExpiration = context.SlidingExpiration;
        _staleFor = context.StaleFor;
        _jitter = options?.Jitter ?? defaults.Jitter;
        _refreshAheadThreshold = options?.RefreshAheadThreshold ?? defaults.RefreshAheadThreshold;
        Size = context.Size;
        Isolate = options?.Isolate ?? defaults.Isolate;
        MemoryExpiration = options?.MemoryExpiration ?? defaults.MemoryExpiration;
        Tiers = CallOptions.TiersOf(options, defaults);
        Compress = options?.Compress ?? defaults.Compress;
        Tokens = context.Tokens;
        Tags = context.TagArray;
        NeedsDetails = FindOutWhetherDetailsAreNeeded();
    }

    private EntrySettings(CacheCounterOptions? options, CacheEntryOptions defaults)
    {
        _expiration = options?.Expiration ?? defaults.Expiration;
        Tiers = defaults.Tiers ?? CacheTiers.All;
        Tags = TagSet.Create(options?.Tags ?? defaults.Tags);
        NeedsDetails = FindOutWhetherDetailsAreNeeded();
    }

    /// <summary>The settings of a call with these options.</summary>
    internal static EntrySettings For(CacheEntryOptions? options, CacheEntryOptions defaults)
    {
        var given = options ?? defaults;
        if (given.Settings is { } known && ReferenceEquals(known._defaults, defaults))
        {
            return known;
        }

        var settings = new EntrySettings(options, defaults);
        if ((options?.Tags ?? defaults.Tags) is null or string[] { Length: 0 })
        {
            given.Settings = settings; // a list of tags could change; everything else cannot
        }

        return settings;
    }

    /// <summary>The settings of a counter.</summary>
    internal static EntrySettings For(CacheCounterOptions? options, CacheEntryOptions defaults) => new(options, defaults);

    /// <summary>The settings of a value that a factory has made.</summary>
    internal static EntrySettings For(CacheEntryContext context, CacheEntryOptions? options, CacheEntryOptions defaults) =>
        context.HasChangedNothing && context.TagArray.Length == 0 && For(options, defaults) is { Tags.Length: 0 } common
            ? common
            : new(context, options, defaults);

    internal string[] Tags { get; }

    internal long? Size { get; }

    internal bool? Isolate { get; }

    internal TimeSpan? MemoryExpiration { get; }

    internal CacheTiers Tiers { get; }

    internal bool? Compress { get; }

    /// <summary>Whether stores may hold it: a token ends only what is in this process.</summary>
    internal bool FitsStores => Tokens is null or { Count: 0 };

    internal IReadOnlyList<IChangeToken>? Tokens { get; }

    /// <summary>Whether anything is stored at all: not if its time is over before it begins, or a token has changed already.</summary>
    internal bool IsStored
    {
        get
        {
            if (_expiration <= TimeSpan.Zero)
            {
                return false;
            }

            return Tokens is null || !Tokens.Any(static token => token.HasChanged);
        }
    }

    /// <summary>Whether the entry must be made with room for details.</summary>
    internal bool NeedsDetails { get; }

    private bool FindOutWhetherDetailsAreNeeded() =>
        Tags.Length > 0 || _staleFor > TimeSpan.Zero || _slidingExpiration > TimeSpan.Zero || _refreshAheadThreshold is not null || Tokens is { Count: > 0 };

    /// <summary>Gives an entry that is not published yet its times, tags and tokens.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="clock">The cache's clock.</param>
    /// <param name="hasStores">Whether the entry is to remember what the stores know of it.</param>
    internal void Apply(MemoryEntry entry, CacheClock clock, bool hasStores)
    {
        var isSimple = !hasStores && !NeedsDetails && entry.Details is null;
        var now = isSimple && _expiration is not { Ticks: < LongLife } ? clock.Coarse : clock.Now;
        var expiresAt = long.MaxValue;
        var life = long.MaxValue;
        if (_expiration is { } expiration)
        {
            life = CacheClock.Add(expiration.Ticks, _jitter is { Ticks: > 0 } jitter ? Random.Shared.NextInt64(jitter.Ticks) : 0);
            expiresAt = CacheClock.Add(now, life);
        }

        var staleFor = _staleFor?.Ticks ?? 0;
        var sliding = _slidingExpiration?.Ticks ?? 0;
        var refreshAt = _refreshAheadThreshold is { } share && expiresAt != long.MaxValue
            ? CacheClock.Add(now, (long)(life * share))
            : long.MaxValue;
        if (isSimple)
        {
            entry.FreshUntil = expiresAt == long.MaxValue ? long.MaxValue : expiresAt - MemoryEntry.Margin;
            return;
        }

        var details = entry.Details ??= new EntryDetails(); // a heavy entry has them already
        details.SlidingTicks = sliding;
        details.ExpiresAt = sliding == 0 ? expiresAt : Math.Min(expiresAt, CacheClock.Add(now, sliding));
        details.SlidingLimit = expiresAt;
        details.StaleForTicks = staleFor;
        details.RefreshAt = refreshAt;
        details.Tags = Tags;
        details.Tokens = Tokens;
        details.HasPolledTokens = Tokens is { Count: > 0 };
        details.IsOfMemoryAlone = !FitsStores || (Tiers & (CacheTiers.WriteNear | CacheTiers.WriteFar)) == 0;
        details.StoreRenewalAt = hasStores && sliding > 0 ? StoreRenewal.NextRenewal(now, sliding) : long.MaxValue;
        entry.FreshUntil = details.FreshUntil();
    }
}
