using CacheKit.Redis.Connection;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Protocol;

/// <summary>The cache's clock, which is in Redis, and the latest that this process has seen of it.</summary>
/// <remarks>
/// <para>What was seen may be old. That is always safe: a value made under too old a stamp is refused, or counts as covered by what it is not. To keep
/// that rare, reads take a look along at the clock a few times a second; what is older than a fraction of
/// <see cref="RedisOptions.MaximumLoadTime"/> is not used at all.</para>
/// <para>The clock is logical: it only grows, and whoever draws from it brings along the latest stamp he has seen, so that even after it
/// was lost it shows nothing twice. The server's time is but a floor under it.</para>
/// </remarks>
internal sealed class StampClock(RedisConnection connection, KeyLayout layout, TimeSpan maximumLoadTime)
{
    /// <summary>How many tags the journal holds.</summary>
    internal const int JournalLength = 4096;

    // What the clock keeps lags behind the time by this much at most when it is looked at.
    private const long StepMicroseconds = 20_000;

    /// <summary>As in the scripts.</summary>
    private const long FarAheadMicroseconds = 3_600_000_000;

    private static readonly TimeSpan _freshFor = TimeSpan.FromMilliseconds(100);

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly TimeSpan _usableFor = maximumLoadTime / 4;

    private readonly RedisKey[] _keys = [layout.Clock];

    private long _latest;
    private long _shownAt;
    private long _stoodAt;
    private volatile bool _stands;
    private LookUnderWay? _looking;

    /// <summary>The latest stamp this process has seen.</summary>
    internal long Latest => Volatile.Read(ref _latest);

    /// <summary>Whether a stamp that was read can be the clock's: what is far ahead of it is damage, and would put the clock out of order for good.</summary>
    internal bool IsPlausible(long stamp) => stamp > 0 && (Latest is 0 || stamp - Latest < FarAheadMicroseconds);

    /// <summary>Takes note of a stamp that was read.</summary>
    internal void Advance(long stamp)
    {
        if (IsPlausible(stamp))
        {
            Raise(stamp);
        }
    }

    /// <summary>Takes note of a stamp that came over the channel, which anybody may write to: not before the clock itself has been seen, with which it is compared.</summary>
    internal void AdvanceByHearsay(long stamp)
    {
        if (Latest > 0)
        {
            Advance(stamp);
        }
    }

    private void Raise(long stamp)
    {
        for (var latest = Latest; stamp > latest;)
        {
            var seen = Interlocked.CompareExchange(ref _latest, stamp, latest);
            if (seen == latest)
            {
                return;
            }

            latest = seen;
        }
    }

    /// <summary>Gets a stamp that is recent enough to be compared with the server's time. Asks only if it must.</summary>
    internal ValueTask<long> GetUsableAsync(RedisLink link, CancellationToken cancellationToken) =>
        IsUsable ? new(Latest) : LookAsync(link, cancellationToken);

    /// <summary>Whether what was seen is recent enough to be compared with the server's time.</summary>
    internal bool IsUsable => Latest > 0 && _time.GetElapsedTime(Volatile.Read(ref _shownAt)) < _usableFor;

    /// <summary>
    /// Whether the server does not let the clock go on, since it takes no writes for now. Then what the clock shows says nothing of the server's time.
    /// </summary>
    internal bool Stands => _stands;

    /// <summary>Whether the clock stood still at a time not longer ago than making a value may take.</summary>
    internal bool HasStoodLately => Volatile.Read(ref _stoodAt) is > 0 and var at && _time.GetElapsedTime(at) < maximumLoadTime;

    /// <summary>About what time it is at the server, in microseconds since 1970.</summary>
    internal long ServerMicroseconds => Latest + (long)_time.GetElapsedTime(Volatile.Read(ref _shownAt)).TotalMicroseconds;

    /// <summary>Whether what was seen is about what the clock shows now.</summary>
    internal bool IsFresh => _time.GetElapsedTime(Volatile.Read(ref _shownAt)) < _freshFor;

    /// <summary>Begins a look at the clock, unless there was one lately.</summary>
    /// <returns>The look, or the one that is under way on this connection: only there does what is sent first come first.</returns>
    internal Task<long>? BeginLook(RedisLink link)
    {
        if (IsFresh)
        {
            return null;
        }

        if (Volatile.Read(ref _looking) is { Look.IsCompleted: false } underWay && underWay.Link == link)
        {
            return underWay.Look;
        }

        var looking = LookAlongAsync(link);
        Abandoned.Observe(looking);
        Volatile.Write(ref _looking, new(link, looking));
        return looking;
    }

    /// <summary>Looks at the clock before what is sent after it; 0 if it took another command, which may have been later.</summary>
    private async Task<long> LookAlongAsync(RedisLink link)
    {
        var began = _time.GetTimestamp();
        try
        {
            var answer = await connection.RunAsync(link, Scripts.Look.SendAsync(link.Database, _keys, [Latest, StepMicroseconds]), CancellationToken.None).ConfigureAwait(false);
            return Show((long[])answer!, began)[0]; // the script returns an array
        }
        catch (CacheStoreException exception) when (RedisScript.IsUnknown(exception.InnerException))
        {
            await LookAsync(link, CancellationToken.None).ConfigureAwait(false);
            return 0;
        }
    }

    /// <summary>Looks at the clock.</summary>
    internal async ValueTask<long> LookAsync(RedisLink link, CancellationToken cancellationToken) =>
        (await LookAsync(link, [], cancellationToken).ConfigureAwait(false))[0];

    /// <summary>Looks at the clock and into its journal.</summary>
    /// <param name="link">Where.</param>
    /// <param name="members">What was, or was not, drawn for.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>The time; then for each member a stamp since when nothing was drawn for it.</returns>
    internal async ValueTask<long[]> LookAsync(RedisLink link, IReadOnlyList<string> members, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [Latest, StepMicroseconds, .. members.Select(member => (RedisValue)member)];

        var began = _time.GetTimestamp();
        var answer = await connection.RunAsync(link, Scripts.Look.RunAsync(link.Database, _keys, arguments), cancellationToken).ConfigureAwait(false);
        return Show((long[])answer!, began); // the script returns an array
    }

    /// <summary>Draws a stamp that is later than all that anybody has seen.</summary>
    /// <param name="link">Where.</param>
    /// <param name="members">What it is drawn for, to be written into the journal.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    internal async ValueTask<long> DrawAsync(RedisLink link, IReadOnlyList<string> members, CancellationToken cancellationToken)
    {
        RedisValue[] arguments = [Latest, JournalLength, .. members.Select(member => (RedisValue)member)];

        var began = _time.GetTimestamp();
        var stamp = (long)await connection.RunAsync(link, Scripts.Draw.RunAsync(link.Database, _keys, arguments), cancellationToken).ConfigureAwait(false);
        Show(stamp, began);
        return stamp;
    }

    private long[] Show(long[] stamps, long at)
    {
        var stands = stamps[0] < 0;
        stamps[0] = Math.Abs(stamps[0]);
        if (stands)
        {
            Volatile.Write(ref _stoodAt, at);
        }

        Show(stamps[0], at, stands);
        return stamps;
    }

    private void Show(long stamp, long at, bool stands = false)
    {
        _stands = stands;
        Raise(stamp);
        Volatile.Write(ref _shownAt, at);
    }

    private sealed record LookUnderWay(RedisLink Link, Task<long> Look);
}
