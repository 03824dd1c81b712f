using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Diagnostics;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Changes entries, each by one script that refuses where it comes too late; <see cref="Scripts"/> says how.</summary>
/// <remarks>
/// On a single server a script draws its stamp itself. In a cluster the clock is in another slot, so the stamp is drawn before, which is a round trip more.
/// </remarks>
internal sealed class EntryWriter(
    RedisConnection connection, StampClock clock, TagLedger ledger, TagMemory memory, KeyPresence presence, EntryReader reader, EntryJudge judge, KeyLayout layout, Lifetimes lifetimes,
    StoreContext context, TimeSpan maximumLoadTime, ILogger logger)
{
    // What Redis takes as one string, less some space for the header.
    private const int MaximumBytes = (512 << 20) - (1 << 20);

    // Each attempt but the first follows a write of somebody else's, so somebody gets on.
    private const int MaximumAttempts = 100;

    // By as much an entry may be kept too long: what is known of the server's time lags behind it.
    private const long SlackMilliseconds = 1000;

    private static readonly RedisValue _plain = new byte[] { EntryRecord.Magic, EntryRecord.Version, (byte)EntryFlags.None };
    private static readonly RedisValue _drawThere = RedisValue.EmptyString;

    // The network's clock, not the cache's.
    private readonly TimeProvider _time = TimeProvider.System;

    private int _hasWarnedOfSlowLoads;

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
            ? PopulateAsync(key, entry, tags, condition.Stamp, cancellationToken)
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
            var known = drawn ?? await GetStampAsync(link, isSingle, cancellationToken).ConfigureAwait(false);
            drawn = null;
            var (high, low) = lifetimes.Now();
            RedisValue[] arguments = [mode, known, isSingle ? _drawThere : known, lifetimes.MaximumAge, lifetimes.Fence, high, low];

            // What was there is judged by what is fetched along, most often.
            var tags = memory.Find(key) ?? EntryTags.None;
            var fetching = TagLedger.FetchAsync(link, ledger.Names(key, tags));
            var running = Scripts.Invalidate.RunAsync(link.Database, Keys(isSingle, entryName), arguments);
            RedisValue[] fetched;
            try
            {
                fetched = (await connection.RunAsync(link, Task.WhenAll(fetching, AsNothing(running)), cancellationToken, key).ConfigureAwait(false))[0];
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

            await CatchUpAsync(link, stamp, attempt, cancellationToken).ConfigureAwait(false);
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

    internal async ValueTask<StoreCount?> CountAsync(string key, StoreCounterStep step, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var entryName = layout.Entry(key);
        var newTags = EntryTags.Of(step.Tags, layout);
        var tail = EntryRecord.WriteTail(step.ExpiresAt, step.ExpiresAt, newTags, default);
        var floor = 0L;
        long? drawn = null;
        for (var attempt = 1; ; attempt++)
        {
            var isSingle = link.IsSingle;
            var known = drawn ?? await clock.GetUsableAsync(link, cancellationToken).ConfigureAwait(false);
            RedisValue stamp = drawn is { } own && !isSingle ? own : _drawThere;
            drawn = null;
            var (high, low) = lifetimes.Now();
            RedisValue[] arguments =
            [
                known, stamp, lifetimes.MaximumAge, floor, High(step.Delta), Low(step.Delta), High(step.InitialValue), Low(step.InitialValue),
                High(step.Minimum), Low(step.Minimum), High(step.Maximum), Low(step.Maximum), high, low, lifetimes.AtLeastFenceUntil(step.ExpiresAt), tail,
            ];
            var tags = memory.Find(key) ?? newTags;
            var running = Scripts.Count.RunAsync(link.Database, Keys(isSingle, entryName), arguments);
            var fetching = TagLedger.FetchAsync(link, ledger.Names(key, tags));
            var fetched = (await connection.RunAsync(link, Task.WhenAll(fetching, AsNothing(running)), cancellationToken, key).ConfigureAwait(false))[0];
            var answer = (RedisResult[])(await running.ConfigureAwait(false))!; // the script returns an array
            var result = (long)answer[0];
            if (result > 0)
            {
                clock.Advance(result); // a counter's stamps go on by themselves
            }

            if (result == Scripts.NeedsStamp)
            {
                drawn = await clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (result is Scripts.Outdated or < Scripts.Behind)
            {
                await CatchUpAsync(link, result, attempt, cancellationToken).ConfigureAwait(false);
                continue;
            }

            // The counter that was stepped, or the entry that is none, may have been dead: then it is begun anew.
            if (EntryRecord.TryParse((byte[]?)answer[2], out var record))
            {
                var (verdict, latest) = await JudgeAsync(link, key, record, tags, fetched, cancellationToken).ConfigureAwait(false);
                if (verdict != Verdict.Live)
                {
                    if (attempt >= MaximumAttempts)
                    {
                        throw TooContended(key);
                    }

                    floor = latest;
                    continue;
                }
            }

            if (result == Scripts.Differs)
            {
                return null;
            }

            return new(BinaryPrimitives.ReadInt64BigEndian((byte[]?)answer[1]), result);
        }
    }

    private RedisKey[] Keys(bool isSingle, RedisKey entryName) => isSingle ? [entryName, layout.Clock] : [entryName];

    private static RedisValue High(long number) => number >> 32;

    private static RedisValue Low(long number) => number & 0xFFFF_FFFF;

    // So that two tasks of different types can be waited for under one limit.
    private static async Task<RedisValue[]> AsNothing(Task<RedisResult> running)
    {
        await running.ConfigureAwait(false);
        return [];
    }

    private static CacheStoreException TooContended(string key) =>
        new($"'{key}' is written so often that no write gets through.", StoreFailure.Transient);

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
            ? await PopulateAsync(key, entry, tags, condition.Stamp, cancellationToken).ConfigureAwait(false)
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<StoreWriteResult> PopulateAsync(
        string key, StoreEntry entry, EntryTags tags, long stamp, CancellationToken cancellationToken)
    {
        var link = await connection.GetAsync(cancellationToken).ConfigureAwait(false);
        var name = layout.Entry(key);
        RedisValue value = EntryRecord.Write(EntryFlags.None, stamp, entry.ExpiresAt, entry.RetainUntil, tags, entry.Payload.Span);
        if (link.HasGuardedSet && !presence.IsProbable(key) && TryGuard(stamp, entry.RetainUntil, out var deadline, out var life)
            && await TryFillAsync(link, key, name, value, deadline, life, cancellationToken).ConfigureAwait(false))
        {
            return new(StoreWriteOutcome.Stored, stamp);
        }

        var (high, low) = lifetimes.Now();
        var running = connection.RunAsync(
            link, Scripts.Populate, [name], [stamp, lifetimes.MaximumAge, lifetimes.Until(entry.RetainUntil), value, high, low, lifetimes.Fence], cancellationToken, key);
        var result = (long)await running.ConfigureAwait(false);
        if (result > 0)
        {
            return new(StoreWriteOutcome.Stored, result);
        }

        if (result == Scripts.Outdated)
        {
            if (clock.Stands)
            {
                // The clock's lateness, not the factory's: the server takes no writes, and says so where it is asked for one.
                await clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
            }

            if (stamp > 0 && !clock.HasStoodLately && Interlocked.Exchange(ref _hasWarnedOfSlowLoads, 1) == 0)
            {
                logger.LoadTookTooLong(context.CacheName, maximumLoadTime);
            }

            return new(StoreWriteOutcome.Overtaken, clock.Latest);
        }

        clock.Advance(-result);
        if (-result == stamp)
        {
            // The entry that was to be replaced has the very stamp the read has shown: the next one shall show a later one.
            await clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
        }

        return new(StoreWriteOutcome.Overtaken, -result);
    }

    /// <summary>
    /// Stores a value where there is nothing, without a script, which would cost the server several times as much. Where nothing is there is no fence either, so
    /// only the stamp's age is to be told: the deadline is the instant of the server from which the stamp is too old, and what comes later has expired on arrival.
    /// </summary>
    /// <returns>Whether it is stored. If not, something is there, or it may have been too late.</returns>
    private async ValueTask<bool> TryFillAsync(
        RedisLink link, string key, RedisKey name, RedisValue value, RedisValue deadline, RedisValue life, CancellationToken cancellationToken)
    {
        var began = _time.GetTimestamp();
        try
        {
            var setting = link.Database.ExecuteAsync("SET", [name, value, "NX", "PXAT", deadline], Flags.Master);
            var answer = await connection.RunAsync(link, setting, cancellationToken, key).ConfigureAwait(false);
            if (answer.IsNull)
            {
                presence.Note(key, isThere: true);
                return false;
            }
        }
        catch (CacheStoreException exception) when (exception.InnerException is RedisServerException { Message: var message } && message.Contains("syntax", StringComparison.Ordinal))
        {
            // It calls itself by a version whose commands it does not have.
            link.HasGuardedSet = false;
            return false;
        }

        if (_time.GetElapsedTime(began) > maximumLoadTime / 4)
        {
            return false;
        }

        if (!life.IsNull)
        {
            // Only ever for longer: if another entry, or a fence, has come in between, it stays a while longer than it has to, and does no harm.
            _ = link.Database.ExecuteAsync("PEXPIRE", [name, life, "GT"], Flags.Master | CommandFlags.FireAndForget);
        }

        return true;
    }

    /// <summary>Until when, by the server's time, a value may be stored, and for how long it is to be kept if that is longer.</summary>
    /// <returns>Whether the stamp is recent enough for that.</returns>
    private bool TryGuard(long stamp, DateTimeOffset retainUntil, out RedisValue deadline, out RedisValue life)
    {
        deadline = life = RedisValue.Null;
        var now = clock.ServerMicroseconds;
        var limit = stamp + (long)maximumLoadTime.TotalMicroseconds;
        if (stamp <= 0 || retainUntil == DateTimeOffset.MaxValue || !clock.IsUsable || clock.Stands || limit - now < (limit - stamp) / 2)
        {
            return false;
        }

        var milliseconds = lifetimes.MillisecondsUntil(retainUntil);
        var end = (now / 1000) + (long)Math.Min(milliseconds, 1e15) + SlackMilliseconds;
        if (end <= limit / 1000)
        {
            deadline = end;
        }
        else
        {
            deadline = limit / 1000;
            life = lifetimes.Until(retainUntil);
        }

        return true;
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
            var known = await GetStampAsync(link, isSingle, cancellationToken).ConfigureAwait(false);
            var life = lifetimes.AtLeastFenceUntil(entry.RetainUntil);
            RedisValue[] arguments = isSingle ? [known, lifetimes.MaximumAge, life, tail] : [known, lifetimes.MaximumAge, life, tail, known];
            long result;
            try
            {
                result = (long)await connection.RunAsync(link, Scripts.Set, Keys(isSingle, name), arguments, cancellationToken, key).ConfigureAwait(false);
            }
            catch (CacheStoreException exception) when (exception.InnerException is { } inner && RedisErrors.IsOutOfMemory(inner))
            {
                // Nothing older may be left. That there is no fence either is what the exception tells: it has to be tried again.
                await connection.RunAsync(link, Scripts.Drop, [name], [known], cancellationToken, key).ConfigureAwait(false);
                throw;
            }

            if (result > 0)
            {
                clock.Advance(result);
                return new(StoreWriteOutcome.Stored, result);
            }

            await CatchUpAsync(link, result, attempt, cancellationToken).ConfigureAwait(false);
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
            var known = await GetStampAsync(link, isSingle, cancellationToken).ConfigureAwait(false);
            var (high, low) = lifetimes.Now();
            var life = lifetimes.AtLeastFenceUntil(entry.RetainUntil);
            RedisValue[] arguments = [mode, known, isSingle ? _drawThere : known, lifetimes.MaximumAge, life, _plain, tail, meant, high, low];
            var result = (long)await connection.RunAsync(link, Scripts.Write, Keys(isSingle, entryName), arguments, cancellationToken, key).ConfigureAwait(false);
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
                await CatchUpAsync(link, result, attempt, cancellationToken).ConfigureAwait(false);
                continue;
            }

            // There is an entry; unless it is dead, which a script cannot tell.
            var (isFresh, stamp) = await reader.InspectAsync(link, key, cancellationToken).ConfigureAwait(false);
            if (isFresh)
            {
                return new(StoreWriteOutcome.Overtaken, stamp);
            }

            meant = stamp;
            if (attempt >= MaximumAttempts)
            {
                throw TooContended(key);
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

        return (await JudgeAsync(link, key, record, tags, fetched, cancellationToken).ConfigureAwait(false)).Verdict == Verdict.Live;
    }

    private async ValueTask<(Verdict Verdict, long Latest)> JudgeAsync(
        RedisLink link, string key, EntryRecord record, EntryTags tags, RedisValue[] fetched, CancellationToken cancellationToken)
    {
        if (!record.HasTags || EntryTags.Parse(record.TagBlock, layout) is not { } actual)
        {
            return (Verdict.Removed, clock.Latest);
        }

        if (!actual.Block.AsSpan().SequenceEqual(tags.Block))
        {
            memory.Remember(key, actual);
            fetched = await connection.RunAsync(link, TagLedger.FetchAsync(link, ledger.Names(key, actual)), cancellationToken).ConfigureAwait(false);
        }

        return await judge.JudgeAsync(link, key, record, actual, fetched, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What a script is told: on a single server what is known, in a cluster a stamp drawn now.</summary>
    private ValueTask<long> GetStampAsync(RedisLink link, bool isSingle, CancellationToken cancellationToken) =>
        isSingle ? clock.GetUsableAsync(link, cancellationToken) : clock.DrawAsync(link, [], cancellationToken);

    private async ValueTask CatchUpAsync(RedisLink link, long refusal, int attempt, CancellationToken cancellationToken)
    {
        if (attempt >= MaximumAttempts)
        {
            throw new CacheStoreException("A key is written so often that no write gets through.", StoreFailure.Transient);
        }

        if (refusal < Scripts.Behind)
        {
            clock.Advance(-refusal);
        }
        else
        {
            await clock.LookAsync(link, cancellationToken).ConfigureAwait(false);
            if (clock.Stands)
            {
                // It would look no less outdated. The server refuses this as it would the write, and with the same words; or it does not any more.
                await clock.DrawAsync(link, [], cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
