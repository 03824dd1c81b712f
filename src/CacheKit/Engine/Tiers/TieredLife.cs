using CacheKit.Engine.Feed;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Whether an entry of a cache with stores is there, and how long it lives: asked for, and changed.</summary>
internal sealed class TieredLife(
    KeyWrites writes, TieredEdits edits, MemoryTier memory, EntryLife life, EntryReader entryReader, EntryEdits local, StoreReader reader, StoreWriter writer,
    StoreInvalidator invalidator, StoreRenewal renewal, StoreTime time, NodeLink link)
{
    /// <summary>Tells whether there is an unexpired entry.</summary>
    internal async ValueTask<bool> ExistsAsync(string key, CancellationToken cancellationToken) =>
        entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due || await reader.IsFreshAsync(key, cancellationToken).ConfigureAwait(false);

    /// <summary>Renews a sliding entry; tells whether there is an unexpired one.</summary>
    internal async ValueTask<bool> TouchAsync(string key, CancellationToken cancellationToken)
    {
        if (entryReader.Inspect(key, isRead: true) is EntryState.Fresh or EntryState.Due)
        {
            return true;
        }

        if (await reader.PeekAsync(key, withPayload: true, cancellationToken).ConfigureAwait(false) is not { } peeked)
        {
            return false;
        }

        using var lookup = peeked.Lookup;
        if (!lookup.IsFound || lookup.ExpiresAt <= time.UtcNow)
        {
            return false;
        }

        if (EntryCodec.TryParse(lookup.Payload, key, out var envelope) && envelope.Sliding > TimeSpan.Zero)
        {
            var details = reader.DetailsOf(lookup, peeked.Tier, envelope, options: null);
            details.ExpiresAt = Math.Max(details.ExpiresAt, Math.Min(CacheClock.Add(time.Now, details.SlidingTicks), details.SlidingLimit));
            await renewal.RenewAsync(key, details).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>What is left of the entry's life; null if there is no unexpired one.</summary>
    internal async ValueTask<TimeSpan?> GetTimeToLiveAsync(string key, CancellationToken cancellationToken)
    {
        if (entryReader.Inspect(key) is EntryState.Fresh or EntryState.Due
            && memory.Find(key) is { Details: { IsLimitedInMemory: false, StoreStamp: > 0 } } entry)
        {
            return life.GetTimeToLive(entry);
        }

        if (await reader.PeekAsync(key, cancellationToken).ConfigureAwait(false) is { } found)
        {
            return found.ExpiresAt == DateTimeOffset.MaxValue ? TimeSpan.MaxValue
                : found.ExpiresAt - time.UtcNow is { Ticks: > 0 } left ? left
                : null;
        }

        return local.GetTimeToLive(key); // of memory alone, or the stores are out of reach
    }

    /// <summary>Gives an unexpired entry a new time to live; none removes it.</summary>
    internal async ValueTask<bool> SetTimeToLiveAsync(string key, TimeSpan timeToLive, CancellationToken cancellationToken)
    {
        if (timeToLive <= TimeSpan.Zero)
        {
            return await edits.RemoveAsync(key).ConfigureAwait(false);
        }

        if (await reader.PeekAsync(key, withPayload: true, cancellationToken).ConfigureAwait(false) is not { Tier.IsFar: true } peeked)
        {
            return SetTimeToLiveHere(key, timeToLive); // the authority cannot be told, and so not what it holds be changed
        }

        using var lookup = peeked.Lookup;
        if (!lookup.IsFound || lookup.ExpiresAt <= time.UtcNow)
        {
            return SetTimeToLiveHere(key, timeToLive);
        }

        var write = writes.Begin(key);
        var isDone = false;
        try
        {
            isDone = await SetTimeToLiveAsync(key, peeked.Tier, lookup, timeToLive).ConfigureAwait(false);
        }
        finally
        {
            writes.End(write, isDone ? lookup.Stamp : null, timeToLive);
        }

        if (isDone)
        {
            await link.TellKeyAsync(KeyChange.Set, key, long.MaxValue).ConfigureAwait(false);
        }

        return isDone;
    }

    /// <summary>Gives a new time to live to what the authority does not have: what it is still to be given, or what memory alone holds.</summary>
    private bool SetTimeToLiveHere(string key, TimeSpan timeToLive) => writer.TrySetPendingExpiration(key, timeToLive) is { } isSet
        ? isSet && (memory.Find(key) is null || local.SetTimeToLive(key, timeToLive))
        : IsOfMemoryAlone(key) && local.SetTimeToLive(key, timeToLive);

    private bool IsOfMemoryAlone(string key) => memory.Find(key) is { Details: null or { StoreStamp: 0 } };

    private async ValueTask<bool> SetTimeToLiveAsync(string key, StoreTier tier, StoreLookup lookup, TimeSpan timeToLive)
    {
        var expiresAt = StoreTime.Add(time.UtcNow, timeToLive.Ticks);
        var hasEnvelope = EntryCodec.TryParse(lookup.Payload, key, out var envelope); // a counter has none
        if (hasEnvelope && envelope.Sliding > TimeSpan.Zero)
        {
            // Its bytes say that reads renew it: they are written anew.
            return await writer.TryRewriteAsync(key, envelope, lookup, expiresAt).ConfigureAwait(false) == true;
        }

        var retainUntil = StoreTime.Add(expiresAt, lookup.RetainUntil.UtcTicks - lookup.ExpiresAt.UtcTicks);
        var answer = await tier.Guard.SetExpirationAsync(key, lookup.Stamp, expiresAt, retainUntil, default).ConfigureAwait(false);
        var isSet = answer is { IsAnswered: true, Result: true };
        if (!isSet || !hasEnvelope || !envelope.IsElsewhere)
        {
            await invalidator.InvalidateNearAsync(key, InvalidationKind.Remove).ConfigureAwait(false);
        }
        else
        {
            await writer.SetNearExpirationAsync(key, expiresAt, retainUntil).ConfigureAwait(false);
        }

        return isSet;
    }
}
