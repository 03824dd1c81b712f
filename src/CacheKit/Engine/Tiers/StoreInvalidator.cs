using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Removes and expires in the stores, by key, by tag, and everything: at the authority first, then in the nearer ones.</summary>
internal sealed class StoreInvalidator(StoreTier[] tiers, StoreTime time)
{
    private StoreTier Far => tiers[^1];

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

    /// <summary>Removes many keys everywhere, with few calls of each store.</summary>
    /// <returns>For each key what <see cref="InvalidateAsync"/> would have told.</returns>
    internal async ValueTask<StoreInvalidation[]> RemoveManyAsync(List<string> keys)
    {
        var removed = new StoreInvalidation[keys.Count];
        var far = await Far.RemoveManyAsync(keys).ConfigureAwait(false);
        for (var i = 0; i < removed.Length; i++)
        {
            removed[i] = far[i] ?? default;
        }

        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            var near = await tiers[i].RemoveManyAsync(keys).ConfigureAwait(false);
            for (var j = 0; j < removed.Length && tiers[i].TrustedSince == 0; j++)
            {
                removed[j] = removed[j] with { WasFresh = removed[j].WasFresh || near[j] is { WasFresh: true } };
            }
        }

        return removed;
    }

    /// <summary>Removes many keys in all stores but the last.</summary>
    internal async ValueTask RemoveNearAsync(List<string> keys)
    {
        for (var i = tiers.Length - 2; i >= 0; i--)
        {
            await tiers[i].RemoveManyAsync(keys).ConfigureAwait(false);
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
}
