using System.Runtime.CompilerServices;
using CacheKit.Stores;

namespace CacheKit.Testing.Stores;

/// <summary>
/// A store for tests, with every capability but that of streams, which <see cref="InMemoryStreamStore"/> has, that keeps the rule of stamps to the letter. Several of them on one
/// <see cref="InMemoryStoreState"/> are several nodes that share a server.
/// </summary>
/// <remarks>
/// <para>Every call completes at once. <see cref="FaultyStore"/> has calls fail, hang or come late; <see cref="PlainStore"/> hides the
/// capabilities; <see cref="Feed"/> decides what becomes of messages on their way to this node.</para>
/// <para>It is strict where a real store may be: the payload of a lookup is spoilt when the lookup is disposed, and lookups that never are
/// can be counted (<see cref="InMemoryStoreState.OpenLookups"/>).</para>
/// </remarks>
public sealed class InMemoryStore : IBatchStore, ICounterStore, ILockStore, IInvalidationTransport, IEnumerableStore
{
    private const int MaximumMessageBytes = 64 << 10;

    private readonly InMemoryStoreState _state;
    private readonly StorePartition _partition;
    private readonly TimeProvider _timeProvider;
    private volatile bool _isDisposed;

    /// <summary>Creates a store with a state of its own.</summary>
    /// <param name="timeProvider">The clock by which entries and locks end.</param>
    public InMemoryStore(TimeProvider timeProvider)
        : this(new(), timeProvider)
    {
    }

    /// <summary>Creates a store on a state that others may share.</summary>
    /// <param name="state">What it holds.</param>
    /// <param name="timeProvider">The clock by which entries and locks end.</param>
    /// <param name="cacheName">The name of the cache it serves. Stores of other names see neither its entries nor its messages.</param>
    public InMemoryStore(InMemoryStoreState state, TimeProvider timeProvider, string cacheName = "")
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(timeProvider);
        ArgumentNullException.ThrowIfNull(cacheName);
        _state = state;
        _timeProvider = timeProvider;
        _partition = state.PartitionOf(cacheName);
        _partition.Attach(Feed);
    }

    /// <summary>What logs, metrics and statistics call it. Default: <c>"in-memory"</c>.</summary>
    public string Name { get; init; } = "in-memory";

    /// <summary>What becomes of the messages on their way to this node.</summary>
    public InMemoryFeed Feed { get; } = new();

    private DateTimeOffset Now => _timeProvider.GetUtcNow();

    /// <inheritdoc/>
    public ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Do((Store: this, key, options), static it => it.Store.Read(it.key, it.options), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Do((Store: this, key, entry, condition), static it => it.Store._partition.Write(it.key, it.entry, it.condition, it.Store.Now), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Do((Store: this, key, kind), static it => it.Store._partition.Invalidate(it.key, it.kind, it.Store.Now), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tags);
        ArgumentOutOfRangeException.ThrowIfZero(tags.Count);
        return Do((Store: this, tags, match, kind), static it => it.Store._partition.InvalidateTags(it.tags, it.match, it.kind, it.Store.Now), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<long> ClearAsync(CancellationToken cancellationToken) => Do(this, static store => store._partition.Clear(), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Do(
            (Store: this, key, stamp, expiresAt, retainUntil),
            static it => it.Store._partition.SetExpiration(it.key, it.stamp, it.expiresAt, it.retainUntil, it.Store.Now),
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return Do(
            (Store: this, keys, options),
            static IReadOnlyList<StoreLookup> (it) => [.. it.keys.Select(key => it.Store.Read(key, it.options))],
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(writes);
        return Do(
            (Store: this, writes),
            static IReadOnlyList<StoreWriteResult> (it) =>
                [.. it.writes.Select(write => it.Store._partition.Write(write.Key, write.Entry, write.Condition, it.Store.Now))],
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(
        IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return Do(
            (Store: this, keys, kind),
            static IReadOnlyList<StoreInvalidation> (it) => [.. it.keys.Select(key => it.Store._partition.Invalidate(key, it.kind, it.Store.Now))],
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<StoreCount?> IncrementAsync(string key, StoreCounterStep step, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Do((Store: this, key, step), static it => it.Store._partition.Increment(it.key, it.step, it.Store.Now), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IStoreLock?> TryLockAsync(string key, TimeSpan lease, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(lease, TimeSpan.Zero);
        return Do(
            (Store: this, key, lease),
            static it =>
            {
                var held = new HeldLock(it.Store, it.key);
                return it.Store._partition.TryLock(it.key, held, it.Store.Now, it.lease) ? held : (IStoreLock?)null;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>While the feed is interrupted, the receiver is told of a connection only when it is back.</remarks>
    public ValueTask<IAsyncDisposable> SubscribeAsync(IInvalidationReceiver receiver, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(receiver);
        return Do((Store: this, receiver), static it => it.Store.Feed.Subscribe(it.receiver), cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>Receivers run on the publisher's thread, before the call returns, unless their node's <see cref="Feed"/> keeps the message.</remarks>
    public ValueTask PublishAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, MaximumMessageBytes, nameof(message));
        var published = Do(
            (Store: this, message),
            static it =>
            {
                foreach (var feed in it.Store._partition.Feeds())
                {
                    feed.Accept(it.message.ToArray());
                }

                return true;
            },
            cancellationToken);
        return published.IsCompletedSuccessfully ? default : new(published.AsTask());
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        foreach (var key in await Do((Store: this, prefix), static it => it.Store._partition.Keys(it.prefix, it.Store.Now), cancellationToken).ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return key;
        }
    }

    /// <inheritdoc/>
    public ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken) =>
        Do(this, static store => (long)store._partition.Count, cancellationToken);

    /// <summary>Ends the store, not the state: what was stored stays, and locks stay held until their lease ends.</summary>
    public ValueTask DisposeAsync()
    {
        _isDisposed = true;
        _partition.Detach(Feed);
        return default;
    }

    internal ValueTask<IStoreWriteStream> BeginWriteAsync(string key, CancellationToken cancellationToken) =>
        Do((Store: this, key), static IStoreWriteStream (it) => new InMemoryWriteStream(it.Store, it.key, it.Store._partition.DrawStamp()), cancellationToken);

    internal ValueTask<IStoreReadStream?> OpenReadAsync(string key, CancellationToken cancellationToken) => Do(
        (Store: this, key),
        static IStoreReadStream? (it) => it.Store.Read(it.key, default) is { IsFound: true, Number: null } lookup ? new InMemoryReadStream(lookup) : null,
        cancellationToken);

    internal ValueTask<bool> TakeAsync(long bytes, CancellationToken cancellationToken) =>
        Do((State: _state, bytes), static it => it.bytes <= it.State.MaximumPayloadBytes, cancellationToken);

    internal ValueTask<StoreWriteResult> CompleteAsync(string key, StoreEntry entry, long stamp, CancellationToken cancellationToken) =>
        Do((Store: this, key, entry, stamp), static it => it.Store._partition.Complete(it.key, it.entry, it.stamp, it.Store.Now), cancellationToken);

    private StoreLookup Read(string key, StoreReadOptions options) => _partition.Read(key, options, Now, _state.Lend);

    // As with a store that does its work elsewhere, what goes wrong is in the task.
    private ValueTask<TResult> Do<TArguments, TResult>(TArguments arguments, Func<TArguments, TResult> work, CancellationToken cancellationToken)
    {
        if (_isDisposed)
        {
            return ValueTask.FromException<TResult>(new ObjectDisposedException(nameof(InMemoryStore)));
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<TResult>(cancellationToken);
        }

        return new(work(arguments));
    }

    private sealed class HeldLock(InMemoryStore store, string key) : IStoreLock
    {
        public ValueTask<bool> ExtendAsync(TimeSpan lease, CancellationToken cancellationToken)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(lease, TimeSpan.Zero);
            return store.Do((Lock: this, Store: store, Key: key, lease), static it => it.Store._partition.ExtendLock(it.Key, it.Lock, it.Store.Now, it.lease), cancellationToken);
        }

        public ValueTask DisposeAsync()
        {
            store._partition.ReleaseLock(key, this);
            return default;
        }
    }
}
