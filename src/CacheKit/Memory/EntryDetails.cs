using Microsoft.Extensions.Primitives;

namespace CacheKit.Memory;

/// <summary>What an entry has beyond a key, a value and an expiration. Changed only under the key's lock, but for the instants.</summary>
internal sealed class EntryDetails
{
    /// <summary>The instant from which the entry is absent. A reader who renews a sliding entry writes it too.</summary>
    internal long ExpiresAt = long.MaxValue;

    /// <summary>For a sliding entry, the window, in ticks; else 0.</summary>
    internal long SlidingTicks;

    /// <summary>The instant no renewal goes past.</summary>
    internal long SlidingLimit = long.MaxValue;

    internal long StaleForTicks;

    /// <summary>From this instant a get-or-create refreshes the entry in the background.</summary>
    internal long RefreshAt = long.MaxValue;

    /// <summary>After a failure, the instant before which the factory is not tried again.</summary>
    internal long RetryAt = long.MinValue;

    /// <summary>Whether it was expired before its time. Whoever judged it before that must not give it more.</summary>
    internal bool IsExpiredOnRequest;

    internal string[] Tags = [];

    /// <summary>The stamp of the entry in the last store, by which that is asked whether it still stands; 0 if it is not there.</summary>
    internal long StoreStamp;

    /// <summary>Whether memory lets go of it before its time is over, to ask the stores again.</summary>
    internal bool IsLimitedInMemory;

    /// <summary>For a sliding entry that stores hold too, the instant from which a read renews it there.</summary>
    internal long StoreRenewalAt = long.MaxValue;

    internal IReadOnlyList<IChangeToken>? Tokens;

    /// <summary>The registrations with <see cref="Tokens"/>, undone when the entry leaves.</summary>
    internal List<IDisposable>? Registrations;

    /// <summary>Whether the tokens must be asked: until they are registered with, and if one does not call back.</summary>
    internal bool HasPolledTokens;

    /// <summary>The same for another entry, which registers with the tokens itself.</summary>
    internal EntryDetails Copy()
    {
        lock (this)
        {
            var copy = (EntryDetails)MemberwiseClone();
            copy.Registrations = null;
            copy.HasPolledTokens = copy.Tokens is { Count: > 0 };
            return copy;
        }
    }

    /// <summary>Until when a hit needs no closer look, as things stand.</summary>
    internal long FreshUntil(long now, CacheClock clock)
    {
        if (HasPolledTokens)
        {
            return long.MinValue;
        }

        var until = Math.Min(RefreshAt, ExpiresAt == long.MaxValue ? long.MaxValue : ExpiresAt - MemoryEntry.Margin);
        return SlidingTicks > 0 ? Math.Min(until, now + clock.CoarseLag) : until;
    }
}
