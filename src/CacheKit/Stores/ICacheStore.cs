namespace CacheKit.Stores;

/// <summary>A tier that keeps bytes: a disk, a server, yours. What a provider implements; callers use <see cref="ICache"/>.</summary>
/// <remarks>
/// <para>A store knows keys, bytes, stamps, lifetimes and tags. It knows nothing of types, factories, flights or statistics. Further
/// powers are interfaces of their own, which the cache looks for once: <see cref="IBatchStore"/>, <see cref="ICounterStore"/>,
/// <see cref="ILockStore"/>, <see cref="IInvalidationTransport"/>, <see cref="IEnumerableStore"/>, <see cref="IStreamStore"/>.</para>
/// <para><b>Stamps.</b> A store has a clock of its own: 64-bit stamps that only grow. It shows the present one with every read. Every explicit
/// write and every invalidation draws a later one. <em>An entry is live iff no invalidation that covers it has a later stamp than it.</em>
/// A value made by a factory is written under the stamp that the read before it has shown; so it is refused, or dead on arrival, if the
/// key or one of its tags was invalidated meanwhile, however late it comes. Stamps never come from a client's wall clock.</para>
/// <para><b>After a call has returned</b> its effect is seen by every read that begins later, from whatever process. A call that failed or was
/// given up may still take effect, but never after a later write or invalidation of the same key or tag has returned.</para>
/// <para><b>Errors.</b> What the cache should do without is thrown as <see cref="CacheStoreException"/>; any other exception counts as
/// one. Bytes that do not parse are a miss, not an exception. All members are safe for concurrent use. A store keeps its promises whether or
/// not the token is cancelled in the middle of a call.</para>
/// <para>The contract suite of <c>CacheKit.Testing</c> (<c>StoreContract</c>) says the same as tests.</para>
/// </remarks>
public interface ICacheStore : IAsyncDisposable
{
    /// <summary>What logs, metrics and statistics call it: <c>"disk"</c>, <c>"redis"</c>. Short, and always the same.</summary>
    string Name { get; }

    /// <summary>Reads an entry, and in any case the stamp to create a value under.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">What the caller knows already, and what it does not need.</param>
    /// <param name="cancellationToken">Gives the read up.</param>
    /// <returns>
    /// The entry, if it is live and its <see cref="StoreEntry.RetainUntil"/> has not passed; it may be past its
    /// <see cref="StoreEntry.ExpiresAt"/>, which the caller judges. Else a miss. The caller disposes it.
    /// </returns>
    ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken);

    /// <summary>Stores an entry in place of the one under its key, if the condition holds when it is stored.</summary>
    /// <param name="key">The key.</param>
    /// <param name="entry">The entry. Its bytes are valid until the call has ended.</param>
    /// <param name="condition">When to store, and under which stamp.</param>
    /// <param name="cancellationToken">Gives the write up.</param>
    /// <returns>
    /// Whether it was stored, and its stamp. If an unconditional write fails or is declined, nothing older may be left under the key.
    /// </returns>
    ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken);

    /// <summary>Removes or expires the entry under a key, and keeps values made from before from being stored.</summary>
    /// <param name="key">The key. There need not be an entry.</param>
    /// <param name="kind">
    /// Whether the entry goes for good, or stays readable with an <see cref="StoreEntry.ExpiresAt"/> that has passed. A store may treat the
    /// latter as the former.
    /// </param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The stamp of the invalidation, and whether there was a live entry that had not expired.</returns>
    ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken);

    /// <summary>Removes or expires every entry that carries any, or all, of some tags. The cost does not depend on the number of entries.</summary>
    /// <param name="tags">The tags: at least one, without duplicates.</param>
    /// <param name="match">
    /// Whether one of the tags is enough. A store that cannot tell entries with all of them from others may remove more than asked, never less.
    /// </param>
    /// <param name="kind">As for a key.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The stamp of the invalidation.</returns>
    ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken);

    /// <summary>Removes every entry of this store's cache, and no other's. O(1) in effect; space may come back later.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The stamp of the invalidation.</returns>
    ValueTask<long> ClearAsync(CancellationToken cancellationToken);

    /// <summary>Gives an entry other instants of expiry without touching its bytes or its stamp: renews a sliding one, say.</summary>
    /// <param name="key">The key.</param>
    /// <param name="stamp">The stamp of the entry meant, as it was read. Another entry under the key is left as it is.</param>
    /// <param name="expiresAt">See <see cref="StoreEntry.ExpiresAt"/>.</param>
    /// <param name="retainUntil">See <see cref="StoreEntry.RetainUntil"/>.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Whether that entry was there. An entry that is dead, or was made to expire on request since it was read, is not revived.</returns>
    ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken);
}
