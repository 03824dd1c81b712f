using StackExchange.Redis;

namespace CacheKit.Redis.Store;

/// <summary>How long Redis keeps what, in milliseconds.</summary>
/// <remarks>
/// What Redis drops is only for space; whether an entry is still to be returned is judged by the cache's own clock. Where that is not the system's clock it
/// may stand still or be slow, so Redis keeps entries for a while longer than they are meant to live.
/// </remarks>
internal sealed class Lifetimes(TimeProvider timeProvider, TimeSpan maximumLoadTime)
{
    /// <summary>For the place of <c>PX</c>: for ever.</summary>
    private static readonly RedisValue _forEver = RedisValue.EmptyString;

    private readonly double _slack = timeProvider == TimeProvider.System ? 0 : 600_000;

    /// <summary>How long what refuses older values is kept.</summary>
    internal double FenceMilliseconds { get; } = 2 * maximumLoadTime.TotalMilliseconds;

    /// <summary>The same, as an argument.</summary>
    internal RedisValue Fence { get; } = (long)(2 * maximumLoadTime.TotalMilliseconds);

    /// <summary>The oldest stamp that is taken, in microseconds.</summary>
    internal RedisValue MaximumAge { get; } = (long)maximumLoadTime.TotalMicroseconds;

    internal long NowTicks => timeProvider.GetUtcNow().UtcTicks;

    /// <summary>For an entry that need not outlive its life.</summary>
    internal RedisValue Until(DateTimeOffset retainUntil) => Until(retainUntil, 1);

    /// <summary>For an entry that also is the fence of its key.</summary>
    internal RedisValue AtLeastFenceUntil(DateTimeOffset retainUntil) => Until(retainUntil, FenceMilliseconds);

    /// <summary>Now, as the two halves that scripts compare.</summary>
    internal (RedisValue High, RedisValue Low) Now()
    {
        var ticks = NowTicks;
        return (ticks >> 32, ticks & 0xFFFF_FFFF);
    }

    /// <summary>How long Redis keeps an entry that need not outlive its life, at least.</summary>
    internal double MillisecondsUntil(DateTimeOffset retainUntil) =>
        Math.Max(Math.Ceiling((retainUntil - timeProvider.GetUtcNow()).TotalMilliseconds) + _slack, 1);

    private RedisValue Until(DateTimeOffset retainUntil, double minimum) =>
        retainUntil == DateTimeOffset.MaxValue ? _forEver : (long)Math.Max(MillisecondsUntil(retainUntil), minimum);
}
