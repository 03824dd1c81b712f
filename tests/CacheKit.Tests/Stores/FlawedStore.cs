using System.Collections.Concurrent;
using CacheKit.Stores;

namespace CacheKit.Tests.Stores;

/// <summary>A store that keeps the contract but for one mistake.</summary>
internal sealed class FlawedStore(ICacheStore inner, StoreFlaw flaw, TimeProvider clock) : ICacheStore
{
    private readonly ConcurrentDictionary<string, IReadOnlyList<string>> _tags = [];

    public string Name => "flawed";

    public async ValueTask<StoreLookup> ReadAsync(string key, StoreReadOptions options, CancellationToken cancellationToken)
    {
        var lookup = await inner.ReadAsync(Key(key), options, cancellationToken);
        if (flaw == StoreFlaw.NotModifiedAlways && options.KnownStamp is not null && lookup.IsFound)
        {
            using (lookup)
                return StoreLookup.NotModified(lookup.LoadStamp, lookup.Stamp, lookup.ExpiresAt, lookup.RetainUntil);
        }

        return lookup;
    }

    public async ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        switch (flaw)
        {
            case StoreFlaw.StampTakenLate when condition.Kind == StoreConditionKind.IfCurrent:
                condition = StoreCondition.IfCurrent((await LookAsync(key)).LoadStamp);
                break;
            case StoreFlaw.ForgetsFences when condition.Kind == StoreConditionKind.IfCurrent && !(await LookAsync(key)).IsFound:
                condition = StoreCondition.Always;
                break;
            case StoreFlaw.ReplacesEqualStamps when condition.Kind == StoreConditionKind.IfCurrent && (await LookAsync(key)).Stamp == condition.Stamp:
            case StoreFlaw.AddsOverAnything when condition.Kind == StoreConditionKind.IfAbsent:
            case StoreFlaw.ReplacesUnderAFreshStamp when condition.Kind == StoreConditionKind.IfUnchanged && (await LookAsync(key)).Stamp == condition.Stamp:
                condition = StoreCondition.Always;
                break;
            case StoreFlaw.IgnoresTagsOfLateValues when condition.Kind == StoreConditionKind.IfCurrent:
                entry = Copy(entry, []);
                break;
            case StoreFlaw.KeepsOldTags:
                entry = Copy(entry, _tags.AddOrUpdate(key, entry.Tags, (_, old) => [.. old.Union(entry.Tags)]));
                break;
            case StoreFlaw.EndsAnInstantLate when entry.RetainUntil < DateTimeOffset.MaxValue:
                entry = new() { Payload = entry.Payload, ExpiresAt = entry.ExpiresAt, RetainUntil = entry.RetainUntil.AddTicks(1), Tags = entry.Tags };
                break;
        }

        return await inner.WriteAsync(Key(key), entry, condition, cancellationToken);
    }

    public async ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, CancellationToken cancellationToken)
    {
        if (flaw == StoreFlaw.DoesNotExpire && kind == InvalidationKind.Expire)
        {
            var found = await LookAsync(key);
            return new(found.LoadStamp, found.IsFound && found.ExpiresAt > clock.GetUtcNow());
        }

        return await inner.InvalidateAsync(Key(key), kind, cancellationToken);
    }

    public ValueTask<long> InvalidateTagsAsync(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, CancellationToken cancellationToken) =>
        inner.InvalidateTagsAsync(
            tags, flaw switch { StoreFlaw.TakesAllForAny => TagMatch.Any, StoreFlaw.TakesAnyForAll => TagMatch.All, _ => match }, kind, cancellationToken);

    public async ValueTask<long> ClearAsync(CancellationToken cancellationToken)
    {
        if (flaw != StoreFlaw.ClearsWithoutAFence)
            return await inner.ClearAsync(cancellationToken);
        await foreach (var key in ((IEnumerableStore)inner).EnumerateKeysAsync("", cancellationToken))
            await inner.InvalidateAsync(key, InvalidationKind.Remove, cancellationToken);
        return (await LookAsync("")).LoadStamp;
    }

    public async ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        if (flaw == StoreFlaw.RevivesWhatWasExpired)
        {
            using var found = await inner.ReadAsync(Key(key), default, cancellationToken);
            var entry = new StoreEntry { Payload = found.Payload, ExpiresAt = expiresAt, RetainUntil = retainUntil, Tags = [] };
            return found.Stamp == stamp && (await inner.WriteAsync(Key(key), entry, StoreCondition.Always, cancellationToken)).IsStored;
        }

        return await inner.SetExpirationAsync(Key(key), stamp, expiresAt, retainUntil, cancellationToken);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static StoreEntry Copy(StoreEntry entry, IReadOnlyList<string> tags) =>
        new() { Payload = entry.Payload, ExpiresAt = entry.ExpiresAt, RetainUntil = entry.RetainUntil, Tags = tags };

    private string Key(string key) => flaw == StoreFlaw.IgnoresCase ? key.ToUpperInvariant() : key;

    private ValueTask<StoreLookup> LookAsync(string key) => inner.ReadAsync(Key(key), new() { WithoutPayload = true }, default);
}
