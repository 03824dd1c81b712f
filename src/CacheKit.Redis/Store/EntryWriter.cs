using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Sets, removes and expires entries, each by one script that refuses where it comes too late; <see cref="Scripts"/> says how.</summary>
/// <remarks>
/// On a single server a script draws its stamp itself. In a cluster the clock is in another slot, so the stamp is drawn before, which is a round trip more.
/// </remarks>
internal sealed class EntryWriter(
    RedisConnection connection, StampClock clock, StampForecast forecast, WriteStamps stamps, EntryFiller filler, TagLedger ledger, TagMemory memory, EntryReader reader, EntryJudge judge, KeyLayout layout,
    Lifetimes lifetimes)
{
    // What Redis takes as one string, less some space for the header.
    private const int MaximumBytes = (512 << 20) - (1 << 20);

    private static readonly RedisValue _plain = new byte[] { EntryRecord.Magic, EntryRecord.Version, (byte)EntryFlags.None };

    internal ValueTask<StoreWriteResult> WriteAsync(string key, StoreEntry entry, StoreCondition condition, CancellationToken cancellationToken)
    {
        var tags = EntryTags.Of(entry.Tags, layout);
        memory.Remember(key, tags);
        if (entry.Payload.Length + tags.Block.Length > MaximumBytes)
        {
            return DeclineAsync(key, condition, cancellationToken);
        }

        if (!ledger.WereSeen(tags))
        {
            return WriteAndLookAsync(key, entry, tags, condition, cancellationToken);
        }

        return condition.Kind == StoreConditionKind.IfCurrent
            ? filler.PopulateAsync(key, entry, tags, condition.Stamp, cancellationToken)
            : SetAsync(key, entry, tags, condition, cancellationToken);
    }

    /// <summary>Removes or expires an entry.</summary>
    /// <param name="key">The key.</param>
    /// <param name="kind">Which.</param>
    /// <param name="drawn">In a cluster: a stamp that was drawn for it already, or <see langword="null"/>.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    internal async ValueTask<StoreInvalidation> InvalidateAsync(string key, InvalidationKind kind, long? drawn, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var entryName = layout.Entry(key);
        RedisValue mode = kind == InvalidationKind.Remove ? "R" : "E";
        for (var attempt = 1; ; attempt++)
        {
            var isSingle = link.IsSingle;
            var known = drawn ?? await stamps.GetAsync(link, isSingle, cancellationToken).ConfigureAwait(false);
            drawn = null;
            var (high, low) = lifetimes.Now();
            RedisValue[] arguments = [mode, known, isSingle ? WriteStamps.DrawThere : known, lifetimes.MaximumAge, lifetimes.Fence, high, low];

            // What was there is judged by what is fetched along, most often.
            var tags = memory.Find(key) ?? EntryTags.None;
            var fetching = TagLedger.FetchAsync(link, ledger.Names(key, tags));
            var running = Scripts.Invalidate.RunAsync(link.Database, layout.KeysOf(entryName, isSingle), arguments);
            RedisValue[] fetched;
            try
            {
                fetched = await connection.RunAsync(link, TagLedger.FetchWithAsync(fetching, running), cancellationToken, key).ConfigureAwait(false);
            }
            catch (CacheStoreException exception) when (exception.InnerException is { } inner && RedisErrors.IsOutOfMemory(inner))
            {
                // As of a set: what is there goes at least; the fence has to be tried again.
                await connection.RunAsync(link, Scripts.Drop, [entryName], [known], cancellationToken, key).ConfigureAwait(false);
                throw;
            }

            var answer = (RedisResult[])(await running.ConfigureAwait(false))!; // the script returns an array
            var stamp = (long)answer[0];
            if (stamp > 0)
            {
                clock.Advance(stamp);
                return new(stamp, await WasFreshAsync(link, key, (byte[]?)answer[1], tags, fetched, cancellationToken).ConfigureAwait(false));
            }

            await stamps.CatchUpAsync(link, stamp, attempt, cancellationToken).ConfigureAwait(false);
        }
    }

    internal async ValueTask<bool> SetExpirationAsync(
        string key, long stamp, DateTimeOffset expiresAt, DateTimeOffset retainUntil, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var instants = new byte[16];
        EntryRecord.WriteInstants(instants, expiresAt, retainUntil);
        var (high, low) = lifetimes.Now();
        var setting = Scripts.SetExpiration.RunAsync(
            link.Database, [layout.Entry(key)], [stamp, instants, lifetimes.Until(retainUntil), lifetimes.Fence, high, low]);

        // That of a dead entry does no harm, but is not to be told as done.
        var judging = reader.ReadAsync(key, new() { KnownStamp = stamp, WithoutPayload = true }, cancellationToken).AsTask();
        Abandoned.Observe(judging);
        var isSet = (long)await connection.RunAsync(link, setting, cancellationToken, key).ConfigureAwait(false) == 1;
        using var lookup = await judging.ConfigureAwait(false);
        return isSet && lookup.Status == StoreLookupStatus.NotModified && lookup.ExpiresAt != DateTimeOffset.MinValue;
    }

    private async ValueTask<StoreWriteResult> DeclineAsync(string key, StoreCondition condition, CancellationToken cancellationToken)
    {
        var stamp = condition.Kind == StoreConditionKind.Always
            ? (await InvalidateAsync(key, InvalidationKind.Remove, null, cancellationToken).ConfigureAwait(false)).Stamp
            : 0;
        return new(StoreWriteOutcome.Declined, stamp);
    }

    /// <summary>Writes, and sees to it that there are records of the tags. Needed seldom: the first time a process sees a tag.</summary>
    private async ValueTask<StoreWriteResult> WriteAndLookAsync(
        string key, StoreEntry entry, EntryTags tags, StoreCondition condition, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var fetching = TagLedger.FetchAsync(link, ledger.Names(key, tags));
        Abandoned.Observe(fetching);
        var result = condition.Kind == StoreConditionKind.IfCurrent
            ? await filler.PopulateAsync(key, entry, tags, condition.Stamp, cancellationToken).ConfigureAwait(false)
            : await SetAsync(key, entry, tags, condition, cancellationToken).ConfigureAwait(false);
        Memory<RedisValue> records = await connection.RunAsync(link, fetching, cancellationToken).ConfigureAwait(false);
        if (!TagLedger.TryJudge(result.Stamp, tags, records.Span, out var verdict, out var latest))
        {
            await ledger.RestoreAsync(link, key, tags, records, cancellationToken).ConfigureAwait(false);
            TagLedger.TryJudge(result.Stamp, tags, records.Span, out verdict, out latest);
        }
        else
        {
            ledger.Renew(link, KeyLayout.ClearCopy(key), tags);
        }

        clock.Advance(latest);

        // If a tag was invalidated since, it lies there, but nobody will be given it.
        return result.IsStored && verdict == Verdict.Removed && condition.Kind == StoreConditionKind.IfCurrent
            ? new(StoreWriteOutcome.Overtaken, latest)
            : result;
    }

    private ValueTask<StoreWriteResult> SetAsync(
        string key, StoreEntry entry, EntryTags tags, StoreCondition condition, CancellationToken cancellationToken) =>
        condition.Kind == StoreConditionKind.Always
            ? SetAlwaysAsync(key, entry, tags, cancellationToken)
            : SetConditionallyAsync(key, entry, tags, condition, cancellationToken);

    /// <summary>Sets an entry, whatever is there, where the records of its tags were seen.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<StoreWriteResult> SetAlwaysAsync(string key, StoreEntry entry, EntryTags tags, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var name = layout.Entry(key);
        RedisValue tail = EntryRecord.WriteTail(entry.ExpiresAt, entry.RetainUntil, tags, entry.Payload.Span);
        for (var attempt = 1; ; attempt++)
        {
            var isSingle = link.IsSingle;
            var known = await stamps.GetAsync(link, isSingle, cancellationToken).ConfigureAwait(false);
            var life = lifetimes.AtLeastFenceUntil(entry.RetainUntil);
            RedisValue[] arguments = isSingle ? [known, lifetimes.MaximumAge, life, tail] : [known, lifetimes.MaximumAge, life, tail, known];
            long result = 0;
            var underWay = isSingle ? forecast.Begin(link, 1, out _) : null;
            try
            {
                result = (long)await connection.RunAsync(link, Scripts.Set, layout.KeysOf(name, isSingle), arguments, cancellationToken, key).ConfigureAwait(false);
            }
            catch (CacheStoreException exception) when (exception.InnerException is { } inner && RedisErrors.IsOutOfMemory(inner))
            {
                // Nothing older may be left. That there is no fence either is what the exception tells: it has to be tried again.
                await connection.RunAsync(link, Scripts.Drop, [name], [known], cancellationToken, key).ConfigureAwait(false);
                throw;
            }
            finally
            {
                if (underWay is not null)
                {
                    forecast.End(underWay, 1, Math.Max(0, result));
                }
            }

            if (result > 0)
            {
                clock.Advance(result);
                return new(StoreWriteOutcome.Stored, result);
            }

            await stamps.CatchUpAsync(link, result, attempt, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<StoreWriteResult> SetConditionallyAsync(
        string key, StoreEntry entry, EntryTags tags, StoreCondition condition, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var entryName = layout.Entry(key);
        RedisValue tail = EntryRecord.WriteTail(entry.ExpiresAt, entry.RetainUntil, tags, entry.Payload.Span);
        var (mode, meant) = ("A", 0L);
        if (condition.Kind == StoreConditionKind.IfUnchanged)
        {
            // Whether it is live, which a script cannot tell.
            using var lookup = await reader.ReadAsync(key, new() { KnownStamp = condition.Stamp, WithoutPayload = true }, cancellationToken).ConfigureAwait(false);
            if (lookup.Stamp != condition.Stamp || !lookup.IsFound)
            {
                return new(StoreWriteOutcome.Overtaken, lookup.Stamp);
            }

            (mode, meant) = ("U", condition.Stamp);
        }

        for (var attempt = 1; ; attempt++)
        {
            var isSingle = link.IsSingle;
            var known = await stamps.GetAsync(link, isSingle, cancellationToken).ConfigureAwait(false);
            var (high, low) = lifetimes.Now();
            var life = lifetimes.AtLeastFenceUntil(entry.RetainUntil);
            RedisValue[] arguments = [mode, known, isSingle ? WriteStamps.DrawThere : known, lifetimes.MaximumAge, life, _plain, tail, meant, high, low];
            var result = (long)await connection.RunAsync(link, Scripts.Write, layout.KeysOf(entryName, isSingle), arguments, cancellationToken, key).ConfigureAwait(false);
            if (result > 0)
            {
                clock.Advance(result);
                return new(StoreWriteOutcome.Stored, result);
            }

            if (result == Scripts.Differs)
            {
                return new(StoreWriteOutcome.Overtaken, clock.Latest);
            }

            if (result != Scripts.Present)
            {
                await stamps.CatchUpAsync(link, result, attempt, cancellationToken).ConfigureAwait(false);
                continue;
            }

            // There is an entry; unless it is dead, which a script cannot tell.
            var (isFresh, stamp) = await reader.InspectAsync(link, key, cancellationToken).ConfigureAwait(false);
            if (isFresh)
            {
                return new(StoreWriteOutcome.Overtaken, stamp);
            }

            meant = stamp;
            if (attempt >= WriteStamps.MaximumAttempts)
            {
                throw WriteStamps.TooContended(key);
            }
        }
    }

    private async ValueTask<bool> WasFreshAsync(
        RedisLink link, string key, byte[]? was, EntryTags tags, RedisValue[] fetched, CancellationToken cancellationToken)
    {
        if (!EntryRecord.TryParse(was, out var record) || !record.HasTags || (record.Flags & EntryFlags.Expired) != 0 || record.ExpiresAtTicks <= lifetimes.NowTicks)
        {
            return false;
        }

        return (await judge.JudgeFoundAsync(link, key, record, tags, fetched, cancellationToken).ConfigureAwait(false)).Verdict == Verdict.Live;
    }
}
