using CacheKit.Engine.Tiers;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>What a closer look at an entry finds.</summary>
internal enum EntryState
{
    /// <summary>It may be served.</summary>
    Fresh,

    /// <summary>It may be served, and it is time to refresh it.</summary>
    Due,

    /// <summary>It would be fresh, but a store must first say whether it still stands.</summary>
    Suspect,

    /// <summary>It has expired, and may stand in if no newer value can be had.</summary>
    Stale,

    /// <summary>It was removed, or its time is over for good.</summary>
    Gone,
}

/// <summary>Decides whether an entry may be served, when comparing two numbers did not settle it; renews and ends its time.</summary>
/// <remarks>
/// <para>The instants of an entry's details change only under the lock of that object, which is held for a few instructions.</para>
/// <para>Where other processes tell nothing of their changes, what is in memory alone is this process's own: there is nothing to compare it with from time to time.</para>
/// </remarks>
internal sealed class EntryLife(CacheClock clock, TagClock tags, MemoryTier memory, StoreRenewal? renewal = null, bool hearsOfOthers = true)
{
    /// <summary>Judges an entry, takes it out if it is gone, and renews it if it is sliding and read.</summary>
    /// <param name="entry">The entry, as found in the table.</param>
    /// <param name="isRead">Whether this is a read, which renews a sliding expiration.</param>
    /// <param name="ended">Receives the entry if it was taken out.</param>
    internal EntryState Judge(MemoryEntry entry, bool isRead, ref EndedEntries ended)
    {
        var isSuspect = false;
        switch (CheckRemovals(entry))
        {
            case TagVerdict.Removed:
                memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
                return EntryState.Gone;
            case TagVerdict.Suspect:
                isSuspect = true;
                break;
        }

        var now = clock.Now;
        var details = entry.Details;
        if (details is null)
        {
            if (now < entry.ExpiresAt)
            {
                return isSuspect ? EntryState.Suspect : EntryState.Fresh;
            }
        }
        else
        {
            // Asking a token runs the caller's code: before the lock, and before the time is read.
            if (details.HasPolledTokens)
            {
                if (ChangeTokens.HavePolledOnesChanged(details))
                {
                    memory.Remove(entry, CacheEntryEndReason.TokenChanged, ref ended);
                    return EntryState.Gone;
                }

                now = clock.Now;
            }

            EntryState? state = null;
            var isRenewalDue = false;
            lock (details)
            {
                if (now < details.ExpiresAt)
                {
                    if (isSuspect)
                    {
                        return EntryState.Suspect;
                    }

                    if (isRead && details.SlidingTicks > 0 && !details.IsExpiredOnRequest)
                    {
                        isRenewalDue = Renew(entry, details, now);
                    }

                    state = now >= details.RefreshAt && now >= details.RetryAt ? EntryState.Due : EntryState.Fresh;
                }
                else if (now < CacheClock.Add(details.ExpiresAt, details.StaleForTicks))
                {
                    state = EntryState.Stale;
                }
            }

            if (isRenewalDue)
            {
                renewal?.Renew(entry, details);
            }

            if (state is { } known)
            {
                return known;
            }
        }

        memory.Remove(entry, CacheEntryEndReason.Expired, ref ended);
        return EntryState.Gone;
    }

    /// <summary>What judging an entry would come to, without taking it out or renewing it.</summary>
    internal EntryState Peek(MemoryEntry entry)
    {
        var verdict = CheckRemovals(entry);
        var now = clock.Now;
        return verdict == TagVerdict.Removed || entry.HasLeft || now >= entry.DeadAt ? EntryState.Gone
            : now >= entry.ExpiresAt ? EntryState.Stale
            : verdict == TagVerdict.Suspect ? EntryState.Suspect
            : EntryState.Fresh;
    }

    /// <summary>Why an entry that nobody reads should leave, if its time is not over; for the upkeep.</summary>
    internal CacheEntryEndReason? ReasonToEnd(MemoryEntry entry) =>
        CheckRemovals(entry) == TagVerdict.Removed ? CacheEntryEndReason.Removed
        : entry.Details is { } details && ChangeTokens.HavePolledOnesChanged(details) ? CacheEntryEndReason.TokenChanged
        : null;

    internal void ObserveTime() => clock.Observe();

    /// <summary>Whether a stale or due entry is not to be made anew yet, because that failed a moment ago.</summary>
    internal bool IsRetryDelayed(MemoryEntry entry) => entry.Details is { } details && clock.Now < details.RetryAt;

    /// <summary>The instant a time from now.</summary>
    internal long After(TimeSpan time) => CacheClock.Add(clock.Now, time.Ticks);

    /// <summary>Makes an entry stale at once; it is taken out if it may not stand in as a stale value.</summary>
    internal void Expire(MemoryEntry entry, ref EndedEntries ended)
    {
        if (!TryMakeStale(entry))
        {
            memory.Remove(entry, CacheEntryEndReason.Expired, ref ended);
        }
    }

    /// <summary>Gives an entry a new time to live in place of the one it had; false if that is over already.</summary>
    internal bool SetTimeToLive(MemoryEntry entry, TimeSpan timeToLive)
    {
        // It may have expired since it was judged; it must not come back.
        var now = clock.Now;
        if (entry.Details is not { } details)
        {
            if (now >= entry.ExpiresAt)
            {
                return false;
            }

            var expiresAt = CacheClock.Add(now, timeToLive.Ticks);
            Volatile.Write(ref entry.FreshUntil, expiresAt == long.MaxValue ? long.MaxValue : expiresAt - MemoryEntry.Margin);
            return true;
        }

        lock (details)
        {
            if (details.IsExpiredOnRequest || now >= details.ExpiresAt)
            {
                return false;
            }

            details.ExpiresAt = CacheClock.Add(now, timeToLive.Ticks);
            details.SlidingTicks = 0;
            details.SlidingLimit = details.ExpiresAt;
            details.RefreshAt = long.MaxValue;
            Volatile.Write(ref entry.FreshUntil, details.FreshUntil());
            return true;
        }
    }

    /// <summary>What is left of an entry's life; <see cref="TimeSpan.MaxValue"/> if it does not end.</summary>
    internal TimeSpan GetTimeToLive(MemoryEntry entry) =>
        entry.ExpiresAt is var expiresAt && expiresAt == long.MaxValue
            ? TimeSpan.MaxValue
            : TimeSpan.FromTicks(Math.Max(0, expiresAt - clock.Now));

    /// <summary>Compares the entry with the removals since it was last checked, and notes that it was, unless a store must be asked.</summary>
    /// <returns>Live, suspect or removed; one that was expired by tag is made stale here.</returns>
    internal TagVerdict CheckRemovals(MemoryEntry entry)
    {
        // Read before the check: a removal that comes meanwhile moves it on, and the entry is looked at again.
        var last = tags.LastInvalidation;
        var validThrough = Volatile.Read(ref entry.ValidThrough);
        if (entry.Details is { IsUnconfirmed: true, Tags: var own })
        {
            return tags.Check(own, validThrough) == TagVerdict.Removed ? TagVerdict.Removed : TagVerdict.Suspect;
        }

        if (validThrough >= last)
        {
            return TagVerdict.Live;
        }

        var verdict = tags.Check(entry.Details?.Tags ?? [], validThrough);
        if (verdict == TagVerdict.Removed || (verdict == TagVerdict.Suspect && (hearsOfOthers || entry.Details is not { IsOfMemoryAlone: true })))
        {
            return verdict;
        }

        if (verdict == TagVerdict.Stale)
        {
            TryMakeStale(entry);
        }

        if (last != long.MaxValue) // which is no stamp: the cache is disposed
        {
            Volatile.Write(ref entry.ValidThrough, last);
        }

        return TagVerdict.Live;
    }

    private bool TryMakeStale(MemoryEntry entry)
    {
        if (entry.Details is not { } details)
        {
            return false;
        }

        var now = clock.Now;
        lock (details)
        {
            details.ExpiresAt = Math.Min(details.ExpiresAt, now);
            details.IsExpiredOnRequest = true;
            details.RetryAt = long.MinValue; // the next caller makes it anew, whatever has failed before
            Volatile.Write(ref entry.FreshUntil, long.MinValue);
            return details.StaleForTicks > 0;
        }
    }

    /// <summary>Renews a sliding entry that was read from a store.</summary>
    internal void Renew(MemoryEntry entry)
    {
        if (entry.Details is { SlidingTicks: > 0 } details)
        {
            bool isRenewalDue;
            lock (details)
            {
                isRenewalDue = Renew(entry, details, clock.Now);
            }

            if (isRenewalDue)
            {
                renewal?.Renew(entry, details);
            }
        }
    }

    /// <summary>Gives an entry the time that it has at the authority, which has confirmed it. The caller holds the key's lock.</summary>
    internal void Confirm(MemoryEntry entry, long expiresAt, long staleForTicks, TimeSpan? memoryLimit)
    {
        var details = entry.Details!; // whatever a store can confirm has them
        var now = clock.Now;
        lock (details)
        {
            // A sliding one may have been renewed here since it was there.
            details.ExpiresAt = details.SlidingTicks > 0 && !details.IsExpiredOnRequest ? Math.Max(expiresAt, details.ExpiresAt) : expiresAt;
            details.StaleForTicks = staleForTicks;
            details.IsExpiredOnRequest = false;
            details.IsLimitedInMemory = false;
            if (details.SlidingTicks == 0)
            {
                details.SlidingLimit = expiresAt;
            }

            if (memoryLimit is { } limit && CacheClock.Add(now, limit.Ticks) is var end && end < expiresAt)
            {
                var retainedUntil = CacheClock.Add(expiresAt, staleForTicks);
                details.ExpiresAt = end;
                details.LimitSlidingInMemory(end);
                details.StaleForTicks = retainedUntil == long.MaxValue ? long.MaxValue : retainedUntil - end;
                details.IsLimitedInMemory = true;
            }

            Volatile.Write(ref entry.FreshUntil, details.FreshUntil());
        }
    }

    /// <returns>Whether it is time to renew it in the stores as well.</returns>
    private bool Renew(MemoryEntry entry, EntryDetails details, long now)
    {
        if (details.IsExpiredOnRequest)
        {
            return false; // since it was judged; it must not come back
        }

        Volatile.Write(ref entry.FreshUntil, details.Slide(now, clock));
        if (now < details.StoreRenewalAt)
        {
            return false;
        }

        details.StoreRenewalAt = StoreRenewal.NextRenewal(now, details.SlidingTicks);
        return true;
    }
}
