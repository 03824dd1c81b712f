namespace CacheKit;

/// <summary>
/// A cache of typed values under string keys: what was removed stays removed, one factory runs per missing key, and
/// the semantics are the same whatever tiers stand behind it.
/// </summary>
/// <remarks>
/// <para>All members are safe for concurrent use. A key is compared ordinally; a null key is an
/// <see cref="ArgumentNullException"/>; an empty key, one with a lone surrogate, or one of more than 65,535 UTF-8
/// bytes is an <see cref="ArgumentException"/>. After disposal every member but
/// <see cref="Name"/> throws <see cref="ObjectDisposedException"/>.</para>
/// <para>After a removal (<see cref="RemoveAsync"/>, <see cref="RemoveByTagAsync"/>, <see cref="ClearAsync"/>) or a
/// <see cref="SetAsync{T}"/> has returned, no later call gets an older value, also while factories that began before
/// it are still running: their late result goes to those who already waited, and is not stored.</para>
/// <para>The members here are the primitives, in their most general form. The overloads one usually types are the
/// extension methods of <see cref="CacheExtensions"/>, and for code that cannot be asynchronous
/// <see cref="SynchronousCacheExtensions"/>.</para>
/// <para>Cancellation ends the wait of the caller who asked for it and nobody else's; a token that is already
/// cancelled throws before anything is done. A change that has begun is finished whatever becomes of its caller's token.</para>
/// <para>What a store cannot do is no caller's exception: a read without an answer is a miss in that store; a change without one holds in this process at
/// once, and is sent to the store when it answers again. What cannot be written for a store is one, a <see cref="CacheSerializationException"/>.</para>
/// </remarks>
public interface ICache
{
    /// <summary>The name the cache was registered under; <c>"default"</c> for the unnamed one.</summary>
    string Name { get; }

    /// <summary>Looks a key up, and tells an absent entry from one whose value is <see langword="null"/>.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">
    /// Of these <see cref="CacheEntryOptions.AllowStale"/> and <see cref="CacheEntryOptions.Tiers"/> matter to a read; <see cref="CacheEntryOptions.MemoryExpiration"/>,
    /// <see cref="CacheEntryOptions.Isolate"/> and <see cref="CacheEntryOptions.Size"/> to how memory keeps what it brings from a store. <see langword="null"/>: the cache's defaults.
    /// </param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <typeparam name="T">The type the value was stored as, or one it converts to (see remarks).</typeparam>
    /// <returns>The value, or a miss. Never a value that has expired, unless stale ones were asked for.</returns>
    /// <exception cref="CacheTypeMismatchException">
    /// The entry holds a value of another type; a miss instead if <see cref="CacheKitOptions.TypeMismatch"/> says so.
    /// </exception>
    /// <remarks>
    /// A value is found as any type it is assignable to, as <see cref="Nullable{T}"/> of its type, and between the
    /// built-in integer types as long as it fits (else <see cref="OverflowException"/>).
    /// </remarks>
    ValueTask<CacheLookup<T>> GetAsync<T>(string key, CacheEntryOptions? options, CancellationToken cancellationToken);

    /// <summary>
    /// Gets the value under a key, or creates and stores it. However many callers miss the same key at once, one
    /// factory runs and all get its value.
    /// </summary>
    /// <param name="key">The key.</param>
    /// <param name="state">Handed to the factory, so that it can be a static lambda that captures nothing.</param>
    /// <param name="factory">
    /// Makes the value. It runs on the calling thread up to its first <see langword="await"/>, with the caller's
    /// <see cref="ExecutionContext"/>, under no lock; on a thread of the pool if a time limit must hold for it. Its token is cancelled when the last caller who waits has gone.
    /// </param>
    /// <param name="options">How to store the value. What is unset comes from the cache's defaults, one by one.</param>
    /// <param name="cancellationToken">Ends this caller's wait; others go on waiting and the factory goes on running.</param>
    /// <returns>The value; completed, without an allocation, on a hit in memory.</returns>
    /// <exception cref="CacheTypeMismatchException">The entry holds a value of another type.</exception>
    /// <exception cref="TimeoutException">
    /// The factory took longer than <see cref="CacheEntryOptions.HardTimeout"/> and no stale value may stand in.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The factory asked, directly or through others, for its own key; or its value is to be isolated, and no copy can be made of it.
    /// </exception>
    /// <exception cref="CacheSerializationException">The factory's value cannot be written for a store of the cache.</exception>
    /// <remarks>
    /// An exception of the factory reaches every waiter as it is and is not cached. Calls with other <see cref="CacheEntryOptions.Tiers"/> do not share a factory.
    /// </remarks>
    ValueTask<T> GetOrCreateAsync<TState, T>(
        string key,
        TState state,
        Func<TState, CacheEntryContext, CancellationToken, ValueTask<T>> factory,
        CacheEntryOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Stores a value, in place of whatever was there.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; may be <see langword="null"/>.</param>
    /// <param name="options">How to store it. What is unset comes from the cache's defaults, one by one.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <exception cref="ArgumentException">One of the tags is empty, <c>*</c>, or ill-formed.</exception>
    /// <exception cref="InvalidOperationException">It is to be isolated, and no copy can be made of it.</exception>
    /// <exception cref="CacheSerializationException">It cannot be written for a store of the cache; what was there is left as it was.</exception>
    /// <remarks>
    /// Of several at once the last one to reach the cache's last store wins, in every tier. One call of that store, one of each nearer one, and a message to the other nodes. An <see cref="CacheEntryOptions.Expiration"/> of zero or less stores nothing and removes what was there. So does
    /// a value too heavy for the whole cache; and a full cache bounded by bytes may decline one that would displace many
    /// which are asked for more often.
    /// </remarks>
    ValueTask SetAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Stores what a stream gives, in place of whatever was there, without ever holding more than some hundred kilobytes of it: a value of bytes, in the store that takes such
    /// values part by part (<c>UseDisk</c>), and not in memory.
    /// </summary>
    /// <param name="key">The key.</param>
    /// <param name="source">Read from where it is to its end, once, and not disposed.</param>
    /// <param name="options">How to store it, as for <see cref="SetAsync{T}"/>. Its life begins when all of it is there.</param>
    /// <param name="cancellationToken">Ends the call before all of it is there.</param>
    /// <returns>
    /// <see langword="true"/> if it is stored. <see langword="false"/> if it is not: the key was removed or set, or one of the tags removed, after the call began, which counts as later;
    /// the <see cref="CacheEntryOptions.Expiration"/> is zero or less; the value is too large for the store (of the disk about a ninth of its bytes, and at most 2 GiB), which is logged; or the store
    /// has no room or fails, which is logged, too. Nothing older is left in any case: the next caller finds what is newer, or a miss.
    /// </returns>
    /// <exception cref="NotSupportedException">
    /// No tier to be written takes values part by part; or values are encrypted, or <c>byte[]</c> has a serializer of its own: both need the whole of it. Nothing has been read then.
    /// </exception>
    /// <remarks>
    /// <para>What was there is read until the new value is complete, if that store is the cache's last one; else it is removed at the beginning. What the source throws comes
    /// out as it is; then, and after a cancellation, nothing of the new value can be read, and what was there is as it was.</para>
    /// <para>The value is not compressed. It can be read with <see cref="OpenReadAsync"/>, and as a <c>byte[]</c>.</para>
    /// </remarks>
    ValueTask<bool> SetStreamAsync(string key, Stream source, CacheEntryOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Opens a value of bytes to read it part by part, however it was stored.</summary>
    /// <param name="key">The key.</param>
    /// <param name="options">As for <see cref="GetAsync{T}"/>.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns>
    /// A stream to read and seek in, from the beginning, which the caller disposes; <see langword="null"/> if there is none. From a store that gives values part by part
    /// it holds about a megabyte at a time, and memory does not keep what it reads. Any other value is read whole first, as a <c>byte[]</c>.
    /// </returns>
    /// <exception cref="CacheTypeMismatchException">The entry holds a value of another type than <c>byte[]</c>.</exception>
    /// <remarks>
    /// The stream is for one reader at a time. It gives the value that was there when it was opened, whatever happens to the key meanwhile: every byte is checked before it is given. If the store
    /// has given up the rest of it to make room, or it is damaged, reading on is an <see cref="IOException"/>; the bytes of two values are never mixed.
    /// </remarks>
    ValueTask<Stream?> OpenReadAsync(string key, CacheEntryOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Stores a value if the key is absent or expired.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; may be <see langword="null"/>.</param>
    /// <param name="options">How to store it, as for <see cref="SetAsync{T}"/>.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <returns>
    /// <see langword="true"/> for the one caller whose value was stored; an existing entry is not touched. While the last store cannot be reached, more than one
    /// may succeed.
    /// </returns>
    /// <exception cref="CacheSerializationException">The value cannot be written for a store of the cache.</exception>
    ValueTask<bool> TryAddAsync<T>(string key, T value, CacheEntryOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Removes an entry for good: it is not served again, not even as a stale value.</summary>
    /// <param name="key">The key. There need not be an entry.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <returns><see langword="true"/> if there was an unexpired entry.</returns>
    ValueTask<bool> RemoveAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Removes every entry that carries a tag. O(1): no scan, whatever the number of entries.</summary>
    /// <param name="tag">The tag. No entry need carry it.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <exception cref="ArgumentException">The tag is empty or ill-formed.</exception>
    ValueTask RemoveByTagAsync(string tag, CancellationToken cancellationToken = default);

    /// <summary>Removes every entry that carries any, or all, of several tags. O(number of tags).</summary>
    /// <param name="tags">The tags; none removes nothing.</param>
    /// <param name="match">Whether one of the tags is enough. A store that cannot tell entries with all of them from others may remove more than asked, never less.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <exception cref="ArgumentException">A tag is empty, <c>*</c>, or ill-formed; nothing is removed then.</exception>
    ValueTask RemoveByTagsAsync(IEnumerable<string> tags, TagMatch match = TagMatch.Any, CancellationToken cancellationToken = default);

    /// <summary>Removes every entry of this cache, and of no other.</summary>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <remarks>Effective at once; giving back the memory costs O(entries), on the calling thread.</remarks>
    ValueTask ClearAsync(CancellationToken cancellationToken = default);

    /// <summary>Tells whether an unexpired entry is there, without counting a hit or renewing a sliding expiration.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns><see langword="true"/> if there is one, in whatever tier, of whatever type.</returns>
    ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes an entry stale at once: the next caller creates it anew, and if that fails the stale value may stand in
    /// for as long as <see cref="CacheEntryOptions.StaleFor"/> allowed.
    /// </summary>
    /// <param name="key">The key. There need not be an entry.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <returns><see langword="true"/> if there was an unexpired entry.</returns>
    /// <remarks>
    /// An entry stored without <see cref="CacheEntryOptions.StaleFor"/> is simply gone; so is one in a store that cannot keep what has expired.
    /// </remarks>
    ValueTask<bool> ExpireAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Makes every entry that carries a tag stale at once, as <see cref="ExpireAsync"/> does for a key. O(1).</summary>
    /// <param name="tag">The tag. No entry need carry it.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <exception cref="ArgumentException">The tag is empty, <c>*</c>, or ill-formed.</exception>
    ValueTask ExpireByTagAsync(string tag, CancellationToken cancellationToken = default);

    /// <summary>Looks many keys up.</summary>
    /// <param name="keys">The keys; duplicates count once. All are checked before any is looked up.</param>
    /// <param name="options">As for <see cref="GetAsync{T}"/>.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns>A lookup for every distinct key asked for, misses included.</returns>
    /// <exception cref="CacheTypeMismatchException">An entry holds a value of another type.</exception>
    /// <remarks>One round trip to each store that can read many at once; else one for each key, side by side.</remarks>
    ValueTask<IReadOnlyDictionary<string, CacheLookup<T>>> GetManyAsync<T>(
        IEnumerable<string> keys, CacheEntryOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Gets many values, creating those that are missing with one call of the factory.</summary>
    /// <param name="keys">The keys; duplicates count once.</param>
    /// <param name="state">Handed to the factory.</param>
    /// <param name="factory">
    /// Called at most once per attempt with just the missing keys that no other caller is creating already. It may
    /// leave keys out: they are absent from the result. What it returns beyond those keys is ignored: of a key that was not
    /// asked for, nobody could tell a removal that came meanwhile.
    /// </param>
    /// <param name="options">How to store the values.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns>The values found or created, by key.</returns>
    /// <exception cref="CacheTypeMismatchException">An entry holds a value of another type.</exception>
    /// <exception cref="TimeoutException">As for <see cref="GetOrCreateAsync{TState, T}"/>.</exception>
    /// <exception cref="CacheSerializationException">A value that was asked for cannot be written for a store of the cache.</exception>
    /// <remarks>An exception of the factory reaches all who wait for one of its keys, unless a stale value may stand in for that key.</remarks>
    ValueTask<IReadOnlyDictionary<string, T>> GetOrCreateManyAsync<TState, T>(
        IEnumerable<string> keys,
        TState state,
        Func<TState, CacheBatchContext, CancellationToken, ValueTask<IReadOnlyDictionary<string, T>>> factory,
        CacheEntryOptions? options = null,
        CancellationToken cancellationToken = default);

    /// <summary>Stores many values. Each entry is replaced atomically; the whole is not a transaction.</summary>
    /// <param name="items">Keys and values; of two with one key the later counts. All keys are checked before anything is stored.</param>
    /// <param name="options">How to store them all.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <returns>How many distinct keys were stored; 0 if the expiration is zero or less, which removes them all.</returns>
    ValueTask<int> SetManyAsync<T>(
        IEnumerable<KeyValuePair<string, T>> items, CacheEntryOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Removes many entries.</summary>
    /// <param name="keys">The keys; duplicates count once. All are checked before any is removed.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <returns>How many of the distinct keys had an unexpired entry.</returns>
    ValueTask<int> RemoveManyAsync(IEnumerable<string> keys, CancellationToken cancellationToken = default);

    /// <summary>Lists the keys of unexpired entries that begin with a prefix, each once, in no order.</summary>
    /// <param name="prefix">The literal beginning, compared ordinally; empty for all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <returns>The keys. What is there throughout is listed; what comes or goes meanwhile may be. A store that cannot be reached lists nothing.</returns>
    /// <exception cref="NotSupportedException">The cache's last store cannot list its keys.</exception>
    /// <remarks>Goes through all that every tier holds: for diagnostics and upkeep. To find entries again that belong together, give them a tag.</remarks>
    IAsyncEnumerable<string> GetKeysAsync(string prefix = "", CancellationToken cancellationToken = default);

    /// <summary>Removes every entry whose key begins with a prefix.</summary>
    /// <param name="prefix">The literal beginning, compared ordinally; empty for all.</param>
    /// <param name="cancellationToken">Ends the call; what it has not come to is left.</param>
    /// <returns>How many unexpired entries were removed.</returns>
    /// <exception cref="NotSupportedException">The cache's last store cannot list its keys.</exception>
    /// <remarks>
    /// Covers what every tier holds and what is being created in this process when it is called. Not what another node is creating at that moment, nor what a store
    /// holds that cannot be reached, which is logged and not made up for later; and it costs a walk through everything: removing by a tag has neither limit, and is O(1).
    /// </remarks>
    ValueTask<int> RemoveByPrefixAsync(string prefix, CancellationToken cancellationToken = default);

    /// <summary>Reads how long an entry still has to live. Renews nothing, and counts as no look-up.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns>
    /// The time left; <see cref="TimeSpan.MaxValue"/> if it never expires; <see langword="null"/> if there is no
    /// unexpired entry. For a sliding entry, what is left unless it is read.
    /// </returns>
    ValueTask<TimeSpan?> GetTimeToLiveAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Gives an entry a new time to live, counted from now; it replaces a sliding expiration and ends refresh-ahead.</summary>
    /// <param name="key">The key.</param>
    /// <param name="timeToLive">The time; see remarks for its ends.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns><see langword="true"/> if there was an unexpired entry; an absent or expired one is never revived.</returns>
    /// <remarks>Zero or less removes the entry; <see cref="TimeSpan.MaxValue"/> makes it never expire.</remarks>
    ValueTask<bool> SetTimeToLiveAsync(string key, TimeSpan timeToLive, CancellationToken cancellationToken = default);

    /// <summary>Renews a sliding expiration without reading the value. Does nothing to other entries.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns><see langword="true"/> if there was an unexpired entry.</returns>
    ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Adds to a counter, atomically: concurrent calls lose nothing.</summary>
    /// <param name="key">The key. An absent counter is created at its initial value first.</param>
    /// <param name="delta">What to add; negative to subtract, 0 to read or create.</param>
    /// <param name="options">Initial value, bounds, lifetime and tags. The lifetime counts from creation and is not extended.</param>
    /// <param name="cancellationToken">Checked before anything is done.</param>
    /// <returns>The new value, kept within the bounds.</returns>
    /// <exception cref="CacheTypeMismatchException">The entry is not an integer; it is left as it is.</exception>
    /// <exception cref="OverflowException">The entry is an integer too large for a <see cref="long"/>; it is left as it is.</exception>
    /// <exception cref="ArgumentException">The options' minimum is above their maximum.</exception>
    /// <remarks>
    /// A counter is an entry of type <see cref="long"/>: it can be read, set, tagged and removed as such. Its number is known to the last tier alone; while that cannot
    /// be reached, each process counts on in its own memory, and that is forgotten when it answers.
    /// </remarks>
    ValueTask<long> IncrementAsync(string key, long delta = 1, CacheCounterOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Tells what the cache knows of a key: in which tiers it is, how long it has to live, why it is not there any more.</summary>
    /// <param name="key">The key.</param>
    /// <param name="cancellationToken">Ends this caller's wait.</param>
    /// <returns>What each tier has under the key at this moment.</returns>
    /// <remarks>For people and diagnostics: it asks every tier, and changes nothing.</remarks>
    ValueTask<CacheExplanation> ExplainAsync(string key, CancellationToken cancellationToken = default);

    /// <summary>Takes a snapshot of what the cache has done since it was created. Cost: microseconds, no lock on the hit path.</summary>
    /// <returns>The numbers as of now; they do not change any more.</returns>
    CacheStatistics GetStatistics();
}
