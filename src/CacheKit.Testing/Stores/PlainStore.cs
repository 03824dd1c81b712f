using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>Shows of a store only what every store has, so that a cache must do without its capabilities.</summary>
/// <param name="inner">The store that does the work. It is disposed with this one.</param>
public sealed class PlainStore(ICacheStore inner) : ICacheStore
{
    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        inner.ReadAsync(key, options, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        inner.WriteAsync(key, entry, condition, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) =>
        inner.InvalidateAsync(key, kind, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        inner.InvalidateTagsAsync(tags, match, kind, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) => inner.ClearAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        inner.SetExpirationAsync(key, stamp, expiresAt, retainUntil, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
