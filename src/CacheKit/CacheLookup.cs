using System.Diagnostics.CodeAnalysis;

namespace CacheKit;

/// <summary>What a look-up found: a value, which may be <see langword="null"/>, or nothing.</summary>
/// <typeparam name="T">The type asked for.</typeparam>
public readonly struct CacheLookup<T> : IEquatable<CacheLookup<T>>
{
    private readonly T _value;

    /// <summary>A hit. <see langword="default"/> is a miss.</summary>
    /// <param name="value">The value found.</param>
    /// <param name="isStale">Whether it had expired and was served all the same, because the caller allowed it.</param>
    public CacheLookup(T value, bool isStale = false)
    {
        _value = value;
        IsHit = true;
        IsStale = isStale;
    }

    /// <summary>Whether an entry was found.</summary>
    public bool IsHit { get; }

    /// <summary>Whether the value has expired; only ever so if <see cref="CacheEntryOptions.AllowStale"/> was set.</summary>
    public bool IsStale { get; }

    /// <summary>The value found.</summary>
    /// <exception cref="InvalidOperationException">Nothing was found. Ask <see cref="IsHit"/> first.</exception>
    public T Value => IsHit
        ? _value
        : throw new InvalidOperationException("The cache look-up was a miss and has no value. Check IsHit first, or use GetValueOrDefault.");

    /// <summary>The value found, or <paramref name="fallback"/> on a miss.</summary>
    /// <param name="fallback">What to return on a miss. A value found is returned also if it is <see langword="null"/>.</param>
    /// <returns>One of the two.</returns>
    [return: NotNullIfNotNull(nameof(fallback))]
    public T? GetValueOrDefault(T? fallback = default) => IsHit ? _value : fallback;

    /// <summary>Gives the value found; <see langword="false"/> on a miss.</summary>
    /// <param name="value">The value, which may be <see langword="null"/> also on a hit.</param>
    /// <returns><see cref="IsHit"/>.</returns>
    public bool TryGetValue([MaybeNullWhen(false)] out T value)
    {
        value = _value;
        return IsHit;
    }

    /// <inheritdoc/>
    public bool Equals(CacheLookup<T> other) =>
        IsHit == other.IsHit && IsStale == other.IsStale && EqualityComparer<T>.Default.Equals(_value, other._value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CacheLookup<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => IsHit ? HashCode.Combine(_value, IsStale) : 0;

    /// <summary>Whether both found the same value, or both nothing.</summary>
    public static bool operator ==(CacheLookup<T> left, CacheLookup<T> right) => left.Equals(right);

    /// <summary>Whether the two differ.</summary>
    public static bool operator !=(CacheLookup<T> left, CacheLookup<T> right) => !left.Equals(right);

    /// <summary><c>hit</c>, <c>stale</c> or <c>miss</c>; never the value, which may be confidential.</summary>
    public override string ToString() => IsStale ? "stale" : IsHit ? "hit" : "miss";
}
