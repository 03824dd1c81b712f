using Microsoft.Extensions.Primitives;

namespace CacheKit;

/// <summary>
/// Handed to a factory: the stale value if there is one, and a say in how the new value is stored. What is set here
/// wins over the options of the call, for this entry only.
/// </summary>
/// <remarks>Valid while its factory runs. Not safe for concurrent use by several threads of one factory.</remarks>
public sealed class CacheEntryContext
{
    private readonly CacheEntryOptions? _options;
    private readonly CacheEntryOptions _defaults;
    private readonly StaleValue? _stale;
    private volatile string[] _tags;
    private volatile bool _hasReadStale;
    private List<IChangeToken>? _tokens;
    private Changes? _changes;

    internal CacheEntryContext(string key, CacheEntryOptions? options, CacheEntryOptions defaults, string[] tags, StaleValue? stale)
    {
        Key = key;
        _options = options;
        _defaults = defaults;
        _tags = tags;
        _stale = stale;
    }

    /// <summary>Reads the value a factory may fall back on, as the type asked for.</summary>
    internal abstract class StaleValue
    {
        internal abstract string[] Tags { get; }

        internal abstract CacheLookup<T> Read<T>();
    }

    /// <summary>The key the value is made for.</summary>
    public string Key { get; }

    /// <summary>How long the value may be served; see <see cref="CacheEntryOptions.Expiration"/>.</summary>
    public TimeSpan? Expiration
    {
        get => _changes?.Expiration ?? _options?.Expiration ?? _defaults.Expiration;
        set => Change().Expiration = value;
    }

    /// <summary>How long the entry lives without being read; see <see cref="CacheEntryOptions.SlidingExpiration"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Zero or less.</exception>
    public TimeSpan? SlidingExpiration
    {
        get => _changes?.SlidingExpiration ?? _options?.SlidingExpiration ?? _defaults.SlidingExpiration;
        set
        {
            if (value is { } window)
            {
                ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(window, TimeSpan.Zero, nameof(SlidingExpiration));
            }

            Change().SlidingExpiration = value;
        }
    }

    /// <summary>How long past its expiration the value may stand in; see <see cref="CacheEntryOptions.StaleFor"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than zero.</exception>
    public TimeSpan? StaleFor
    {
        get => _changes?.StaleFor ?? _options?.StaleFor ?? _defaults.StaleFor;
        set
        {
            if (value is { } time)
            {
                ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero, nameof(StaleFor));
            }

            Change().StaleFor = value;
        }
    }

    /// <summary>What the entry weighs; see <see cref="CacheEntryOptions.Size"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than zero.</exception>
    public long? Size
    {
        get => _changes?.Size ?? _options?.Size ?? _defaults.Size;
        set
        {
            if (value is { } size)
            {
                ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(Size));
            }

            Change().Size = value;
        }
    }

    /// <summary>The tags the entry will carry: those of the options and those added here.</summary>
    public IReadOnlyList<string> Tags => _tags;

    /// <summary>Whether the value will be handed to those who wait but not stored.</summary>
    public bool IsStoringSkipped { get; private set; }

    /// <summary>Whether the factory has left everything but the tags as the options say.</summary>
    internal bool HasChangedNothing => _changes is null && _tokens is null;

    internal string[] TagArray => _tags;

    /// <summary>The tags whose removal covers the value: its own, and those of the stale value once the factory has seen that, since it may return it.</summary>
    internal string[] CoveringTags => _hasReadStale && _stale is not null ? TagSet.Union(_tags, _stale.Tags) : _tags;

    internal IReadOnlyList<IChangeToken>? Tokens
    {
        get
        {
            var inherited = _options?.ExpirationTokens ?? _defaults.ExpirationTokens;
            return _tokens is null ? inherited : inherited is null ? _tokens : [.. inherited, .. _tokens];
        }
    }

    /// <summary>Adds tags. They may depend on the value: a removal by such a tag that came while the factory ran still covers it.</summary>
    /// <param name="tags">The tags; those that are there already do not matter.</param>
    /// <exception cref="ArgumentException">A tag is empty, <c>*</c>, or ill-formed; none is added then.</exception>
    public void AddTags(params IEnumerable<string> tags) => _tags = TagSet.Union(_tags, tags);

    /// <summary>Adds a token that ends the entry when it changes; see <see cref="CacheEntryOptions.ExpirationTokens"/>.</summary>
    /// <param name="token">The token.</param>
    public void AddExpirationToken(IChangeToken token)
    {
        ArgumentNullException.ThrowIfNull(token);
        (_tokens ??= []).Add(token);
    }

    /// <summary>Hands the value to those who wait without storing it; what was stored before stays as it is.</summary>
    public void SkipStoring() => IsStoringSkipped = true;

    /// <summary>The value the new one replaces, if one is still kept: expired, or due for a refresh.</summary>
    /// <typeparam name="T">The type it was stored as, or one it converts to; any other is a miss.</typeparam>
    /// <returns>
    /// A miss if there is none, or it was removed meanwhile. For a source that answers "not modified", return its value: a removal of its tags since the factory began covers that as
    /// well.
    /// </returns>
    public CacheLookup<T> GetStale<T>()
    {
        _hasReadStale = true;
        return _stale is null ? default : _stale.Read<T>();
    }

    private Changes Change() => _changes ??= new();

    /// <summary>What the factory has set instead of what the options say. Most set nothing.</summary>
    private sealed class Changes
    {
        internal TimeSpan? Expiration;
        internal TimeSpan? SlidingExpiration;
        internal TimeSpan? StaleFor;
        internal long? Size;
    }
}
