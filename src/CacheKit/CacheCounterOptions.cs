namespace CacheKit;

/// <summary>How a counter behaves. Immutable; use the same for every call on one counter.</summary>
public sealed class CacheCounterOptions
{
    private readonly TimeSpan? _expiration;

    /// <summary>What an absent counter starts from, before the delta is added. Default: 0.</summary>
    public long InitialValue { get; init; }

    /// <summary>The least the counter becomes: a result below is raised to it. Default: <see cref="long.MinValue"/>.</summary>
    /// <value>Not above <see cref="Maximum"/>; else the call is an <see cref="ArgumentException"/>.</value>
    public long Minimum { get; init; } = long.MinValue;

    /// <summary>The most the counter becomes: a result above is lowered to it. Default: <see cref="long.MaxValue"/>.</summary>
    public long Maximum { get; init; } = long.MaxValue;

    /// <summary>How long the counter lives from its creation; increments do not extend it. Default: the cache's own.</summary>
    /// <value>Greater than zero.</value>
    public TimeSpan? Expiration
    {
        get => _expiration;
        init
        {
            if (value is { } time)
            {
                ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, nameof(Expiration));
            }

            _expiration = value;
        }
    }

    /// <summary>Tags given to the counter when it is created. Default: none.</summary>
    public IReadOnlyList<string>? Tags { get; init; }
}
