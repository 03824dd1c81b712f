using System.Diagnostics.CodeAnalysis;
using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>
/// Passes each call on to another store: derive from it to change what one or two of them do. What the other can beyond <see cref="ICacheStore"/> is not passed on,
/// unless the derived class says that it can.
/// </summary>
/// <param name="inner">The store that does the work. It is disposed with this one.</param>
/// <remarks>As safe for concurrent calls as the store behind it.</remarks>
public abstract class DelegatingStore(ICacheStore inner) : ICacheStore
{
    /// <inheritdoc/>
    public virtual string Name => inner.Name;

    /// <inheritdoc/>
    public virtual ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) =>
        inner.ReadAsync(key, options, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        inner.WriteAsync(key, entry, condition, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) =>
        inner.InvalidateAsync(key, kind, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        inner.InvalidateTagsAsync(tags, match, kind, cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<long> ClearAsync(CancellationToken cancellationToken) => inner.ClearAsync(cancellationToken);

    /// <inheritdoc/>
    public virtual ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        inner.SetExpirationAsync(key, stamp, expiresAt, retainUntil, cancellationToken);

    /// <inheritdoc/>
    [SuppressMessage("Usage", "CA1816:Dispose methods should call SuppressFinalize", Justification = "There is nothing to finalize, here or in what derives from it.")]
    public virtual ValueTask DisposeAsync() => inner.DisposeAsync();
}
