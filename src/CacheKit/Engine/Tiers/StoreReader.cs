using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using CacheKit.Diagnostics;
using CacheKit.Memory;
using CacheKit.Serialization;
using CacheKit.Stores;

namespace CacheKit.Engine.Tiers;

/// <summary>Looks for entries in the stores, near to far, and fills the nearer ones on the way back.</summary>
/// <remarks>
/// Every read, hit or miss, leaves with the flight the condition to write that store under: taken before the factory runs, so that
/// whatever is invalidated from then on refuses the value.
/// </remarks>
internal sealed class StoreReader(
    StoreTier[] tiers, EntryCodec codec, EntryWriter writer, StoreTime time, NodeLink link, CacheReporter reporter, TypeMismatch typeMismatch,
    CacheEntryOptions defaults)
{
    /// <summary>Looks for the value of a flight.</summary>
    /// <param name="flight">The flight, which gets the conditions.</param>
    /// <param name="known">The entry memory holds, if it may be confirmed instead of read anew.</param>
    /// <param name="options">The options of the call.</param>
    /// <exception cref="CacheTypeMismatchException">The entry is of another type, and the cache is to throw then.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<StoreFinding> FindAsync<T>(Flight<T> flight, MemoryEntry? known, CacheEntryOptions? options)
    {
        flight.Conditions = new StoreCondition?[tiers.Length];
        flight.Suspicions = link.Suspicions;
        MemoryEntry? stale = null;
        var isFarAnswered = false;
        for (var i = 0; i < tiers.Length; i++)
        {
            if (!IsAsked(tiers[i], flight.Purpose))
            {
                continue;
            }

            var read = new StoreReadOptions
            {
                TagHints = known?.Details?.Tags ?? flight.KnownTags,
                KnownStamp = tiers[i].IsFar && known?.Details is { StoreStamp: > 0 } details ? details.StoreStamp : null,
                WithoutPayload = !tiers[i].Reads(flight.Purpose.Tiers),
            };
            var deliveries = tiers[i].Recovery.Deliveries;
            var answer = await tiers[i].ReadAsync(flight.Key, read, flight.Cancellation.StoreToken).ConfigureAwait(false);
            if (answer.TryGet(out var lookup))
            {
                isFarAnswered |= tiers[i].IsFar && tiers[i].Reads(flight.Purpose.Tiers);
                var finding = await StepAsync(flight, i, lookup, deliveries, known, options).ConfigureAwait(false);
                if (finding.Kind is StoreFindingKind.Found or StoreFindingKind.Confirmed)
                {
                    return finding;
                }

                stale ??= finding.Entry;
            }
        }

        flight.IsAuthoritySilent = !isFarAnswered;
        return new(isFarAnswered ? StoreFindingKind.Missing : StoreFindingKind.Unknown, stale);
    }

    /// <summary>Looks for the values of many flights, with one read of each store that can.</summary>
    /// <returns>For each flight what <see cref="FindAsync"/> would have returned or thrown.</returns>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "Whatever happens, happens to the flight.")]
    internal async ValueTask<(StoreFinding Finding, Exception? Exception)[]> FindManyAsync<T>(IReadOnlyList<Flight<T>> flights, CacheEntryOptions? options)
    {
        var found = new (StoreFinding Finding, Exception? Exception)[flights.Count];
        var pending = new List<int>(flights.Count);
        for (var i = 0; i < flights.Count; i++)
        {
            flights[i].Conditions = new StoreCondition?[tiers.Length];
            flights[i].Suspicions = link.Suspicions;
            flights[i].IsAuthoritySilent = true;
            found[i].Finding = new(StoreFindingKind.Unknown, null);
            pending.Add(i);
        }

        for (var tier = 0; tier < tiers.Length && pending.Count > 0; tier++)
        {
            if (!IsAsked(tiers[tier], flights[0].Purpose)) // they are all of one call
            {
                continue;
            }

            var keys = pending.ConvertAll(index => flights[index].Key);
            var read = new StoreReadOptions { TagHints = flights[0].KnownTags, WithoutPayload = !tiers[tier].Reads(flights[0].Purpose.Tiers) };
            var deliveries = tiers[tier].Recovery.Deliveries;
            var lookups = await tiers[tier].ReadManyAsync(keys, read, flights[0].Cancellation.StoreToken).ConfigureAwait(false);
            var rest = new List<int>();
            for (var i = 0; i < lookups.Length; i++)
            {
                var index = pending[i];
                rest.Add(index);
                if (!lookups[i].TryGet(out var lookup))
                {
                    continue;
                }

                try
                {
                    var finding = await StepAsync(flights[index], tier, lookup, deliveries, known: null, options).ConfigureAwait(false);
                    var isFarAnswered = tiers[tier].IsFar && tiers[tier].Reads(flights[index].Purpose.Tiers);
                    flights[index].IsAuthoritySilent = !isFarAnswered;
                    var kind = finding.Kind == StoreFindingKind.Missing && !isFarAnswered ? StoreFindingKind.Unknown : finding.Kind;
                    found[index].Finding = finding with { Kind = kind, Entry = finding.Entry ?? found[index].Finding.Entry };
                }
                catch (Exception exception)
                {
                    found[index].Exception = exception; // what is wrong with one must not fail the others
                }

                if (found[index].Exception is not null || found[index].Finding.Kind == StoreFindingKind.Found)
                {
                    rest.RemoveAt(rest.Count - 1);
                }
            }

            pending = rest;
        }

        return found;
    }

    /// <summary>Whether a store is asked at all: for its value, or for the condition to write it under.</summary>
    private static bool IsAsked(StoreTier tier, FlightPurpose purpose) =>
        tier.Reads(purpose.Tiers) || (!purpose.IsRead && tier.Writes(purpose.Tiers));

    /// <summary>Deals with what one store has answered, and disposes it.</summary>
    /// <param name="flight">The flight.</param>
    /// <param name="index">Which store.</param>
    /// <param name="lookup">What it has answered.</param>
    /// <param name="deliveries">What it had been told late by the time it was asked.</param>
    /// <param name="known">The entry memory holds.</param>
    /// <param name="options">The options of the call.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreFinding> StepAsync<T>(
        Flight<T> flight, int index, StoreLookup lookup, long deliveries, MemoryEntry? known, CacheEntryOptions? options)
    {
        using (lookup)
        {
            var tier = tiers[index];
            var conditions = flight.Conditions!; // set by whoever asks
            flight.IsAtAuthority |= tier.IsFar && lookup.IsFound;

            // What it has seen and could not use, it replaces, unless that has changed; else what came since its read refuses it.
            conditions[index] = lookup.IsFound && lookup.Stamp >= lookup.LoadStamp
                ? StoreCondition.IfUnchanged(lookup.Stamp)
                : StoreCondition.IfCurrent(lookup.LoadStamp);
            if (!lookup.IsFound || !tier.Reads(flight.Purpose.Tiers))
            {
                return default;
            }

            if (lookup.Status == StoreLookupStatus.NotModified)
            {
                var isKept = !tier.Recovery.Covers(flight.Key, known!.Details!.Tags, deliveries); // asked for with its stamp
                flight.IsKnownKept = isKept;
                return isKept && lookup.ExpiresAt > time.UtcNow ? Confirmed(lookup) : default;
            }

            var finding = await UseAsync(flight, tier, lookup, deliveries, options).ConfigureAwait(false);
            if (finding.Kind == StoreFindingKind.Found && flight.MayFill)
            {
                await FillAsync(flight, index, conditions, lookup, finding).ConfigureAwait(false);
            }

            return finding;
        }
    }

    /// <summary>Reads what the stores keep of an entry, the authority's word first. The caller disposes it.</summary>
    /// <returns>Nothing if none could be asked; else a lookup, which may be of a missing entry, and the store it is from.</returns>
    internal async ValueTask<(StoreTier Tier, StoreLookup Lookup)?> PeekAsync(string key, bool withPayload, CancellationToken cancellationToken)
    {
        (StoreTier, StoreLookup)? missing = null;
        for (var i = tiers.Length - 1; i >= 0; i--)
        {
            var tier = tiers[i];

            // Which tags an entry has, and so whether a pending removal covers it, only its bytes tell.
            var isPending = !tier.Recovery.IsEmpty;
            var deliveries = tier.Recovery.Deliveries;
            var answer = await tier.ReadAsync(key, new() { WithoutPayload = !withPayload && !isPending }, cancellationToken).ConfigureAwait(false);
            if (!answer.TryGet(out var lookup))
            {
                continue;
            }

            if (lookup.IsFound && (tier.IsFar || lookup.Stamp >= tier.TrustedSince) && !tier.Recovery.Covers(key, isPending ? TagsOf(key, lookup) : [], deliveries))
            {
                return (tier, lookup);
            }

            missing ??= (tier, StoreLookup.Missing(lookup.LoadStamp));
            lookup.Dispose();
        }

        return missing;
    }

    /// <summary>Reads what the stores keep of an entry beside its payload, the authority's word first.</summary>
    /// <returns>A lookup that is disposed already; <see langword="null"/> if there is no entry, or none could be asked.</returns>
    internal async ValueTask<StoreLookup?> PeekAsync(string key, CancellationToken cancellationToken)
    {
        if (await PeekAsync(key, withPayload: false, cancellationToken).ConfigureAwait(false) is not { Lookup: { IsFound: true } found })
        {
            return null;
        }

        found.Dispose();
        return found;
    }

    /// <summary>Whether the stores have an unexpired entry, as far as they can be asked.</summary>
    internal async ValueTask<bool> IsFreshAsync(string key, CancellationToken cancellationToken) =>
        await PeekAsync(key, cancellationToken).ConfigureAwait(false) is { } found && found.ExpiresAt > time.UtcNow;

    /// <summary>The tags of an entry; null if the store alone knows them, as it does of its own counters.</summary>
    private static string[]? TagsOf(string key, in StoreLookup lookup) =>
        lookup.Number is not null ? null : EntryCodec.TryParse(lookup.Payload, key, out var envelope) ? envelope.Tags : [];

    private StoreFinding Confirmed(in StoreLookup lookup) => new(
        StoreFindingKind.Confirmed, null, time.ToTicks(lookup.ExpiresAt), StaleFor(lookup));

    private static long StaleFor(in StoreLookup lookup) =>
        lookup.RetainUntil == DateTimeOffset.MaxValue && lookup.ExpiresAt == DateTimeOffset.MaxValue ? 0
        : Math.Max(0, lookup.RetainUntil.UtcTicks - lookup.ExpiresAt.UtcTicks);

    private static DateTimeOffset? ExpiredAt(in StoreLookup lookup) =>
        lookup.ExpiredAt ?? (lookup.ExpiresAt == DateTimeOffset.MinValue ? null : lookup.ExpiresAt);

    /// <summary>Whether a value past its expiration may stand in. One expired on request may for its stale time from then on, if that is known.</summary>
    private bool IsKeptStale(in StoreLookup lookup, in Envelope envelope)
    {
        var now = time.UtcNow;
        return envelope.StaleFor > TimeSpan.Zero && now < lookup.RetainUntil
            && (ExpiredAt(lookup) is not { } since || now < StoreTime.Add(since, envelope.StaleFor.Ticks));
    }

    /// <summary>Makes an entry of what a store has given: fresh, or stale, or none if it cannot be used.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreFinding> UseAsync<T>(
        Flight<T> flight, StoreTier tier, StoreLookup lookup, long deliveries, CacheEntryOptions? options)
    {
        var key = flight.Key;
        var isFresh = lookup.ExpiresAt > time.UtcNow;
        if (lookup.Number is { } number)
        {
            // Its tags are known to the store alone: a removal by any tag may be one of it. And what others add to it they do not tell.
            if (!isFresh || tier.Recovery.Covers(key, tags: null, deliveries))
            {
                return default;
            }

            return new(StoreFindingKind.Found, writer.Compose(key, number, DetailsOf(lookup), isolate: null, size: null), FitsMemory: false);
        }

        if (!EntryCodec.TryParse(lookup.Payload, key, out var envelope))
        {
            tier.Guard.Reporter.Unreadable(key);
            return default;
        }

        if (tier.Recovery.Covers(key, envelope.Tags, deliveries) || (!isFresh && !IsKeptStale(lookup, envelope)))
        {
            return default;
        }

        // A near store's copy may have outlived its entry at the last one: that is asked by its stamp, without the bytes.
        if (!tier.IsFar && lookup.Stamp < tier.TrustedSince && !await IsConfirmedAsync(key, tier, lookup.Stamp, envelope, flight.Cancellation.StoreToken).ConfigureAwait(false))
        {
            return default;
        }

        var receiver = new EntryReceiver(this, key, DetailsOf(lookup, tier, envelope, options), options);
        switch (codec.TryDecode<T, EntryReceiver>(envelope, ref receiver, out _))
        {
            case DecodeStatus.Decoded:
                flight.FoundTags = isFresh ? envelope.Tags : null;
                return new(isFresh ? StoreFindingKind.Found : StoreFindingKind.Missing, receiver.Entry);
            case DecodeStatus.TypeMismatch when isFresh && typeMismatch == TypeMismatch.Throw:
                throw new CacheTypeMismatchException(typeof(T), envelope.TypeName);
            case DecodeStatus.Corrupt:
                tier.Guard.Reporter.Unreadable(key);
                return default;
            case DecodeStatus.UnknownType:
                reporter.UnknownType(tier.Name, envelope.ValueTypeName);
                return default;
            default:
                return default;
        }
    }

    /// <summary>Whether what a near store has, which may have outlived its entry at the last one, is still that one's: it is asked by the stamp.</summary>
    internal async ValueTask<bool> IsConfirmedAsync(string key, StoreTier near, long nearStamp, Envelope envelope, CancellationToken cancellationToken)
    {
        var (stamp, tags) = (envelope.Stamp, envelope.Tags);
        if (stamp == 0)
        {
            return false;
        }

        var far = tiers[^1];
        var deliveries = far.Recovery.Deliveries;
        var answer = await far.ReadAsync(key, new() { TagHints = tags, KnownStamp = stamp, WithoutPayload = true }, cancellationToken).ConfigureAwait(false);
        if (!answer.TryGet(out var lookup))
        {
            return link.MayTrust(near, nearStamp);
        }

        using (lookup)
        {
            return lookup.IsFound && lookup.Stamp == stamp && lookup.ExpiresAt > time.UtcNow && !far.Recovery.Covers(key, tags, deliveries);
        }
    }

    private EntryDetails DetailsOf(in StoreLookup lookup) => new()
    {
        ExpiresAt = time.ToTicks(lookup.ExpiresAt),
        SlidingLimit = time.ToTicks(lookup.ExpiresAt),
        StoreStamp = lookup.Stamp,
    };

    internal EntryDetails DetailsOf(in StoreLookup lookup, StoreTier tier, in Envelope envelope, CacheEntryOptions? options)
    {
        var details = DetailsOf(lookup);
        details.Tags = envelope.Tags;
        if (ExpiredAt(lookup) is { } expiredAt && lookup.ExpiresAt == DateTimeOffset.MinValue)
        {
            details.ExpiresAt = details.SlidingLimit = time.ToTicks(expiredAt);
            details.StaleForTicks = Math.Min(Math.Max(0, lookup.RetainUntil.UtcTicks - expiredAt.UtcTicks), envelope.StaleFor.Ticks);
        }
        else
        {
            details.StaleForTicks = lookup.ExpiresAt == DateTimeOffset.MinValue ? StaleFor(lookup) : Math.Min(StaleFor(lookup), envelope.StaleFor.Ticks);
        }

        details.StoreStamp = tier.IsFar ? lookup.Stamp : envelope.Stamp;
        if (envelope.Sliding > TimeSpan.Zero)
        {
            details.SlidingTicks = envelope.Sliding.Ticks;
            details.SlidingLimit = time.ToTicks(envelope.ExpiresAt);
            // As old as what it has left says: this read renews it, in the store only once a share of the window has passed.
            details.StoreRenewalAt = StoreRenewal.NextRenewal(details.ExpiresAt - details.SlidingTicks, details.SlidingTicks);
        }
        else if ((options?.RefreshAheadThreshold ?? defaults.RefreshAheadThreshold) is { } share
            && lookup.ExpiresAt == envelope.ExpiresAt && lookup.ExpiresAt != DateTimeOffset.MaxValue)
        {
            var life = lookup.ExpiresAt.UtcTicks - envelope.CreatedAt.UtcTicks;
            details.RefreshAt = time.ToTicks(StoreTime.Add(envelope.CreatedAt, (long)(life * share)));
        }

        return details;
    }

    /// <summary>Writes what was found to the stores nearer than where it was, unless it was invalidated there since they were asked.</summary>
    private async ValueTask FillAsync(
        Flight flight, int foundAt, StoreCondition?[] conditions, StoreLookup lookup, StoreFinding finding)
    {
        if (foundAt == 0 || !finding.FitsMemory || finding.Entry is not { Details: { } details })
        {
            return;
        }

        // A copy of its own: it is told the authority's stamp, and the buffer it came in may be the store's.
        byte[]? copy = null;
        for (var i = foundAt - 1; i >= 0; i--)
        {
            if (conditions[i] is not { } condition || !tiers[i].Writes(flight.Purpose.Tiers) || !tiers[i].Takes(lookup.Payload.Length))
            {
                continue;
            }

            if (copy is null)
            {
                copy = lookup.Payload.ToArray();
                EntryCodec.PatchStamp(copy, details.StoreStamp);
            }

            // Never changed again, so that a write given up may end when it likes.
            await tiers[i].WriteAsync(flight.Key, EntryFor(tiers[i], copy, lookup.ExpiresAt, lookup.RetainUntil, details.Tags), condition).ConfigureAwait(false);
            if (IsDoubtful(flight))
            {
                // Its stamp may say that it came after what was missed, and it was read before.
                await tiers[i].InvalidateAsync(flight.Key, InvalidationKind.Remove).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether messages may have been lost since a flight began.</summary>
    internal bool IsDoubtful(Flight flight) => link.Suspicions != flight.Suspicions;

    /// <summary>The entry as a tier is to keep it, which may be for a shorter time.</summary>
    internal StoreEntry EntryFor(StoreTier tier, ReadOnlyMemory<byte> payload, DateTimeOffset expiresAt, DateTimeOffset retainUntil, string[] tags)
    {
        if (tier.Options.MaximumExpiration is { } limit)
        {
            var end = StoreTime.Add(time.UtcNow, limit.Ticks);
            expiresAt = expiresAt < end ? expiresAt : end;
            retainUntil = retainUntil < end ? retainUntil : end;
        }

        return new() { Payload = payload, ExpiresAt = expiresAt, RetainUntil = retainUntil, Tags = tags };
    }

    /// <summary>Makes the entry of a value of whatever type it was stored as.</summary>
    private struct EntryReceiver(StoreReader reader, string key, EntryDetails details, CacheEntryOptions? options) : IDecodedValue
    {
        internal MemoryEntry? Entry { get; private set; }

        public void Accept<TStored>(TStored value) => Entry = reader.Compose(key, value, details, options);
    }

    internal MemoryEntry Compose<T>(string key, T value, EntryDetails details, CacheEntryOptions? options) => writer.Compose(
        key, value, details, options?.Isolate ?? defaults.Isolate, options?.Size ?? defaults.Size);
}
