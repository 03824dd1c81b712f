using System.Diagnostics.CodeAnalysis;
using CacheKit.Diagnostics;
using CacheKit.Engine.Isolation;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Makes entries, puts them into memory, and tells of those that have left.</summary>
internal sealed class EntryWriter(
    MemoryTier memory, CacheClock clock, ValueIsolation isolation, Func<string, object?, long>? sizeOf, bool countsBytes,
    CacheReporter reporter, bool hasStores = false)
{
    private volatile bool _isClosed;

    /// <summary>Makes an entry, not yet valid for any stamp. Runs the caller's code (copying, sizing): under no lock.</summary>
    internal MemoryEntry Compose<T>(string key, T value, EntrySettings settings)
    {
        var entry = Hold(key, value, settings.Isolate, settings.Size, hasStores || settings.NeedsDetails);
        settings.Apply(entry, clock, hasStores);
        if (!hasStores)
        {
            LimitInMemory(entry, settings.MemoryExpiration);
        }

        AddDetails(entry, settings.Size);
        return entry;
    }

    /// <summary>Makes an entry of what a store has given, with the times it has there.</summary>
    internal MemoryEntry Compose<T>(string key, T value, EntryDetails details, bool? isolate, long? size)
    {
        var entry = Hold(key, value, isolate, size, hasDetails: true);
        entry.Details = details;
        entry.FreshUntil = details.FreshUntil();
        AddDetails(entry, size);
        return entry;
    }

    /// <summary>Has memory keep an entry no longer than so long before it asks the stores again. Not published yet.</summary>
    internal void LimitInMemory(MemoryEntry entry, TimeSpan? limit)
    {
        if (limit is { } time)
        {
            EndInMemoryAt(entry, CacheClock.Add(clock.Now, time.Ticks));
        }
    }

    /// <summary>Has an entry that is not published yet be compared with the authority before it is served. It has details.</summary>
    internal static void LeaveUnconfirmed(MemoryEntry entry)
    {
        entry.Details!.IsUnconfirmed = true; // as said
        entry.Details.StoreStamp = 0;
        entry.FreshUntil = long.MinValue;
    }

    /// <summary>The same, up to an instant.</summary>
    internal void EndInMemoryAt(MemoryEntry entry, long instant)
    {
        if (entry.Details is { } details)
        {
            lock (details)
            {
                // It is kept as long as it was to be: past the limit it may stand in if the stores are out of reach.
                var retainedUntil = CacheClock.Add(details.ExpiresAt, details.StaleForTicks);
                if (hasStores)
                {
                    details.LimitSlidingInMemory(instant);
                }
                else
                {
                    details.SlidingLimit = Math.Min(details.SlidingLimit, instant);
                }

                if (details.ExpiresAt > instant)
                {
                    details.ExpiresAt = instant;
                    details.IsLimitedInMemory = hasStores;
                    if (hasStores || details.StaleForTicks > 0)
                    {
                        details.StaleForTicks = retainedUntil == long.MaxValue ? long.MaxValue : retainedUntil - instant;
                    }
                }

                Volatile.Write(ref entry.FreshUntil, details.FreshUntil());
            }
        }
        else if (entry.ExpiresAt > instant)
        {
            Volatile.Write(ref entry.FreshUntil, instant - MemoryEntry.Margin);
        }
    }

    /// <summary>Stores an entry under a stamp. The caller holds the key's stripe.</summary>
    internal bool Put(MemoryEntry entry, long stamp, ref EndedEntries ended)
    {
        entry.ValidThrough = stamp;
        return memory.Put(entry, ref ended);
    }

    /// <summary>Does what follows a change, once all locks are released.</summary>
    /// <param name="stored">The entry that was to be stored, if any.</param>
    /// <param name="isStored">Whether it was taken in.</param>
    /// <param name="ended">What has left.</param>
    internal void Announce(MemoryEntry? stored, bool isStored, in EndedEntries ended)
    {
        try
        {
            if (stored is not null && isStored)
            {
                Watch(stored);
            }
        }
        finally
        {
            Announce(in ended);
        }

        // After what left in its stead: that there is nothing under the key now is because of this.
        if (stored is not null && !isStored)
        {
            reporter.EntryRefused(stored, memory.Bound);
        }
    }

    internal void Announce(in EndedEntries ended)
    {
        for (var i = 0; i < ended.Count; i++)
        {
            var (entry, reason) = ended[i];
            if (entry.Details is { Tokens: not null } details)
            {
                Unwatch(details);
            }

            reporter.EntryEnded(entry, reason);
        }
    }

    /// <summary>Lets go of every token, which may outlive the cache and would keep it in memory. When the cache is closed.</summary>
    internal void LetGoOfTokens()
    {
        _isClosed = true;
        memory.Sweep(entry =>
        {
            if (entry.Details is { Tokens: not null } details)
            {
                Unwatch(details);
            }

            return null;
        });
    }

    private MemoryEntry Hold<T>(string key, T value, bool? isolate, long? size, bool hasDetails)
    {
        MemoryEntry entry = isolation.Applies(value, isolate) ? isolation.Capture(key, value)
            : hasDetails ? new DetailedEntry<T>(key, value)
            : new MemoryEntry<T>(key, value);
        if (countsBytes)
        {
            // Nothing is free: what weighs nothing would not be bounded.
            var weight = Math.Max(1, size ?? SizeOf(key, entry, value));
            if (MemoryEntry.IsLarge(weight) && entry is MemoryEntry<T> and not DetailedEntry<T>)
            {
                entry = new DetailedEntry<T>(key, value);
            }

            entry.Weight = weight;
        }

        return entry;
    }

    /// <summary>Counts what an entry takes beside its value, where its size is estimated: with small values that may be half of it.</summary>
    private void AddDetails(MemoryEntry entry, long? size)
    {
        if (countsBytes && size is null && sizeOf is null && entry.Details is { } details)
        {
            var bytes = details.BytesWhere(isFromStore: hasStores);
            entry.Weight = entry.Weight < long.MaxValue - bytes ? entry.Weight + bytes : long.MaxValue;
        }
    }

    private long SizeOf<T>(string key, MemoryEntry entry, T value)
    {
        if (sizeOf is null)
        {
            return SizeEstimator.Estimate(key, entry.StoredValue);
        }

        var size = sizeOf(key, value);
        return size >= 0
            ? size
            : throw new InvalidOperationException($"MemoryOptions.SizeOf returned {size}; a size is zero or more bytes.");
    }

    /// <summary>Has the entry's tokens end it. A token may have changed already, or change this instant: it then ends it here.</summary>
    private void Watch(MemoryEntry entry)
    {
        if (entry.Details is not { Tokens: { Count: > 0 } tokens } details)
        {
            return;
        }

        var registrations = new List<IDisposable>(tokens.Count);
        try
        {
            foreach (var token in tokens)
            {
                if (ChangeTokens.CallBack(token))
                {
                    registrations.Add(token.RegisterChangeCallback(
                        static state =>
                        {
                            var (writer, entry) = ((EntryWriter, MemoryEntry))state!; // as handed over below
                            writer.EndByToken(entry);
                        },
                        (this, entry)));
                }
            }
        }
        catch
        {
            // An entry that its tokens cannot end must not stay: the caller is told, and nothing is half done.
            Undo(registrations);
            EndByToken(entry);
            throw;
        }

        lock (details)
        {
            details.Registrations = registrations;
            details.HasPolledTokens = registrations.Count < tokens.Count;
            Volatile.Write(ref entry.FreshUntil, details.FreshUntil());
        }

        // A token that changed before it was registered with need not call back.
        if (tokens.Any(static token => token.HasChanged))
        {
            EndByToken(entry);
        }

        // If it left, or the cache was closed, before its registrations were known, nobody else undoes them.
        if (entry.HasLeft || _isClosed)
        {
            Unwatch(details);
        }
    }

    private void Unwatch(EntryDetails details)
    {
        List<IDisposable>? registrations;
        lock (details)
        {
            registrations = details.Registrations;
            details.Registrations = null;
        }

        Undo(registrations);
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A broken token must not keep the others from being let go.")]
    private void Undo(List<IDisposable>? registrations)
    {
        foreach (var registration in registrations ?? [])
        {
            try
            {
                registration.Dispose();
            }
            catch (Exception exception)
            {
                reporter.BackgroundWorkFailed(exception);
            }
        }
    }

    private void EndByToken(MemoryEntry entry)
    {
        var ended = new EndedEntries();
        if (memory.Remove(entry, CacheEntryEndReason.TokenChanged, ref ended))
        {
            Announce(in ended);
        }
    }
}
