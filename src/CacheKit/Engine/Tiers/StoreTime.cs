using CacheKit.Memory;

namespace CacheKit.Engine.Tiers;

/// <summary>Translates between the cache's clock, which never goes back, and the instants that stores keep.</summary>
internal sealed class StoreTime(CacheClock clock, TimeProvider time)
{
    internal DateTimeOffset UtcNow => time.GetUtcNow();

    internal long Now => clock.Now;

    /// <summary>The instant of a tick of the cache's clock; the end of time if it never comes.</summary>
    internal DateTimeOffset ToInstant(long ticks)
    {
        if (ticks == long.MaxValue)
        {
            return DateTimeOffset.MaxValue;
        }

        var now = time.GetUtcNow();
        return Add(now, ticks - clock.Now);
    }

    /// <summary>The tick of the cache's clock at an instant.</summary>
    internal long ToTicks(DateTimeOffset instant) => instant == DateTimeOffset.MaxValue
        ? long.MaxValue
        : CacheClock.Add(clock.Now, instant.UtcTicks - time.GetUtcNow().UtcTicks);

    /// <summary>When an entry expires, and until when it is kept.</summary>
    internal (DateTimeOffset ExpiresAt, DateTimeOffset RetainUntil) LifeOf(EntryDetails details)
    {
        var expiresAt = ToInstant(details.ExpiresAt);
        return (expiresAt, Add(expiresAt, details.StaleForTicks));
    }

    /// <summary>The sum, or one of the ends of time instead of an overflow.</summary>
    internal static DateTimeOffset Add(DateTimeOffset instant, long ticks) =>
        ticks >= DateTimeOffset.MaxValue.UtcTicks - instant.UtcTicks ? DateTimeOffset.MaxValue
        : ticks <= DateTimeOffset.MinValue.UtcTicks - instant.UtcTicks ? DateTimeOffset.MinValue
        : new(instant.UtcTicks + ticks, TimeSpan.Zero);
}
