using CacheKit.Memory;
using CacheKit.Stores;

namespace CacheKit.Engine;

/// <summary>Everything that changes the entry of one key, each atomic under the key's lock: set, add, remove, expire, count.</summary>
internal sealed class EntryEdits(
    Flights flights, TagClock tags, MemoryTier memory, EntryLife life, EntryWriter writer, CacheEntryOptions defaults)
{
    /// <summary>Stores a value in place of what is there.</summary>
    /// <returns>Whether it was stored: not if the options have nothing stored, or it was too heavy.</returns>
    internal bool Set<T>(string key, T value, EntrySettings settings)
    {
        if (!settings.IsStored || (settings.Tiers & CacheTiers.WriteMemory) == 0)
        {
            Remove(key);
            return false;
        }

        var hash = KeyHash.Of(key);
        memory.Expect(hash);
        var entry = writer.Compose(key, value, settings);
        entry.Hash = hash;
        var ended = new EndedEntries();
        var stripe = flights.StripeOf(hash);
        bool isTakenIn;
        lock (stripe.Lock)
        {
            // It is newer than every removal up to now, and needs no stamp of its own to be told from what is not.
            flights.DetachCurrent(stripe, key);
            isTakenIn = writer.Put(entry, tags.Current, ref ended);
        }

        writer.Announce(entry, isTakenIn, in ended);
        return isTakenIn;
    }

    /// <summary>Stores a value if no unexpired one is there.</summary>
    /// <returns>Whether it was stored.</returns>
    internal bool TryAdd<T>(string key, T value, EntrySettings settings)
    {
        if (!settings.IsStored || (settings.Tiers & CacheTiers.WriteMemory) == 0)
        {
            return false;
        }

        MemoryEntry? added = null;
        var isTakenIn = false;
        var ended = new EndedEntries();
        var stripe = flights.StripeOf(key);
        while (true)
        {
            var entry = Inspect(key, out var state);
            if (state is EntryState.Fresh or EntryState.Due)
            {
                return false;
            }

            added ??= writer.Compose(key, value, settings);
            lock (stripe.Lock)
            {
                if (ReferenceEquals(memory.Find(key), entry))
                {
                    flights.DetachCurrent(stripe, key);
                    isTakenIn = writer.Put(added, tags.Current, ref ended);
                    break;
                }
            }
        }

        writer.Announce(added, isTakenIn, in ended);
        return isTakenIn;
    }

    /// <summary>Removes the entry, and keeps the flight under way from storing another.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    internal bool Remove(string key) => End(key, isFinal: true);

    /// <summary>Makes the entry stale, and keeps the flight under way from storing another.</summary>
    /// <returns>Whether there was an unexpired one.</returns>
    internal bool Expire(string key) => End(key, isFinal: false);

    private bool End(string key, bool isFinal)
    {
        var ended = new EndedEntries();
        var stripe = flights.StripeOf(key);
        EntryState state;
        while (true)
        {
            var entry = Inspect(key, out state);
            lock (stripe.Lock)
            {
                if (!ReferenceEquals(memory.Find(key), entry))
                {
                    continue; // somebody has stored another since
                }

                flights.DetachCurrent(stripe, key, isFinal ? InvalidationKind.Remove : InvalidationKind.Expire);
                tags.Next();
                if (entry is not null && isFinal)
                {
                    memory.Remove(entry, CacheEntryEndReason.Removed, ref ended);
                }
                else if (entry is not null)
                {
                    life.Expire(entry, ref ended);
                }

                break;
            }
        }

        writer.Announce(in ended);
        return state is EntryState.Fresh or EntryState.Due;
    }

    /// <summary>Gives an unexpired entry a new time to live; none removes it.</summary>
    internal bool SetTimeToLive(string key, TimeSpan timeToLive)
    {
        if (timeToLive <= TimeSpan.Zero)
        {
            return Remove(key);
        }

        var stripe = flights.StripeOf(key);
        while (true)
        {
            var entry = Inspect(key, out var state);
            if (entry is null || state == EntryState.Stale)
            {
                return false;
            }

            lock (stripe.Lock)
            {
                if (ReferenceEquals(memory.Find(key), entry))
                {
                    return life.SetTimeToLive(entry, timeToLive);
                }
            }
        }
    }

    /// <summary>Adds to a counter, or creates it.</summary>
    /// <returns>The new number, and whether it was stored.</returns>
    /// <param name="key">The key.</param>
    /// <param name="delta">What to add.</param>
    /// <param name="options">As for a counter of the stores.</param>
    /// <param name="isUnconfirmed">Whether it is counted here because the authority cannot be asked.</param>
    internal (long Value, bool IsStored) Increment(string key, long delta, CacheCounterOptions? options, bool isUnconfirmed = false)
    {
        var stripe = flights.StripeOf(key);
        while (true)
        {
            var entry = Inspect(key, out var state);
            var isThere = state is EntryState.Fresh or EntryState.Due || (isUnconfirmed && state == EntryState.Suspect);
            var current = isThere ? ReadCounter(entry!) : options?.InitialValue ?? 0; // an entry that is fresh is not null
            var next = Step(current, delta, options);
            var settings = EntrySettings.For(options, defaults);
            if (!isThere && !settings.IsStored)
            {
                return (next, false);
            }

            var ended = new EndedEntries();
            var created = !isThere ? writer.Compose(key, next, settings)
                : entry!.Details is null ? new MemoryEntry<long>(key, next) { Weight = entry.Weight } // as above
                : new DetailedEntry<long>(key, next) { Weight = entry.Weight };
            bool isTakenIn;
            lock (stripe.Lock)
            {
                if (!ReferenceEquals(memory.Find(key), entry))
                {
                    continue;
                }

                flights.DetachCurrent(stripe, key);
                long stamp;
                if (isThere)
                {
                    // Made from the value that was there, so no newer than it: a removal that comes in between covers both.
                    stamp = Volatile.Read(ref entry!.ValidThrough); // as above
                    created.Details = entry.Details?.Copy();
                    created.FreshUntil = created.Details is { HasPolledTokens: true } ? long.MinValue : Volatile.Read(ref entry.FreshUntil);
                    tags.Next();
                }
                else
                {
                    stamp = tags.Next();
                }

                if (isUnconfirmed)
                {
                    EntryWriter.LeaveUnconfirmed(created);
                }

                isTakenIn = writer.Put(created, stamp, ref ended);
            }

            writer.Announce(created, isTakenIn, in ended);
            return (next, isTakenIn);
        }
    }

    internal bool IsFresh(string key, bool isRead)
    {
        var entry = Inspect(key, out var state, isRead);
        if (state is not (EntryState.Fresh or EntryState.Due))
        {
            return false;
        }

        if (isRead)
        {
            memory.OnHit(entry!); // what is fresh is there
        }

        return true;
    }

    /// <summary>What is left of the entry's life; null if there is no unexpired one.</summary>
    internal TimeSpan? GetTimeToLive(string key) =>
        Inspect(key, out var state) is { } entry && state is (EntryState.Fresh or EntryState.Due) ? life.GetTimeToLive(entry) : null;

    /// <summary>Finds and judges an entry without reading it; null if there is none or it is gone.</summary>
    private MemoryEntry? Inspect(string key, out EntryState state, bool isRead = false)
    {
        state = EntryState.Gone;
        if (memory.Find(key) is not { } entry)
        {
            return null;
        }

        var ended = new EndedEntries();
        state = life.Judge(entry, isRead, ref ended);
        writer.Announce(in ended);
        return state == EntryState.Gone ? null : entry;
    }

    /// <summary>The number of a counter's entry.</summary>
    /// <exception cref="CacheTypeMismatchException">It is not an integer.</exception>
    internal static long ReadCounter(MemoryEntry entry) =>
        ValueReader.TryRead<long>(entry, out var value) ? value : throw new CacheTypeMismatchException(typeof(long), entry.ValueType);

    /// <summary>The number after one step, within the bounds.</summary>
    internal static long Step(long current, long delta, CacheCounterOptions? options)
    {
        CheckBounds(options);
        return (long)Int128.Clamp((Int128)current + delta, options?.Minimum ?? long.MinValue, options?.Maximum ?? long.MaxValue);
    }

    /// <summary>Throws if the bounds of a counter contradict each other.</summary>
    internal static void CheckBounds(CacheCounterOptions? options)
    {
        if (options is { } given && given.Minimum > given.Maximum)
        {
            throw new ArgumentException($"The counter's Minimum of {options.Minimum} is above its Maximum of {options.Maximum}.", nameof(options));
        }
    }
}
