using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>A store for tests that takes and gives entries part by part, as a disk does, and has no other capability: for code that streams values.</summary>
/// <remarks>It is as strict as an <see cref="InMemoryStore"/>, and can share its state with some: an entry that is opened counts in <see cref="InMemoryStoreState.OpenLookups"/> until it is disposed.</remarks>
public sealed class InMemoryStreamStore : IStreamStore
{
    private readonly InMemoryStore _inner;

    /// <summary>Creates a store with a state of its own.</summary>
    /// <param name="timeProvider">The clock by which entries end.</param>
    public InMemoryStreamStore(TimeProvider timeProvider)
        : this(new(), timeProvider)
    {
    }

    /// <summary>Creates a store on a state that others may share.</summary>
    /// <param name="state">What it holds.</param>
    /// <param name="timeProvider">The clock by which entries end.</param>
    /// <param name="cacheName">The name of the cache it serves. Stores of other names do not see its entries.</param>
    public InMemoryStreamStore(InMemoryStoreState state, TimeProvider timeProvider, string cacheName = "") => _inner = new(state, timeProvider, cacheName);

    /// <summary>What logs, metrics and statistics call it: <c>"in-memory"</c>.</summary>
    public string Name => _inner.Name;

    /// <inheritdoc/>
    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken) => _inner.ReadAsync(key, options, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken) =>
        _inner.WriteAsync(key, entry, condition, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken) => _inner.InvalidateAsync(key, kind, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        _inner.InvalidateTagsAsync(tags, match, kind, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) => _inner.ClearAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken) =>
        _inner.SetExpirationAsync(key, stamp, expiresAt, retainUntil, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IStoreWriteStream> BeginWriteAsync(string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _inner.BeginWriteAsync(key, cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>It has what was there when it was opened. A counter has no bytes, and is a miss.</remarks>
    public ValueTask<IStoreReadStream?> OpenReadAsync(string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _inner.OpenReadAsync(key, cancellationToken);
    }

    /// <summary>Ends the store, not the state.</summary>
    public ValueTask DisposeAsync() => _inner.DisposeAsync();
}
