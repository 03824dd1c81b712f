using CacheKit.Engine;
using Microsoft.Extensions.Primitives;

namespace CacheKit;

/// <summary>How one entry is stored and created. Immutable; share one instance between calls where you can.</summary>
/// <remarks>
/// Everything is optional. What a call leaves unset is inherited, property by property, from the cache's
/// <see cref="CacheKitOptions.DefaultEntryOptions"/>; what is unset there too has the default named below.
/// </remarks>
public sealed class CacheEntryOptions
{
    private readonly TimeSpan? _slidingExpiration, _memoryExpiration, _jitter, _staleFor, _retryAfterFailure, _softTimeout, _hardTimeout;
    private readonly double? _refreshAheadThreshold;
    private readonly long? _size;
    private readonly CacheTiers? _tiers;
    private readonly IChangeToken[]? _expirationTokens;
    private EntrySettings? _settings;

    /// <summary>
    /// How long the value may be served, from the moment it is stored; for a sliding entry, the longest it may live
    /// however often it is read. Default: no limit.
    /// </summary>
    /// <value>
    /// Zero or less stores nothing and removes what was there. <see cref="TimeSpan.MaxValue"/>, and anything that
    /// would pass the end of time, never expires. The entry is absent at and after the instant it expires.
    /// </value>
    public TimeSpan? Expiration { get; init; }

    /// <summary>How long the entry lives without being read; each read renews it, never past <see cref="Expiration"/>. Default: not sliding.</summary>
    /// <value>Greater than zero. An entry may outlive a window of 20 seconds or more by a two-hundredth of it, by a second at most; it never ends early.</value>
    public TimeSpan? SlidingExpiration
    {
        get => _slidingExpiration;
        init => _slidingExpiration = Positive(value);
    }

    /// <summary>
    /// How long memory keeps the value before it asks the stores again; never longer than the entry lives. Default: as long as the
    /// entry lives. Without a store it shortens <see cref="Expiration"/>.
    /// </summary>
    /// <value>Greater than zero.</value>
    public TimeSpan? MemoryExpiration
    {
        get => _memoryExpiration;
        init => _memoryExpiration = Positive(value);
    }

    /// <summary>
    /// The most by which <see cref="Expiration"/> is lengthened at random, so that entries stored together do not all
    /// expire together. Default: none.
    /// </summary>
    /// <value>Zero or more. Never shortens, and is not added to <see cref="StaleFor"/>. Without an <see cref="Expiration"/> it has no effect.</value>
    public TimeSpan? Jitter
    {
        get => _jitter;
        init => _jitter = NotNegative(value);
    }

    /// <summary>Labels to remove the entry by, together with others; they take the place of the cache's default ones. Default: none.</summary>
    /// <value>
    /// Any number, with stores up to 65,535; duplicates do not matter; a tag is not empty, not <c>*</c>, has no lone surrogate, and is at most 65,535 bytes of UTF-8. What is
    /// none is an <see cref="ArgumentException"/> of the call.
    /// </value>
    public IReadOnlyList<string>? Tags { get; init; }

    /// <summary>
    /// What the entry weighs against <see cref="MemoryOptions.MaximumBytes"/>. Default: what the cache's
    /// <see cref="MemoryOptions.SizeOf"/> says, or else an estimate from the value.
    /// </summary>
    /// <value>Zero or more; zero counts as one. Ignored by a cache that is bounded by a number of entries.</value>
    public long? Size
    {
        get => _size;
        init
        {
            if (value is { } size)
            {
                ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(Size));
            }

            _size = value;
        }
    }

    /// <summary>
    /// Fail-safe: how long past its expiration the value is kept to stand in when the factory fails or is slow.
    /// Default: zero, which is off.
    /// </summary>
    /// <value>Zero or more. The entry counts against the cache's bound meanwhile. A removed value never stands in.</value>
    public TimeSpan? StaleFor
    {
        get => _staleFor;
        init => _staleFor = NotNegative(value);
    }

    /// <summary>
    /// After a factory failed and a stale or still valid value stood in, how long to go on serving that before the
    /// factory is tried again. Default: 5 seconds.
    /// </summary>
    /// <value>Zero or more.</value>
    public TimeSpan? RetryAfterFailure
    {
        get => _retryAfterFailure;
        init => _retryAfterFailure = NotNegative(value);
    }

    /// <summary>
    /// Refresh-ahead: the share of its life after which a get-or-create that hits the entry also starts one refresh in
    /// the background, still serving the value it has. Default: off.
    /// </summary>
    /// <value>
    /// Between 0 and 1, exclusive; 0.8 refreshes in the last fifth. An entry without an <see cref="Expiration"/> has no life to take a share of. A refresh that fails is tried
    /// again after <see cref="RetryAfterFailure"/>.
    /// </value>
    public double? RefreshAheadThreshold
    {
        get => _refreshAheadThreshold;
        init
        {
            if (value is { } threshold && !(threshold > 0 && threshold < 1))
            {
                throw new ArgumentOutOfRangeException(nameof(RefreshAheadThreshold), threshold, "The refresh-ahead threshold is a share of the entry's life: greater than 0 and less than 1.");
            }

            _refreshAheadThreshold = value;
        }
    }

    /// <summary>
    /// How long to wait for the factory when there is a stale value to serve instead; it then goes on in the background
    /// and its value is stored. Default: as long as it takes. Without a stale value it has no effect.
    /// </summary>
    /// <value>
    /// Greater than zero, and not more than a <see cref="HardTimeout"/> beside it; <see cref="TimeSpan.MaxValue"/>, and whatever else a timer cannot count (over 49 days), is no limit. One that is longer than the
    /// <see cref="HardTimeout"/> that the cache's defaults give the call, or the call the defaults, has no effect: the factory is given up first. Counts from when this caller begins to wait, and includes looking into the stores; a value that memory holds but would compare with them first counts as a stale one here.
    /// </value>
    /// <exception cref="ArgumentOutOfRangeException">It is out of this range. Thrown by whichever of the two is set last.</exception>
    public TimeSpan? SoftTimeout
    {
        get => _softTimeout;
        init
        {
            _softTimeout = Positive(value);
            CheckTimeouts();
        }
    }

    /// <summary>
    /// The longest a factory may run. Then its token is cancelled, its late result is dropped, and all who wait get the
    /// stale value if one may stand in, else a <see cref="TimeoutException"/>. Default: no limit.
    /// </summary>
    /// <value>
    /// Greater than zero. Counts from when the factory begins, or the wait for another node's that runs the same. Those who join a running factory share the limit of the call that started it. The factory runs on a thread of the
    /// pool, so that the limit holds for one that blocks, too.
    /// </value>
    public TimeSpan? HardTimeout
    {
        get => _hardTimeout;
        init
        {
            _hardTimeout = Positive(value);
            CheckTimeouts();
        }
    }

    /// <summary>Tokens that end the entry, for good, as soon as one of them changes. Such an entry stays in memory: no store could end it. Default: none.</summary>
    /// <exception cref="ArgumentException">One of them is <see langword="null"/>.</exception>
    public IReadOnlyList<IChangeToken>? ExpirationTokens
    {
        get => _expirationTokens;
        init => _expirationTokens = value is null || !value.Contains(null!) // looked for because it must not be there
            ? value?.ToArray()
            : throw new ArgumentException("An expiration token must not be null.", nameof(ExpirationTokens));
    }

    /// <summary>
    /// Whether each caller gets a copy of the value, so that changing it changes nobody else's. Default: what the
    /// cache says for the value's type. Immutable types are never copied.
    /// </summary>
    /// <remarks>Costs a copy when the value is stored and one at every hit: through JSON, unless <see cref="IsolationOptions.CopyWith{T}"/> says otherwise.</remarks>
    public bool? Isolate { get; init; }

    /// <summary>Whether a get may return a value past its expiration that is kept by <see cref="StaleFor"/>. Default: no.</summary>
    public bool? AllowStale { get; init; }

    /// <summary>The tiers to read from and to write to. Default: all that the cache has.</summary>
    /// <value>Of a cache's default options it includes <see cref="CacheTiers.ReadMemory"/>; a cache that is not to read memory has none.</value>
    public CacheTiers? Tiers
    {
        get => _tiers;
        init
        {
            _tiers = value;
            SkipsMemoryRead = value is { } tiers && (tiers & CacheTiers.ReadMemory) == 0;
        }
    }

    /// <summary>What a call with these options comes to, as a cache has worked it out; of several caches that share them, the last.</summary>
    internal EntrySettings? Settings
    {
        get => Volatile.Read(ref _settings);
        set => Volatile.Write(ref _settings, value);
    }

    /// <summary>Whether a call goes past memory. Asked on every hit.</summary>
    internal bool SkipsMemoryRead { get; private init; }

    /// <summary>Whether large values are compressed on their way to a store. Default: <see cref="SerializationOptions.Compress"/> of the cache.</summary>
    /// <remarks>Those below <see cref="SerializationOptions.CompressionThreshold"/>, and those that would hardly get smaller, are not in any case.</remarks>
    public bool? Compress { get; init; }

    /// <summary>Whether a soft timeout could never pass before a hard one. One that is no limit is not meant to.</summary>
    internal static bool IsContradiction(TimeSpan? soft, TimeSpan? hard) => Patience.Of(soft) > hard;

    // Within one set of options alone: what a call inherits is not its mistake.
    private void CheckTimeouts()
    {
        if (IsContradiction(_softTimeout, _hardTimeout))
        {
            throw new ArgumentOutOfRangeException(
                nameof(SoftTimeout), _softTimeout, $"The soft timeout is longer than the hard one, which is {_hardTimeout}: the factory would be given up before. Set SoftTimeout to less, or leave it unset.");
        }
    }

    private static TimeSpan? Positive(TimeSpan? value, [System.Runtime.CompilerServices.CallerMemberName] string? name = null)
    {
        if (value is { } time)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, name);
        }

        return value;
    }

    private static TimeSpan? NotNegative(TimeSpan? value, [System.Runtime.CompilerServices.CallerMemberName] string? name = null)
    {
        if (value is { } time)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero, name);
        }

        return value;
    }
}
