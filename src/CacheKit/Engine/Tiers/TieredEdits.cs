using System.Runtime.CompilerServices;
using CacheKit.Engine.Feed;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>What sets, adds and removes keys of a cache with stores: the authority first, then the nearer stores, memory, and the other nodes.</summary>
internal sealed class TieredEdits(
    KeyWrites writes, EntryReader entryReader, EntryWriter entries, EntryEdits local, StoreReader reader, StoreWriter writer, StoreInvalidator invalidator,
    NodeLink link, CacheEntryOptions defaults)
{
    /// <summary>Stores a value in place of what is there.</summary>
    /// <returns>Whether any tier has it, or will have it once it can be reached.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<bool> SetAsync<T>(string key, T value, EntrySettings settings)
    {
        if (!settings.IsStored)
        {
            await RemoveAsync(key).ConfigureAwait(false);
            return false;
        }

        var entry = entries.Compose(key, value, settings);
        var write = writes.Begin(key);
        var isWritten = false;
        (long Stamp, bool IsNear) done = default;
        try
        {
            done = await writer.SetAsync(value, entry, settings).ConfigureAwait(false);
            isWritten = true;
        }
        finally
        {
            if (!isWritten)
            {
                KeyWrites.Abandon(write); // it cannot be encoded: nothing has been touched
            }
        }

        var isKept = writes.Keep(write, entry, settings);
        await link.TellKeyAsync(KeyChange.Set, key, done.Stamp).ConfigureAwait(false);
        return isKept || done.IsNear || entry.Details is { StoreStamp: > 0 } || writer.IsPending(key);
    }

    /// <summary>Has somebody else write a key to a store: memory forgets what it has, and if that is the authority, so do the nearer stores and the other nodes.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isFar">Whether it is the authority.</param>
    /// <param name="write">Writes it, and returns its stamp; zero if it did not.</param>
    internal async ValueTask WriteElsewhereAsync(string key, bool isFar, Func<ValueTask<long>> write)
    {
        var begun = writes.Begin(key);
        long stamp = 0;
        try
        {
            stamp = await write().ConfigureAwait(false);
            if (stamp != 0 && isFar)
            {
                await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
            }
        }
        finally
        {
            writes.End(begun, isChanged: stamp != 0);
        }

        if (stamp != 0 && isFar)
        {
            await link.TellKeyAsync(KeyChange.Set, key, stamp).ConfigureAwait(false);
        }
    }

    /// <summary>Stores many values in place of what is there. Each key is atomic; the whole is not.</summary>
    /// <returns>How many any tier has, or will have.</returns>
    internal async ValueTask<int> SetManyAsync<T>(IReadOnlyDictionary<string, T> values, CacheEntryOptions? options)
    {
        var settings = EntrySettings.For(options, defaults);
        if (!settings.IsStored || !settings.FitsStores || (settings.Tiers & CacheTiers.WriteFar) == 0)
        {
            var stored = await Task.WhenAll(values.Select(pair => SetAsync(pair.Key, pair.Value, settings).AsTask())).ConfigureAwait(false);
            return stored.Count(static isStored => isStored);
        }

        var batch = values.Select(pair => (pair.Value, Entry: entries.Compose(pair.Key, pair.Value, settings))).ToList();
        var begun = batch.ConvertAll(one => writes.Begin(one.Entry.Key));
        var isWritten = false;
        var changed = new Dictionary<string, (long Stamp, bool IsNear)>();
        try
        {
            changed = await writer.SetManyAsync(batch, settings).ConfigureAwait(false);
            isWritten = true;
        }
        finally
        {
            if (!isWritten)
            {
                begun.ForEach(KeyWrites.Abandon);
            }
        }

        var count = 0;
        for (var i = 0; i < batch.Count; i++)
        {
            var entry = batch[i].Entry;
            var isKept = writes.Keep(begun[i], entry, settings);
            count += isKept || changed[entry.Key].IsNear || entry.Details is { StoreStamp: > 0 } || writer.IsPending(entry.Key) ? 1 : 0;
        }

        await link.TellKeysAsync(KeyChange.Set, [.. changed.Select(static one => (one.Key, one.Value.Stamp))]).ConfigureAwait(false);
        return count;
    }

    /// <summary>Removes many entries, as <see cref="RemoveAsync"/> does one.</summary>
    /// <returns>How many were there, unexpired.</returns>
    internal async ValueTask<int> RemoveManyAsync(string[] keys)
    {
        var wereFresh = Array.ConvertAll(keys, key => entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due);
        var begun = Array.ConvertAll(keys, key => writes.Begin(key));
        var done = await invalidator.RemoveManyAsync([.. keys]).ConfigureAwait(false);
        var count = 0;
        for (var i = 0; i < keys.Length; i++)
        {
            writes.End(begun[i], InvalidationKind.Remove);
            count += done[i].WasFresh || (wereFresh[i] && done[i].Stamp == 0) ? 1 : 0;
        }

        await link.TellKeysAsync(KeyChange.Removed, [.. keys.Select((key, i) => (key, done[i].Stamp))]).ConfigureAwait(false);
        return count;
    }

    /// <summary>Stores a value if no unexpired one is there.</summary>
    /// <returns>Whether it was stored.</returns>
    internal async ValueTask<bool> TryAddAsync<T>(string key, T value, EntrySettings settings)
    {
        if (!settings.IsStored || (entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due))
        {
            return false;
        }

        if (!settings.FitsStores || (settings.Tiers & CacheTiers.WriteFar) == 0)
        {
            return !await reader.IsFreshAsync(key, default).ConfigureAwait(false) && local.TryAdd(key, value, settings);
        }

        if (writer.IsPending(key))
        {
            // What is there was changed by this node, and the authority still has to be told: it is told of the new value in one.
            return await SetAsync(key, value, settings).ConfigureAwait(false);
        }

        var entry = entries.Compose(key, value, settings);
        var write = writes.Begin(key);
        StoreWriteOutcome? outcome = StoreWriteOutcome.Overtaken;
        try
        {
            outcome = await writer.TryAddAsync(value, entry, settings.Compress).ConfigureAwait(false);
        }
        finally
        {
            if (outcome == StoreWriteOutcome.Overtaken)
            {
                KeyWrites.Abandon(write);
            }
        }

        switch (outcome)
        {
            case StoreWriteOutcome.Stored:
                writes.Keep(write, entry, settings);
                await link.TellKeyAsync(KeyChange.Set, key, entry.Details?.StoreStamp ?? 0).ConfigureAwait(false);
                return true;
            case StoreWriteOutcome.Overtaken:
                return false;
            case StoreWriteOutcome.Declined:
                // No store is to hold it; whether it is there already they have to be asked for themselves.
                var isThere = await reader.IsFreshAsync(key, default).ConfigureAwait(false);
                if (isThere)
                {
                    KeyWrites.Abandon(write);
                }

                return !isThere && writes.Keep(write, entry, settings);
            default:
                // Nobody can tell now whether something is at the authority; if a nearer store has something, that counts. Else the value counts here,
                // until the authority can be asked.
                if (await reader.IsFreshAsync(key, default).ConfigureAwait(false))
                {
                    KeyWrites.Abandon(write);
                    return false;
                }

                EntryWriter.LeaveUnconfirmed(entry);
                return writes.Keep(write, entry, settings);
        }
    }

    /// <summary>Removes the entry, and keeps what is under way from storing another.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    internal ValueTask<bool> RemoveAsync(string key) => EndAsync(key, InvalidationKind.Remove);

    /// <summary>Makes the entry stale, and keeps what is under way from storing another.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    internal ValueTask<bool> ExpireAsync(string key) => EndAsync(key, InvalidationKind.Expire);

    private async ValueTask<bool> EndAsync(string key, InvalidationKind kind)
    {
        var wasFresh = entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due;
        var write = writes.Begin(key, kind);
        var done = await invalidator.InvalidateAsync(key, kind).ConfigureAwait(false);
        writes.End(write, kind);
        await link.TellKeyAsync(kind == InvalidationKind.Remove ? KeyChange.Removed : KeyChange.Expired, key, done.Stamp).ConfigureAwait(false);
        return done.WasFresh || (wasFresh && done.Stamp == 0);
    }
}
