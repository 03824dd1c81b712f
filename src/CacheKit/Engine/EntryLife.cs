using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>What a closer look at an entry finds.</summary>
internal enum EntryState
{
    /// <summary>It may be served.</summary>
    Fresh,

    /// <summary>It may be served, and it is time to refresh it.</summary>
    Due,

    /// <summary>It has expired, and may stand in if no newer value can be had.</summary>
    Stale,

    /// <summary>It was removed, or its time is over for good.</summary>
    Gone,
}

/// <summary>Decides whether an entry may be served, when comparing two numbers did not settle it; renews and ends its time.</summary>
/// <remarks>The instants of an entry's details change only under the lock of that object, which is held for a few instructions.</remarks>
internal sealed class EntryLife(CacheClock clock, TagClock tags, MemoryTier memory)
{
    /// <summary>Judges an entry, takes it out if it is gone, and renews it if it is sliding and read.</summary>
    /// <param name="entry">The entry, as found in the table.</param>
    /// <param name="isRead">Whether this is a read, which renews a sliding expiration.</param>
    /// <param name="ended">Receives the entry if it was taken out.</param>
    internal EntryState Judge(MemoryEntry entry, bool isRead, ref EndedEntries ended)
    {
        if (!IsCoveredByNoRemoval(entry))
        {
            memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
            return EntryState.Gone;
        }

        var now = clock.Now;
        var details = entry.Details;
        if (details is null)
        {
            if (now < entry.ExpiresAt)
            {
                return EntryState.Fresh;
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

            lock (details)
            {
                if (now < details.ExpiresAt)
                {
                    if (isRead && details.SlidingTicks > 0 && !details.IsExpiredOnRequest)
                    {
                        Renew(entry, details, now);
                    }

                    return now >= details.RefreshAt && now >= details.RetryAt ? EntryState.Due : EntryState.Fresh;
                }

                if (now < CacheClock.Add(details.ExpiresAt, details.StaleForTicks))
                {
                    return EntryState.Stale;
                }
            }
        }

        memory.Remove(entry, CacheEntryEndReason.Expired, ref ended);
        return EntryState.Gone;
    }

    /// <summary>Why an entry that nobody reads should leave, if its time is not over; for the upkeep.</summary>
    internal CacheEntryEndReason? ReasonToEnd(MemoryEntry entry) =>
        !IsCoveredByNoRemoval(entry) ? CacheEntryEndReason.Removed
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
        if (entry.Details is not { } details)
        {
            var expiresAt = CacheClock.Add(clock.Now, timeToLive.Ticks);
            Volatile.Write(ref entry.FreshUntil, expiresAt == long.MaxValue ? long.MaxValue : expiresAt - MemoryEntry.Margin);
            return true;
        }

        var now = clock.Now;
        lock (details)
        {
            if (details.IsExpiredOnRequest || now >= details.ExpiresAt)
            {
                return false; // since it was judged; it must not come back
            }

            details.ExpiresAt = CacheClock.Add(now, timeToLive.Ticks);
            details.SlidingTicks = 0;
            details.SlidingLimit = details.ExpiresAt;
            details.RefreshAt = long.MaxValue;
            Volatile.Write(ref entry.FreshUntil, details.FreshUntil(now, clock));
            return true;
        }
    }

    /// <summary>What is left of an entry's life; <see cref="TimeSpan.MaxValue"/> if it does not end.</summary>
    internal TimeSpan GetTimeToLive(MemoryEntry entry) =>
        entry.ExpiresAt is var expiresAt && expiresAt == long.MaxValue
            ? TimeSpan.MaxValue
            : TimeSpan.FromTicks(Math.Max(0, expiresAt - clock.Now));

    /// <summary>Compares the entry with the removals since it was last checked, and notes that it was.</summary>
    internal bool IsCoveredByNoRemoval(MemoryEntry entry)
    {
        // Read before the check: a removal that comes meanwhile moves it on, and the entry is looked at again.
        var last = tags.LastInvalidation;
        var validThrough = Volatile.Read(ref entry.ValidThrough);
        if (validThrough >= last)
        {
            return true;
        }

        switch (tags.Check(entry.Details?.Tags ?? [], validThrough))
        {
            case TagVerdict.Removed:
                return false;
            case TagVerdict.Stale:
                TryMakeStale(entry);
                break;
        }

        if (last != long.MaxValue) // which is no stamp: the cache is disposed
        {
            Volatile.Write(ref entry.ValidThrough, last);
        }

        return true;
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

    private void Renew(MemoryEntry entry, EntryDetails details, long now)
    {
        // For a while reads do not come here; what they would have added is added now.
        var expiresAt = CacheClock.Add(now, CacheClock.Add(details.SlidingTicks, details.SlidingLag(clock)));
        details.ExpiresAt = Math.Max(details.ExpiresAt, Math.Min(expiresAt, details.SlidingLimit));
        Volatile.Write(ref entry.FreshUntil, details.FreshUntil(now, clock));
    }
}
