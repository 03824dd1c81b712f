using CacheKit.Diagnostics;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>Makes entries, puts them into memory, and tells of those that have left.</summary>
internal sealed class EntryWriter(
    MemoryTier memory, CacheClock clock, ValueIsolation isolation, Func<string, object?, long>? sizeOf, bool countsBytes,
    CacheReporter reporter)
{
    /// <summary>Makes an entry, not yet valid for any stamp. Runs the caller's code (copying, sizing): under no lock.</summary>
    internal MemoryEntry Compose<T>(string key, T value, in EntrySettings settings)
    {
        MemoryEntry entry = isolation.Applies(value, settings.Isolate) ? isolation.Capture(key, value) : new MemoryEntry<T>(key, value);
        if (countsBytes)
        {
            entry.Weight = settings.Size ?? SizeOf(key, entry, value);
        }

        settings.Apply(entry, clock);
        return entry;
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
        if (stored is not null)
        {
            if (isStored)
            {
                Watch(stored);
            }
            else
            {
                reporter.EntryRefused(stored, memory.MaximumWeight);
            }
        }

        Announce(in ended);
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
        var none = new EndedEntries();
        memory.Sweep(
            static entry =>
            {
                if (entry.Details is { Tokens: not null } details)
                {
                    Unwatch(details);
                }

                return null;
            },
            ref none);
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
        foreach (var token in tokens)
        {
            if (token.ActiveChangeCallbacks)
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

        var now = clock.Now;
        var isPolled = registrations.Count < tokens.Count;
        lock (details)
        {
            details.Registrations = registrations;
            details.HasPolledTokens = isPolled;
            Volatile.Write(ref entry.FreshUntil, details.FreshUntil(now, clock));
        }

        // If it left before its registrations were known, nobody else undoes them.
        if (entry.HasLeft)
        {
            Unwatch(details);
        }
    }

    private static void Unwatch(EntryDetails details)
    {
        List<IDisposable>? registrations;
        lock (details)
        {
            registrations = details.Registrations;
            details.Registrations = null;
        }

        foreach (var registration in registrations ?? [])
        {
            registration.Dispose();
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
