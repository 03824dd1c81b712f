using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;

namespace CacheKit.Engine;

/// <summary>What a look-up in memory came upon.</summary>
/// <param name="State">Whether it may be served.</param>
/// <param name="Entry">The entry in the table, if one was left there.</param>
/// <param name="Value">Its value, unless <paramref name="State"/> is <see cref="EntryState.Gone"/>.</param>
internal readonly record struct Sighting<T>(EntryState State, MemoryEntry? Entry, T Value)
{
    internal bool IsFresh => State is EntryState.Fresh or EntryState.Due;
}

/// <summary>Looks entries up in memory, judges them, and reads their values as the type asked for.</summary>
internal sealed class EntryReader(
    MemoryTier memory, EntryLife life, EntryWriter writer, CacheReporter reporter, TypeMismatch typeMismatch, SharedNews? news = null)
{
    /// <exception cref="CacheTypeMismatchException">The entry holds another type, and the cache is to throw then.</exception>
    internal Sighting<T> Look<T>(string key)
    {
        news?.Catch();
        if (memory.Find(key) is { } entry)
        {
            return Look<T>(entry);
        }

        life.ObserveTime();
        return new(EntryState.Gone, null, default!); // no value is read when gone
    }

    /// <summary>The same for a call that may leave memory out: then nothing is seen but the entry that is there, unjudged.</summary>
    internal Sighting<T> Look<T>(string key, CacheTiers tiers) =>
        (tiers & CacheTiers.ReadMemory) != 0 ? Look<T>(key) : new(EntryState.Gone, memory.Find(key), default!); // as above

    /// <param name="entry">The entry.</param>
    /// <param name="onlyFresh">Whether the caller serves nothing but what is fresh, and has it looked at once more otherwise: one request is one hit.</param>
    internal Sighting<T> Look<T>(MemoryEntry entry, bool onlyFresh = false)
    {
        var ended = new EndedEntries();
        var state = life.Judge(entry, isRead: true, ref ended);
        writer.Announce(in ended);
        if (state == EntryState.Gone)
        {
            return new(EntryState.Gone, null, default!); // as above
        }

        if (ValueReader.TryRead<T>(entry, out var value))
        {
            if (!onlyFresh || state == EntryState.Fresh)
            {
                memory.OnHit(entry);
            }

            return new(state, entry, value);
        }

        return typeMismatch == TypeMismatch.Throw
            ? throw new CacheTypeMismatchException(typeof(T), entry.ValueType)
            : new(EntryState.Gone, entry, default!); // as above
    }

    /// <summary>What an entry that was seen before has come to, since the stores were asked.</summary>
    internal Sighting<T> LookAgain<T>(in Sighting<T> sighting) =>
        sighting.Entry is null || sighting.State == EntryState.Gone ? sighting
        : sighting.Entry.HasLeft ? new(EntryState.Gone, null, default!) // as above
        : sighting with { State = life.Peek(sighting.Entry) };

    /// <summary>The entry of a key, unjudged.</summary>
    internal MemoryEntry? Find(string key) => memory.Find(key);

    /// <summary>Judges the entry of a key without handing it out.</summary>
    internal EntryState Inspect(string key, bool isRead = false)
    {
        news?.Catch();
        if (memory.Find(key) is not { } entry)
        {
            return EntryState.Gone;
        }

        var ended = new EndedEntries();
        var state = life.Judge(entry, isRead, ref ended);
        writer.Announce(in ended);
        return state;
    }

    /// <summary>Looks up on behalf of a caller who creates nothing, and counts that.</summary>
    internal CacheLookup<T> Get<T>(string key, bool allowsStale)
    {
        var sighting = Look<T>(key);
        if (sighting.IsFresh)
        {
            reporter.Counters.Hit();
            return new(sighting.Value);
        }

        reporter.Counters.Miss();
        if (sighting.State != EntryState.Stale || !allowsStale)
        {
            return default;
        }

        reporter.StaleServed(key);
        return new(sighting.Value, isStale: true);
    }
}
