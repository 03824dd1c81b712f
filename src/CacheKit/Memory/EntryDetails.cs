using Microsoft.Extensions.Primitives;

namespace CacheKit.Memory;

/// <summary>What an entry has beyond a key, a value and an expiration. Changed only under the key's lock, but for the instants.</summary>
/// <remarks>
/// Tags and sliding time are fields of it. Everything else is in further objects, chained to it, each of which only those entries
/// have that need it: an entry with a tag pays for a tag. Members of an absent part read as their defaults; setting one to its
/// default does not make the part.
/// </remarks>
internal sealed class EntryDetails
{
    /// <summary>The instant from which the entry is absent. A reader who renews a sliding entry writes it too.</summary>
    internal long ExpiresAt = long.MaxValue;

    /// <summary>For a sliding entry, the window, in ticks; else 0.</summary>
    internal long SlidingTicks;

    internal string[] Tags = [];

    private Part? _parts;

    /// <summary>Whether it was expired before its time. Whoever judged it before that must not give it more.</summary>
    internal bool IsExpiredOnRequest;

    /// <summary>Whether the tokens must be asked: until they are registered with, and if one does not call back.</summary>
    internal bool HasPolledTokens;

    /// <summary>Whether it was made while the authority could not be asked: as soon as that answers, its word counts.</summary>
    internal bool IsUnconfirmed;

    /// <summary>Whether it was made for memory and no store.</summary>
    internal bool IsOfMemoryAlone;

    /// <summary>Whether memory lets go of it before its time is over, to ask the stores again.</summary>
    internal bool IsLimitedInMemory;

    /// <summary>The instant no renewal of a sliding entry goes past. Kept for sliding entries only.</summary>
    internal long SlidingLimit
    {
        get => Find<TimePart>()?.SlidingLimit ?? long.MaxValue;
        set
        {
            if (PartFor<TimePart>(value == long.MaxValue || SlidingTicks == 0) is { } part)
            {
                part.SlidingLimit = value;
            }
        }
    }

    internal long StaleForTicks
    {
        get => Find<TimePart>()?.StaleForTicks ?? 0;
        set
        {
            if (PartFor<TimePart>(value == 0) is { } part)
            {
                Volatile.Write(ref part.StaleForTicks, value);
            }
        }
    }

    /// <summary>From this instant a get-or-create refreshes the entry in the background.</summary>
    internal long RefreshAt
    {
        get => Find<TimePart>()?.RefreshAt ?? long.MaxValue;
        set
        {
            if (PartFor<TimePart>(value == long.MaxValue) is { } part)
            {
                part.RefreshAt = value;
            }
        }
    }

    /// <summary>After a failure, the instant before which the factory is not tried again. Read without a lock.</summary>
    internal long RetryAt
    {
        get => Find<TimePart>() is { } part ? Volatile.Read(ref part.RetryAt) : long.MinValue;
        set
        {
            if (PartFor<TimePart>(value == long.MinValue) is { } part)
            {
                Volatile.Write(ref part.RetryAt, value);
            }
        }
    }

    /// <summary>The stamp of the entry in the last store, by which that is asked whether it still stands; 0 if it is not there.</summary>
    internal long StoreStamp
    {
        get => Find<StorePart>() is { } part ? Volatile.Read(ref part.Stamp) : 0;
        set
        {
            if (PartFor<StorePart>(value == 0) is { } part)
            {
                Volatile.Write(ref part.Stamp, value);
            }
        }
    }

    /// <summary>For a sliding entry that stores hold too, the instant from which a read renews it there.</summary>
    internal long StoreRenewalAt
    {
        get => Find<StorePart>() is { } part ? Volatile.Read(ref part.RenewalAt) : long.MaxValue;
        set
        {
            if (PartFor<StorePart>(value == long.MaxValue) is { } part)
            {
                Volatile.Write(ref part.RenewalAt, value);
            }
        }
    }

    /// <summary>For a sliding entry that memory keeps for less than stores do, what <see cref="SlidingLimit"/> is there; else negative.</summary>
    internal long StoreSlidingLimit => Find<StorePart>()?.SlidingLimit ?? -1;

    /// <summary>For such an entry, what <see cref="StaleForTicks"/> is there.</summary>
    internal long StoreStaleForTicks => Find<StorePart>()?.StaleForTicks ?? 0;

    /// <summary>Has no renewal in memory go past an instant, whatever the stores keep it for.</summary>
    internal void LimitSlidingInMemory(long instant)
    {
        if (SlidingTicks > 0 && StoreSlidingLimit < 0)
        {
            var part = Take<StorePart>();
            part.StaleForTicks = StaleForTicks;
            part.SlidingLimit = SlidingLimit;
        }

        SlidingLimit = Math.Min(StoreSlidingLimit < 0 ? SlidingLimit : StoreSlidingLimit, instant);
    }

    internal IReadOnlyList<IChangeToken>? Tokens
    {
        get => Find<TokenPart>()?.Tokens;
        set
        {
            if (PartFor<TokenPart>(value is null) is { } part)
            {
                part.Tokens = value;
            }
        }
    }

    /// <summary>The registrations with <see cref="Tokens"/>, undone when the entry leaves.</summary>
    internal List<IDisposable>? Registrations
    {
        get => Find<TokenPart>()?.Registrations;
        set
        {
            if (PartFor<TokenPart>(value is null) is { } part)
            {
                part.Registrations = value;
            }
        }
    }

    /// <summary>The weight of an entry that weighs more than four bytes can say.</summary>
    internal long LargeWeight
    {
        get => Find<WeightPart>()?.Weight ?? 1;
        set => Take<WeightPart>().Weight = value;
    }

    /// <summary>What it takes, with the reference to it: the object itself is 56 bytes.</summary>
    internal long Bytes
    {
        get
        {
            var bytes = 64L;
            for (var part = Volatile.Read(ref _parts); part is not null; part = part.Next)
            {
                bytes += part.Bytes;
            }

            return bytes;
        }
    }

    /// <summary>The same for another entry, which registers with the tokens itself.</summary>
    internal EntryDetails Copy()
    {
        lock (this)
        {
            var copy = (EntryDetails)MemberwiseClone();
            copy._parts = null;
            for (var part = Volatile.Read(ref _parts); part is not null; part = part.Next)
            {
                copy._parts = part.Copy(copy._parts);
            }

            copy.Registrations = null;
            copy.HasPolledTokens = copy.Tokens is { Count: > 0 };
            return copy;
        }
    }

    /// <summary>Until when a hit needs no closer look, as things stand: of a sliding entry, at no time, since each read adds to its life.</summary>
    internal long FreshUntil() => SlidingTicks > 0 ? long.MinValue : FreshUntilRead();

    /// <summary>
    /// Gives a sliding entry its window anew, counted from now. The caller holds the lock of this object.
    /// </summary>
    /// <returns>Until when hits need no closer look: what reads up to then would have added to its life has been added.</returns>
    internal long Slide(long now, CacheClock clock)
    {
        var lag = SlidingLag(clock);
        var expiresAt = CacheClock.Add(now, CacheClock.Add(SlidingTicks, lag));
        ExpiresAt = Math.Max(ExpiresAt, Math.Min(expiresAt, SlidingLimit));

        // By the coarse clock, which is behind: a read at the last instant it lets pass was still paid for.
        return lag == 0 ? long.MinValue : Math.Min(FreshUntilRead(), CacheClock.Add(now, lag - clock.CoarseLag));
    }

    /// <summary>How long after a renewal reads of a sliding entry are not noted; it lives longer by that, if it is then left alone.</summary>
    /// <remarks>
    /// A renewal takes a lock and asks the precise clock. A two-hundredth of the window, a second at most: so a busy entry is renewed once in many thousand hits.
    /// Of a window under 20 seconds that would be too short for the coarse clock to tell: each read renews it.
    /// </remarks>
    internal long SlidingLag(CacheClock clock) =>
        clock.CoarseLag > 0 && SlidingTicks / 200 is var part && part >= 2 * clock.CoarseLag ? Math.Min(part, TimeSpan.TicksPerSecond) : 0;

    private long FreshUntilRead() => HasPolledTokens || IsUnconfirmed ? long.MinValue
        : Math.Min(RefreshAt, ExpiresAt == long.MaxValue ? long.MaxValue : ExpiresAt - MemoryEntry.Margin);

    /// <summary>The part to write to: one that is absent is made only for what is not its default.</summary>
    private TPart? PartFor<TPart>(bool isDefault)
        where TPart : Part, new() => isDefault ? Find<TPart>() : Take<TPart>();

    private TPart? Find<TPart>()
        where TPart : Part
    {
        for (var part = Volatile.Read(ref _parts); part is not null; part = part.Next)
        {
            if (part is TPart found)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>The part, made if it is absent. Readers may be in the chain: a new part goes to its front.</summary>
    private TPart Take<TPart>()
        where TPart : Part, new()
    {
        while (true)
        {
            var first = Volatile.Read(ref _parts);
            if (Find<TPart>() is { } found)
            {
                return found;
            }

            var made = new TPart { Next = first };
            if (ReferenceEquals(Interlocked.CompareExchange(ref _parts, made, first), first))
            {
                return made;
            }
        }
    }

    private abstract class Part
    {
        internal Part? Next;

        internal abstract int Bytes { get; }

        internal Part Copy(Part? next)
        {
            var copy = (Part)MemberwiseClone();
            copy.Next = next;
            return copy;
        }
    }

    private sealed class TimePart : Part
    {
        internal override int Bytes => 56;

        internal long SlidingLimit = long.MaxValue;
        internal long StaleForTicks;
        internal long RefreshAt = long.MaxValue;
        internal long RetryAt = long.MinValue;
    }

    private sealed class StorePart : Part
    {
        internal override int Bytes => 56;

        internal long Stamp;
        internal long RenewalAt = long.MaxValue;
        internal long SlidingLimit = -1;
        internal long StaleForTicks;
    }

    private sealed class TokenPart : Part
    {
        internal override int Bytes => 40;

        internal IReadOnlyList<IChangeToken>? Tokens;
        internal List<IDisposable>? Registrations;
    }

    private sealed class WeightPart : Part
    {
        internal override int Bytes => 32;

        internal long Weight;
    }
}
