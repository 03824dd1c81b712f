using CacheKit.Diagnostics;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using CacheKit.Serialization;

namespace CacheKit.Engine;

/// <summary>Tells what a cache knows of a key. Changes nothing: renews no entry, counts no look-up, fills no tier.</summary>
internal sealed class Explainer(
    Flights flights, TagClock tags, MemoryTier memory, EntryLife life, CacheClock clock, DepartureLog departures, Landing landing, StoreStack? stores, bool hasMemory)
{
    internal async ValueTask<CacheExplanation> ExplainAsync(string key, CancellationToken cancellationToken)
    {
        var tiers = new List<CacheTierExplanation>();
        var carried = Array.Empty<string>();
        var entry = hasMemory || stores is null ? memory.Find(key) : null;
        if (hasMemory || stores is null)
        {
            tiers.Add(ExplainMemory(entry));
            carried = entry?.Details?.Tags ?? [];
        }

        foreach (var tier in stores?.Tiers ?? [])
        {
            var (explanation, found) = await ExplainAsync(tier, stores!.Codec, key, cancellationToken).ConfigureAwait(false);
            tiers.Add(explanation);
            carried = carried.Length > 0 ? carried : found;
        }

        var departure = entry is null ? departures.Find(KeyHash.Of(key)) : null;
        var pause = landing.PausesUntil(key, entry) is var until && until > clock.Now ? new TimeSpan(until - clock.Now) : default(TimeSpan?);
        return new()
        {
            Key = key,
            IsHit = tiers.Exists(static tier => tier.Finding is CacheTierFinding.Fresh),
            IsBeingCreated = flights.IsCreating(key),
            Tiers = tiers,
            LeftMemoryBecause = departure?.Reason,
            LeftMemoryAgo = departure?.Reason is null ? null : departure?.Ago,
            RefusedByMemoryAgo = departure is { Reason: null } refusal ? refusal.Ago : null,
            RetryIn = pause,
            Tags = carried.ToDictionary(static tag => tag, tags.SinceInvalidation, StringComparer.Ordinal),
        };
    }

    private CacheTierExplanation ExplainMemory(MemoryEntry? entry)
    {
        if (entry is null)
        {
            return new() { Name = "memory", Finding = CacheTierFinding.Missing };
        }

        var finding = life.Peek(entry) switch
        {
            EntryState.Fresh or EntryState.Due => CacheTierFinding.Fresh,
            EntryState.Stale => CacheTierFinding.Stale,
            EntryState.Suspect => CacheTierFinding.Suspect,
            _ => CacheTierFinding.Missing,
        };
        var timeToLive = entry.ExpiresAt == long.MaxValue ? TimeSpan.MaxValue : new(entry.ExpiresAt - clock.Now);
        if (finding == CacheTierFinding.Missing)
        {
            return new() { Name = "memory", Finding = finding, TimeToLive = timeToLive <= TimeSpan.Zero ? timeToLive : null }; // else it was removed
        }

        return new()
        {
            Name = "memory",
            Finding = finding,
            TimeToLive = timeToLive,
            Stamp = stores is null ? Volatile.Read(ref entry.ValidThrough) : entry.Details?.StoreStamp,
            TypeName = entry.ValueType.ToString(),
            IsOfMemoryAlone = stores is not null && entry.Details is { IsOfMemoryAlone: true },
        };
    }

    private static async ValueTask<(CacheTierExplanation, string[] Tags)> ExplainAsync(
        StoreTier tier, EntryCodec codec, string key, CancellationToken cancellationToken)
    {
        var deliveries = tier.Recovery.Deliveries;
        var isChangePending = tier.Recovery.Holds(key);
        var answer = await tier.Guard.ReadAsync(key, default, cancellationToken, StoreOperation.Probe).ConfigureAwait(false); // counted as no read
        if (!answer.TryGet(out var lookup))
        {
            return (new() { Name = tier.Name, Finding = CacheTierFinding.Unreachable, IsChangePending = isChangePending }, []);
        }

        using (lookup)
        {
            if (!lookup.IsFound)
            {
                return (new()
                {
                    Name = tier.Name,
                    Finding = lookup.IsUnreadable ? CacheTierFinding.Unreadable : CacheTierFinding.Missing,
                    UnreadableBecause = lookup.IsUnreadable ? "its bytes are damaged" : null,
                    IsChangePending = isChangePending,
                }, []);
            }

            var isReadable = EntryCodec.TryParse(lookup.Payload, key, out var envelope);
            var carried = isReadable ? envelope.Tags : [];
            var reason = isReadable ? codec.ReasonNotToRead(envelope) : lookup.Number is null ? "its bytes are no entry of this cache under this key" : null;
            var now = tier.Time.UtcNow;
            return (new()
            {
                Name = tier.Name,
                Finding = tier.Recovery.Covers(key, lookup.Number is null ? carried : null, deliveries) ? CacheTierFinding.RemovalPending
                    : reason is not null ? CacheTierFinding.Unreadable
                    : lookup.ExpiresAt <= now ? CacheTierFinding.Stale
                    : !tier.IsFar && lookup.Stamp < tier.TrustedSince ? CacheTierFinding.Suspect
                    : CacheTierFinding.Fresh,
                Age = isReadable ? now - envelope.CreatedAt : null,
                TimeToLive = lookup.ExpiresAt == DateTimeOffset.MaxValue ? TimeSpan.MaxValue
                    : lookup.ExpiresAt == DateTimeOffset.MinValue ? (lookup.ExpiredAt ?? now) - now // expired on request: when, not every store knows
                    : lookup.ExpiresAt - now,
                Stamp = isReadable && !tier.IsFar ? envelope.Stamp : lookup.Stamp,
                TypeName = isReadable ? envelope.TypeName : lookup.Number is null ? null : typeof(long).ToString(),
                Bytes = lookup.Payload.Length,
                UnreadableBecause = reason,
                IsChangePending = isChangePending,
            }, carried);
        }
    }
}
