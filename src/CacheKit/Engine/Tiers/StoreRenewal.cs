using CacheKit.Memory;

namespace CacheKit.Engine.Tiers;

/// <summary>Renews sliding entries in the stores when they are read, in the background and not at every read.</summary>
internal sealed class StoreRenewal(StoreTier[] tiers, StoreTime time)
{
    /// <summary>A read renews an entry in the stores once so large a share of its window has passed since that was done last.</summary>
    private const int SharesOfWindow = 10;

    /// <summary>When an entry renewed now is to be renewed again.</summary>
    internal static long NextRenewal(long now, long slidingTicks) => CacheClock.Add(now, slidingTicks / SharesOfWindow);

    /// <summary>Has the stores give an entry the time that it has in memory. Returns at once.</summary>
    internal void Renew(MemoryEntry entry, EntryDetails details) => _ = RenewAsync(entry.Key, details);

    internal async Task<bool> RenewAsync(string key, EntryDetails details)
    {
        // What memory keeps for less has the whole window in the stores.
        var isShorterInMemory = details.StoreSlidingLimit >= 0;
        var expiresAt = time.ToInstant(
            isShorterInMemory ? Math.Min(CacheClock.Add(time.Now, details.SlidingTicks), details.StoreSlidingLimit) : details.ExpiresAt);
        var retainUntil = StoreTime.Add(expiresAt, isShorterInMemory ? details.StoreStaleForTicks : details.StaleForTicks);
        var isRenewed = false;
        for (var i = tiers.Length - 1; i >= 0; i--)
        {
            // A near store's copy has a stamp of its own there, which only a read tells.
            var stamp = details.StoreStamp;
            if (!tiers[i].IsFar)
            {
                var answer = await tiers[i].ReadAsync(key, new() { WithoutPayload = true }, default).ConfigureAwait(false);
                if (!answer.TryGet(out var lookup) || !lookup.IsFound)
                {
                    continue;
                }

                stamp = lookup.Stamp;
                lookup.Dispose();
            }

            var renewed = await tiers[i].Guard.SetExpirationAsync(key, stamp, expiresAt, retainUntil, default).ConfigureAwait(false);
            isRenewed |= renewed is { IsAnswered: true, Result: true };
        }

        return isRenewed;
    }
}
