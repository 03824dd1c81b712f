using CacheKit.Memory;
using CacheKit.Testing;

namespace CacheKit.Tests.Memory;

/// <summary>The time of a cache follows whichever of the provider's clocks moves more, and never goes back.</summary>
public sealed class CacheClockTests
{
    [Fact]
    public void It_follows_a_wall_clock_set_forward_and_is_not_set_back_with_it()
    {
        var provider = new ManualTimeProvider();
        var clock = CacheClock.For(provider);
        var start = clock.Now;
        provider.StepWallClock(TimeSpan.FromHours(1));
        (clock.Now - start).Should().Be(TimeSpan.FromHours(1).Ticks);
        provider.StepWallClock(TimeSpan.FromHours(-3));
        (clock.Now - start).Should().Be(TimeSpan.FromHours(1).Ticks);
        provider.StepWallClock(TimeSpan.FromMinutes(10));
        (clock.Now - start).Should().Be(TimeSpan.FromMinutes(70).Ticks, "the next step forward counts from where it was set back to");
        provider.Advance(TimeSpan.FromSeconds(1));
        (clock.Now - start).Should().Be((TimeSpan.FromMinutes(70) + TimeSpan.FromSeconds(1)).Ticks);
    }

    [Fact]
    public void It_follows_a_provider_of_which_only_the_wall_clock_moves()
    {
        var provider = new WallClockOnly();
        var clock = CacheClock.For(provider);
        var start = clock.Now;
        provider.Utc = provider.Utc.AddMinutes(5);
        (clock.Now - start).Should().BeGreaterThanOrEqualTo(TimeSpan.FromMinutes(5).Ticks).And.BeLessThan(TimeSpan.FromMinutes(6).Ticks);
    }

    [Fact]
    public void It_does_not_sum_up_what_the_two_clocks_of_a_provider_jitter()
    {
        var provider = new JitteringProvider();
        var clock = CacheClock.For(provider);
        var start = clock.Now;
        for (var i = 0; i < 10_000; i++)
        {
            _ = clock.Now;
        }

        (clock.Now - start).Should().BeLessThanOrEqualTo(2 * JitteringProvider.Jitter.Ticks);
    }

    [Fact]
    public void A_sum_that_would_overflow_is_the_end_of_time()
    {
        CacheClock.Add(5, long.MaxValue).Should().Be(long.MaxValue);
        CacheClock.Add(long.MaxValue, 1).Should().Be(long.MaxValue);
        CacheClock.Add(-5, 10).Should().Be(5);
    }

    private sealed class WallClockOnly : TimeProvider
    {
        internal DateTimeOffset Utc { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Utc;
    }

    private sealed class JitteringProvider : TimeProvider
    {
        internal static readonly TimeSpan Jitter = TimeSpan.FromMilliseconds(3);
        private int _reads;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => 0;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + ((_reads++ % 3 - 1) * Jitter);
    }
}
