using System.Runtime.CompilerServices;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Diagnostics;
using CacheKit.Redis.Protocol;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>Stores what factories have made, where nothing that is later has come in between: without a script where nothing is there.</summary>
internal sealed class EntryFiller(
    RedisConnection connection, StampClock clock, KeyPresence presence, KeyLayout layout, Lifetimes lifetimes, StoreContext context, TimeSpan maximumLoadTime, ILogger logger)
{
    // By as much an entry may be kept too long: what is known of the server's time lags behind it.
    private const long SlackMilliseconds = 1000;

    // The network's clock, not the cache's.
    private readonly TimeProvider _time = TimeProvider.System;

    private int _hasWarnedOfSlowLoads;

    /// <summary>Stores what was made under a stamp, unless the key has been written or invalidated since.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<StoreWriteResult> PopulateAsync(
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
}
