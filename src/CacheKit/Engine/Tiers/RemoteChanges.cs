using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Applies to memory, and to what is under way, what others have changed in the stores.</summary>
internal sealed class RemoteChanges(Flights flights, TagClock tags, MemoryTier memory, EntryLife life)
{
    /// <summary>A key was set, removed or expired.</summary>
    /// <param name="key">The key.</param>
    /// <param name="kind">What is left of its entry.</param>
    /// <param name="stamp">The authority's stamp of the change: an entry of a later one stays. 0 if there is none to compare.</param>
    /// <param name="ended">Receives what has left.</param>
    internal void ApplyKey(string key, InvalidationKind kind, long stamp, ref EndedEntries ended)
    {
        var stripe = flights.StripeOf(key);
        lock (stripe.Lock)
        {
            flights.DetachCurrent(stripe, key, kind);
            if (memory.Find(key) is not { } entry || (stamp > 0 && entry.Details is { } details && details.StoreStamp >= stamp))
            {
                return;
            }

            if (kind == InvalidationKind.Remove)
            {
                memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
            }
            else
            {
                life.Expire(entry, ref ended);
            }
        }
    }

    /// <summary>Tags were removed or expired. Drawn a stamp of this cache's own: what came after the change goes too, and is read anew.</summary>
    internal void ApplyTags(string[] changed, TagMatch match, InvalidationKind kind) => tags.Invalidate(changed, match, kind);

    /// <summary>Anything may have changed: nothing from before is served without a store's word, and nobody joins what began before.</summary>
    internal void ApplyAnything() => flights.OvertakeAll(tags.Suspect());

    /// <summary>Everything was removed.</summary>
    internal void ApplyClear() => tags.Clear();
}
