using System.Runtime.CompilerServices;
using CacheKit.Engine.Recovery;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>One store of a cache: what it may hold, how it is asked, and what it still has to be told.</summary>
internal sealed class StoreTier(StoreGuard guard, RecoveryQueue recovery, CacheStoreOptions options, StoreTime time, bool isFar)
{
    /// <summary>So many keys go to a store in one call at most: more would take longer than what a call may.</summary>
    internal const int MaximumBatch = 256;

    private long _lastStamp;
    private long _trustedSince;
    private long _trustMark = long.MaxValue;

    internal StoreGuard Guard => guard;

    internal ICacheStore Store => guard.Store;

    internal string Name => guard.Store.Name;

    internal RecoveryQueue Recovery => recovery;

    internal CacheStoreOptions Options => options;

    internal StoreTime Time => time;

    /// <summary>Whether it is the last one, the authority.</summary>
    internal bool IsFar => isFar;

    /// <summary>The greatest stamp the store has shown.</summary>
    internal long LastStamp => Volatile.Read(ref _lastStamp);

    /// <summary>
    /// For a near store: what has an earlier stamp than this may have been invalidated at the last one while nobody here was told.
    /// </summary>
    internal long TrustedSince
    {
        get => Volatile.Read(ref _trustedSince);
        set => Volatile.Write(ref _trustedSince, value);
    }

    /// <summary>For a near store: the last such stamp, which stays while nothing there is trusted; none at first.</summary>
    internal long TrustMark
    {
        get => Volatile.Read(ref _trustMark);
        set => Volatile.Write(ref _trustMark, value);
    }

    internal bool Reads(CacheTiers tiers) => (tiers & (isFar ? CacheTiers.ReadFar : CacheTiers.ReadNear)) != 0;

    internal bool Writes(CacheTiers tiers) => (tiers & (isFar ? CacheTiers.WriteFar : CacheTiers.WriteNear)) != 0;

    /// <summary>The most bytes that an entry which comes part by part may have.</summary>
    internal long MaximumStreamBytes { get; } = guard.Store is IBoundedStore bounded ? bounded.MaximumEntryBytes : long.MaxValue;

    /// <summary>The most bytes that an entry may have.</summary>
    internal long MaximumEntryBytes => Math.Min(options.MaximumEntryBytes, MaximumStreamBytes);

    /// <summary>Whether an entry of that many bytes belongs here.</summary>
    internal bool Takes(int bytes) => bytes >= options.MinimumEntryBytes && bytes <= MaximumEntryBytes;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<StoreAnswer<StoreLookup>> ReadAsync(
        string key, StoreReadOptions read, CancellationToken cancellationToken, StoreOperation countedAs = StoreOperation.Read)
    {
        var answer = await guard.ReadAsync(key, read, cancellationToken, countedAs).ConfigureAwait(false);
        if (answer.TryGet(out var lookup))
        {
            Note(Math.Max(lookup.LoadStamp, lookup.Stamp));
        }

        return answer;
    }

    /// <summary>Reads many keys: some hundred at once if the store can, else side by side.</summary>
    internal async ValueTask<StoreAnswer<StoreLookup>[]> ReadManyAsync(
        List<string> keys, StoreReadOptions read, CancellationToken cancellationToken, StoreOperation countedAs = StoreOperation.Read)
    {
        if (keys.Count <= MaximumBatch)
        {
            return await ReadBatchAsync(keys, read, countedAs, cancellationToken).ConfigureAwait(false);
        }

        var answers = new List<StoreAnswer<StoreLookup>>(keys.Count);
        try
        {
            foreach (var chunk in keys.Chunk(MaximumBatch))
            {
                answers.AddRange(await ReadBatchAsync([.. chunk], read, countedAs, cancellationToken).ConfigureAwait(false));
            }
        }
        catch
        {
            DisposeAll(answers);
            throw;
        }

        return [.. answers];
    }

    private async ValueTask<StoreAnswer<StoreLookup>[]> ReadBatchAsync(
        List<string> keys, StoreReadOptions read, StoreOperation countedAs, CancellationToken cancellationToken)
    {
        if (guard.Store is not IBatchStore)
        {
            var reads = keys.ConvertAll(key => ReadAsync(key, read, cancellationToken, countedAs).AsTask());
            try
            {
                return await Task.WhenAll(reads).ConfigureAwait(false);
            }
            catch
            {
                DisposeAll(reads.Where(static one => one.IsCompletedSuccessfully).Select(static one => one.Result)); // all have ended
                throw;
            }
        }

        var lookups = await RunBatchAsync(
            countedAs, keys, (keys, read), static (store, call, token) => store.ReadManyAsync(call.keys, call.read, token), cancellationToken).ConfigureAwait(false);
        if (lookups is null)
        {
            return new StoreAnswer<StoreLookup>[keys.Count];
        }

        foreach (var lookup in lookups)
        {
            Note(Math.Max(lookup.LoadStamp, lookup.Stamp));
        }

        return [.. lookups.Select(StoreAnswer<StoreLookup>.Of)];
    }

    /// <summary>Has a store that takes batches do something with many keys in one call.</summary>
    /// <returns>What became of each; nothing without an answer, or with one that is not of so many.</returns>
    private async ValueTask<IReadOnlyList<TResult>?> RunBatchAsync<TState, TResult>(
        StoreOperation operation, List<string> keys, TState state, Func<IBatchStore, TState, CancellationToken, ValueTask<IReadOnlyList<TResult>>> call,
        CancellationToken cancellationToken)
    {
        var answer = await guard.RunAsync(
            operation, keys, (state, call), static (store, it, token) => it.call((IBatchStore)store, it.state, token), cancellationToken).ConfigureAwait(false); // as its callers have seen
        if (!answer.TryGet(out var results) || results?.Count == keys.Count)
        {
            return results;
        }

        DisposeAll((results as IReadOnlyList<StoreLookup>)?.Select(StoreAnswer<StoreLookup>.Of) ?? []);
        return null;
    }

    private static void DisposeAll(IEnumerable<StoreAnswer<StoreLookup>> answers)
    {
        foreach (var answer in answers)
        {
            if (answer.TryGet(out var lookup))
            {
                lookup.Dispose();
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<StoreAnswer<StoreWriteResult>> WriteAsync(
        string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken = default)
    {
        var answer = await guard.WriteAsync(key, entry, condition, cancellationToken).ConfigureAwait(false);
        Note(answer);
        return answer;
    }

    internal void Note(in StoreAnswer<StoreWriteResult> answer)
    {
        if (answer.TryGet(out var result))
        {
            Note(result.Stamp);
        }
    }

    /// <summary>Writes many entries: at once if the store can, else side by side.</summary>
    internal async ValueTask<StoreAnswer<StoreWriteResult>[]> WriteManyAsync(List<StoreWrite> writes)
    {
        if (guard.Store is not IBatchStore || writes.Count == 1)
        {
            return await Task.WhenAll(writes.ConvertAll(write => WriteAsync(write.Key, write.Entry, write.Condition).AsTask())).ConfigureAwait(false);
        }

        var results = await RunBatchAsync(
            StoreOperation.Write, writes.ConvertAll(static write => write.Key), writes, static (store, writes, token) => store.WriteManyAsync(writes, token), default)
            .ConfigureAwait(false);
        if (results is null)
        {
            return new StoreAnswer<StoreWriteResult>[writes.Count];
        }

        foreach (var result in results)
        {
            Note(result.Stamp);
        }

        return [.. results.Select(StoreAnswer<StoreWriteResult>.Of)];
    }

    /// <summary>Removes many keys, as <see cref="InvalidateAsync"/> does one: some hundred at once if the store can.</summary>
    internal async ValueTask<StoreInvalidation?[]> RemoveManyAsync(List<string> keys)
    {
        var removed = new List<StoreInvalidation?>(keys.Count);
        foreach (var chunk in keys.Chunk(MaximumBatch))
        {
            removed.AddRange(await RemoveBatchAsync([.. chunk]).ConfigureAwait(false));
        }

        return [.. removed];
    }

    private async ValueTask<StoreInvalidation?[]> RemoveBatchAsync(List<string> keys)
    {
        if (guard.Store is not IBatchStore || keys.Count == 1)
        {
            return await Task.WhenAll(keys.ConvertAll(key => InvalidateAsync(key, InvalidationKind.Remove).AsTask())).ConfigureAwait(false);
        }

        var results = await RunBatchAsync(
            StoreOperation.Invalidate, keys, keys, static (store, keys, token) => store.InvalidateManyAsync(keys, InvalidationKind.Remove, token), default)
            .ConfigureAwait(false);
        if (results is null)
        {
            foreach (var key in keys)
            {
                recovery.AddInvalidation(key, InvalidationKind.Remove);
            }

            return new StoreInvalidation?[keys.Count];
        }

        foreach (var result in results)
        {
            Note(result.Stamp);
        }

        return [.. results.Select(static result => (StoreInvalidation?)result)];
    }

    /// <summary>Removes or expires a key; if the store cannot be told, it will be, and until then what it has of the key does not count.</summary>
    internal async ValueTask<StoreInvalidation?> InvalidateAsync(string key, InvalidationKind kind)
    {
        var answer = await guard.InvalidateAsync(key, kind, default).ConfigureAwait(false);
        if (!answer.TryGet(out var done))
        {
            recovery.AddInvalidation(key, kind);
            return null;
        }

        Note(done.Stamp);
        return done;
    }

    /// <summary>The same for tags.</summary>
    internal async ValueTask<long?> InvalidateTagsAsync(string[] tags, TagMatch match, InvalidationKind kind)
    {
        var answer = await guard.InvalidateTagsAsync(tags, match, kind, default).ConfigureAwait(false);
        if (!answer.TryGet(out var stamp))
        {
            recovery.AddTags(tags, match, kind);
            return null;
        }

        Note(stamp);
        return stamp;
    }

    /// <summary>The same for everything.</summary>
    internal async ValueTask<long?> ClearAsync()
    {
        var answer = await guard.ClearAsync(default).ConfigureAwait(false);
        if (!answer.TryGet(out var stamp))
        {
            recovery.AddClear();
            return null;
        }

        Note(stamp);
        return stamp;
    }

    internal void Note(long stamp)
    {
        var last = Volatile.Read(ref _lastStamp);
        while (stamp > last)
        {
            var seen = Interlocked.CompareExchange(ref _lastStamp, stamp, last);
            if (seen == last)
            {
                return;
            }

            last = seen;
        }
    }
}
