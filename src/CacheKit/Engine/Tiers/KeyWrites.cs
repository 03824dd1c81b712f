using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>The writes of keys that are under way in a cache with stores: when they begin, and what memory has when they end.</summary>
/// <remarks>
/// While a key is being written, whatever else changes it, here or by a message of another node, keeps the value out of memory: which of
/// the two came last to the authority is known to the authority alone, and the next read asks it.
/// </remarks>
internal sealed class KeyWrites(Flights flights, TagClock tags, MemoryTier memory, EntryLife life, EntryWriter entries, bool hasMemory)
{
    /// <summary>Begins to write a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="kind">For an invalidation: which.</param>
    internal KeyWrite Begin(string key, InvalidationKind kind = InvalidationKind.Remove)
    {
        var stripe = flights.StripeOf(key);
        lock (stripe.Lock)
        {
            return new(key, stripe, stripe.BeginWrite(key, kind), tags.Next());
        }
    }

    /// <summary>Ends a write that has changed nothing.</summary>
    internal static void Abandon(KeyWrite write)
    {
        lock (write.Stripe.Lock)
        {
            write.Stripe.EndWrite(write.Key, write.Mark);
        }
    }

    /// <summary>Ends a removal or an expiration, in memory too.</summary>
    internal void End(KeyWrite write, InvalidationKind kind)
    {
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            write.Stripe.EndWrite(write.Key, write.Mark, kind);
            if (memory.Find(write.Key) is { } entry)
            {
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

        entries.Announce(in ended);
    }

    /// <summary>Ends a write whose value memory does not keep.</summary>
    internal void End(KeyWrite write, bool isChanged)
    {
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            write.Stripe.EndWrite(write.Key, write.Mark);
            if (isChanged && memory.Find(write.Key) is { } entry)
            {
                memory.Remove(entry, CacheEntryEndReason.Replaced, ref ended);
            }
        }

        entries.Announce(in ended);
    }

    /// <summary>Ends the change of an entry's time to live: what memory has gets it too if it is the same entry and nothing else has changed the key meanwhile, or goes.</summary>
    /// <param name="write">The write.</param>
    /// <param name="stamp">Which entry has it at the authority; <see langword="null"/> if none has.</param>
    /// <param name="timeToLive">The time.</param>
    internal void End(KeyWrite write, long? stamp, TimeSpan timeToLive)
    {
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            var isAlone = write.Stripe.EndWrite(write.Key, write.Mark);
            if (memory.Find(write.Key) is { } entry && !(isAlone && stamp is not null && entry.Details?.StoreStamp == stamp && life.SetTimeToLive(entry, timeToLive)))
            {
                memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
            }
        }

        entries.Announce(in ended);
    }

    /// <summary>Ends a write with its value in memory, unless something else has changed the key meanwhile.</summary>
    internal bool Keep(KeyWrite write, MemoryEntry entry, EntrySettings settings)
    {
        entries.LimitInMemory(entry, settings.MemoryExpiration);
        var isKept = hasMemory && (settings.Tiers & CacheTiers.WriteMemory) != 0;
        var isTakenIn = false;
        var ended = new EndedEntries();
        lock (write.Stripe.Lock)
        {
            var isAlone = write.Stripe.EndWrite(write.Key, write.Mark);
            var last = tags.LastInvalidation;
            var verdict = tags.Check(settings.Tags, write.Stamp);
            isKept &= isAlone && verdict is TagVerdict.Live or TagVerdict.Suspect;
            if (isKept)
            {
                isTakenIn = entries.Put(entry, verdict == TagVerdict.Live ? last : write.Stamp, ref ended);
            }
            else if (memory.Find(write.Key) is { } replaced)
            {
                memory.Remove(replaced, CacheEntryEndReason.Replaced, ref ended);
            }
        }

        entries.Announce(isKept ? entry : null, isTakenIn, in ended);
        return isTakenIn;
    }
}
