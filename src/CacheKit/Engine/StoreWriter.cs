using System.Runtime.InteropServices;
using CacheKit.Diagnostics;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>Writes to the stores and invalidates in them: the authority first, then the nearer ones.</summary>
/// <remarks>
/// A value that somebody sets goes to the authority alone, and the nearer stores forget the key: two processes that set one key would
/// else leave the nearer stores in another order than the authority. They are filled by reads, whose values the next set refuses.
/// </remarks>
internal sealed class StoreWriter(StoreTier[] tiers, EntryCodec codec, StoreReader reader, StoreTime time, CacheReporter reporter)
{
    private StoreTier Far => tiers[^1];

    /// <summary>Stores what a factory has made, unless something has overtaken it.</summary>
    /// <param name="flight">The flight, with the conditions its reads have left.</param>
    /// <param name="value">The value.</param>
    /// <param name="entry">The entry made of it, with its times and tags; it gets the authority's stamp.</param>
    /// <param name="compress">Whether to compress it, if the call says.</param>
    /// <returns>Whether it was overtaken: then no tier may keep it.</returns>
    internal async ValueTask<bool> PopulateAsync<T>(Flight flight, T value, MemoryEntry entry, bool? compress)
    {
        var wanted = flight.Purpose.Tiers;
        var details = entry.Details!; // with stores every entry has them
        var encoded = Encode(entry, value, compress);
        var bytes = encoded.Bytes;
        var (expiresAt, retainUntil) = LifeOf(details);
        var isAbandoned = false;
        var isStamped = false;
        for (var i = tiers.Length - 1; i >= 0; i--)
        {
            var tier = tiers[i];
            if (!tier.Writes(wanted) || flight.Conditions?[i] is not { } condition || !Fits(tier, bytes.Length))
            {
                continue;
            }

            if (!tier.IsFar && !isStamped)
            {
                // What a store was given and may still be reading is neither changed nor given back.
                if (isAbandoned)
                {
                    bytes = bytes.ToArray();
                }

                EntryCodec.PatchStamp(MemoryMarshal.AsMemory(bytes).Span, details.StoreStamp); // of our own making in either case
                isStamped = true;
            }

            var answer = await tier.WriteAsync(entry.Key, reader.EntryFor(tier, bytes, expiresAt, retainUntil, details.Tags), condition).ConfigureAwait(false);
            isAbandoned |= answer.MayTakeEffect;
            if (answer.TryGet(out var result) && tier.IsFar)
            {
                switch (result.Outcome)
                {
                    case StoreWriteOutcome.Overtaken:
                        encoded.Dispose();
                        return true;
                    case StoreWriteOutcome.Stored:
                        details.StoreStamp = result.Stamp;
                        break;
                }
            }
        }

        if (!isAbandoned)
        {
            encoded.Dispose();
        }

        return false;
    }

    /// <summary>Stores a value somebody has set, in place of whatever the stores have.</summary>
    /// <param name="value">The value.</param>
    /// <param name="entry">The entry made of it; it gets the authority's stamp.</param>
    /// <param name="settings">Which tiers to write.</param>
    internal async ValueTask SetAsync<T>(T value, MemoryEntry entry, EntrySettings settings)
    {
        var details = entry.Details!; // as above
        var stamp = 0L;
        if (Far.Writes(settings.Tiers) && settings.FitsStores)
        {
            var encoded = Encode(entry, value, settings.Compress);
            if (Fits(Far, encoded.Bytes.Length))
            {
                stamp = await SetFarAsync(entry.Key, encoded, details).ConfigureAwait(false);
            }
            else
            {
                encoded.Dispose();
                await Far.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
            }
        }
        else
        {
            await Far.InvalidateAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
        }

        details.StoreStamp = stamp;
        await InvalidateNearAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
    }

    private async ValueTask<long> SetFarAsync(string key, EncodedEntry encoded, EntryDetails details)
    {
        var before = Far.LastStamp;
        var answer = await WriteFarAsync(key, encoded, details, StoreCondition.Always).ConfigureAwait(false);
        if (answer.TryGet(out var result))
        {
            encoded.Dispose();
            return result.IsStored ? result.Stamp : 0;
        }

        // Sent again as what it was then: newer than all this node has seen, but not than what others have written since.
        var (expiresAt, retainUntil) = LifeOf(details);
        Far.Recovery.AddWrite(key, reader.EntryFor(Far, encoded.Bytes.ToArray(), expiresAt, retainUntil, details.Tags), before);
        return 0;
    }

    private ValueTask<StoreAnswer<StoreWriteResult>> WriteFarAsync(string key, EncodedEntry encoded, EntryDetails details, StoreCondition condition)
    {
        var (expiresAt, retainUntil) = LifeOf(details);
        return Far.WriteAsync(key, reader.EntryFor(Far, encoded.Bytes, expiresAt, retainUntil, details.Tags), condition);
    }

    /// <summary>Stores a value if the authority has no unexpired one.</summary>
    /// <returns>Whether it was stored; nothing if the authority could not be asked.</returns>
    internal ValueTask<bool?> TryAddAsync<T>(T value, MemoryEntry entry, bool? compress) =>
        // With a removal still to be sent, what is there does not count, but it would be in the way.
        IsPending(entry.Key) ? new((bool?)null) : TryWriteAsync(value, entry, StoreCondition.IfAbsent, compress);

    /// <summary>Puts an entry in place of the one it was made from.</summary>
    /// <returns>Whether that was still there; nothing if the authority could not be asked.</returns>
    internal ValueTask<bool?> TryReplaceAsync<T>(T value, MemoryEntry entry, long madeFrom, bool? compress) =>
        TryWriteAsync(value, entry, StoreCondition.IfUnchanged(madeFrom), compress);

    private async ValueTask<bool?> TryWriteAsync<T>(T value, MemoryEntry entry, StoreCondition condition, bool? compress)
    {
        var details = entry.Details!; // as above
        var encoded = Encode(entry, value, compress);
        var answer = await WriteFarAsync(entry.Key, encoded, details, condition).ConfigureAwait(false);
        if (!answer.TryGet(out var result))
        {
            return null; // and the bytes may still be in use
        }

        encoded.Dispose();
        if (result.IsStored)
        {
            details.StoreStamp = result.Stamp;
            await InvalidateNearAsync(entry.Key, InvalidationKind.Remove).ConfigureAwait(false);
        }

        return result.IsStored;
    }

    /// <summary>Whether the authority still has to be told of a change of a key.</summary>
    internal bool IsPending(string key) => Far.Recovery.Covers(key, [], Far.Recovery.Deliveries);

    /// <summary>Has the authority count, if it can.</summary>
    /// <returns>Nothing if it cannot, could not be asked, or has something else than its own counter under the key.</returns>
    internal async ValueTask<StoreCount?> TryCountAsync(
        string key, long delta, CacheCounterOptions? options, DateTimeOffset expiresAt, string[] tags, CancellationToken cancellationToken)
    {
        if (Far.Store is not ICounterStore || IsPending(key))
        {
            return null;
        }

        var step = new StoreCounterStep
        {
            Delta = delta,
            InitialValue = options?.InitialValue ?? 0,
            Minimum = options?.Minimum ?? long.MinValue,
            Maximum = options?.Maximum ?? long.MaxValue,
            ExpiresAt = expiresAt,
            Tags = tags,
        };
        var answer = await Far.Guard.RunAsync(
            StoreOperation.Increment, key, (key, step),
            static (store, call, token) => ((ICounterStore)store).IncrementAsync(call.key, call.step, token), // as seen above
            cancellationToken).ConfigureAwait(false);
        if (answer.TryGet(out var count) && count is { } counted)
        {
            Far.Note(counted.Stamp);
        }

        return answer.Result;
    }

    /// <summary>Removes or expires a key everywhere.</summary>
    /// <returns>The authority's stamp, 0 if it could not be told yet, and whether any store had an unexpired entry.</returns>
    internal async ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind)
    {
        var wasFresh = kind == InvalidationKind.Expire && await LimitStaleTimeAsync(Far, key).ConfigureAwait(false);
        var far = await Far.InvalidateAsync(key, kind).ConfigureAwait(false);
        wasFresh |= await InvalidateNearAsync(key, kind).ConfigureAwait(false);
        return new(far?.Stamp ?? 0, wasFresh || far is { WasFresh: true });
    }

    /// <summary>The same in all stores but the last.</summary>
    internal async ValueTask<bool> InvalidateNearAsync(string key, InvalidationKind kind)
    {
        var wasFresh = false;
        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            var wasLimited = kind == InvalidationKind.Expire && await LimitStaleTimeAsync(tiers[i], key).ConfigureAwait(false);
            var done = await tiers[i].InvalidateAsync(key, kind).ConfigureAwait(false);
            wasFresh |= (wasLimited || done is { WasFresh: true }) && tiers[i].TrustedSince == 0;
        }

        return wasFresh;
    }

    /// <summary>Ends an entry that is about to be expired on request, and has the store keep it for its stale time from now on: that only its bytes tell.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    private async ValueTask<bool> LimitStaleTimeAsync(StoreTier tier, string key)
    {
        var deliveries = tier.Recovery.Deliveries;
        var answer = await tier.ReadAsync(key, default, default).ConfigureAwait(false);
        if (!answer.TryGet(out var lookup))
        {
            return false;
        }

        using (lookup)
        {
            var now = time.UtcNow;
            if (!lookup.IsFound || lookup.ExpiresAt <= now || !EntryCodec.TryParse(lookup.Payload, key, out var envelope)
                || tier.Recovery.Covers(key, envelope.Tags, deliveries))
            {
                return false;
            }

            if (envelope.StaleFor > TimeSpan.Zero)
            {
                var end = StoreTime.Add(now, envelope.StaleFor.Ticks);
                await tier.Guard.SetExpirationAsync(key, lookup.Stamp, now, end < lookup.RetainUntil ? end : lookup.RetainUntil, default).ConfigureAwait(false);
            }

            return true;
        }
    }

    /// <summary>Removes or expires by tags everywhere.</summary>
    /// <returns>The authority's stamp, or 0 if it could not be told yet.</returns>
    internal async ValueTask<long> InvalidateTagsAsync(string[] tags, TagMatch match, InvalidationKind kind, bool nearOnly = false)
    {
        var stamp = nearOnly ? 0 : await Far.InvalidateTagsAsync(tags, match, kind).ConfigureAwait(false) ?? 0;
        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            await tiers[i].InvalidateTagsAsync(tags, match, kind).ConfigureAwait(false);
        }

        return stamp;
    }

    /// <summary>Removes everything everywhere.</summary>
    /// <returns>As above.</returns>
    internal async ValueTask<long> ClearAsync(bool nearOnly = false)
    {
        var stamp = nearOnly ? 0 : await Far.ClearAsync().ConfigureAwait(false) ?? 0;
        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            await tiers[i].ClearAsync().ConfigureAwait(false);
        }

        return stamp;
    }

    private EncodedEntry Encode<T>(MemoryEntry entry, T value, bool? compress)
    {
        var details = entry.Details!; // as above
        return codec.Encode(
            entry.Key,
            value,
            new EntryMetadata
            {
                CreatedAt = time.UtcNow,
                ExpiresAt = time.ToInstant(details.SlidingTicks > 0 ? details.SlidingLimit : details.ExpiresAt),
                Sliding = new(details.SlidingTicks),
                StaleFor = new(details.StaleForTicks),
                Tags = details.Tags,
            },
            compress);
    }

    private (DateTimeOffset ExpiresAt, DateTimeOffset RetainUntil) LifeOf(EntryDetails details)
    {
        var expiresAt = time.ToInstant(details.ExpiresAt);
        return (expiresAt, StoreTime.Add(expiresAt, details.StaleForTicks));
    }

    private bool Fits(StoreTier tier, int bytes)
    {
        if (tier.Takes(bytes))
        {
            return true;
        }

        if (bytes > tier.Options.MaximumEntryBytes)
        {
            reporter.EntryTooLargeForStore(tier.Name, bytes, tier.Options.MaximumEntryBytes);
        }

        return false;
    }
}
