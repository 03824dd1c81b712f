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
    public void Where_a_thread_keeps_it_the_coarse_clock_stands_still_between_its_ticks()
    {
        var provider = new ManualTimeProvider();
        var clock = new CacheClock(provider, isSystem: true);
        var start = clock.Coarse;
        provider.Advance(TimeSpan.FromSeconds(5));
        clock.Coarse.Should().Be(start);
        clock.Now.Should().Be(start + TimeSpan.FromSeconds(5).Ticks);
        clock.Tick();
        clock.Coarse.Should().Be(clock.Now);
    }

    [Fact]
    public void There_a_step_of_the_wall_clock_counts_from_a_second_on()
    {
        var provider = new ManualTimeProvider();
        var clock = new CacheClock(provider, isSystem: true);
        var start = clock.Now;
        provider.StepWallClock(TimeSpan.FromSeconds(0.9));
        clock.Tick();
        clock.Now.Should().Be(start, "the two clocks drift apart so far without meaning anything");
        provider.StepWallClock(TimeSpan.FromSeconds(10));
        clock.Now.Should().Be(start, "nobody has looked yet");
        clock.Tick();
        clock.Now.Should().Be(start + TimeSpan.FromSeconds(10.9).Ticks);
        provider.StepWallClock(TimeSpan.FromHours(-1));
        clock.Tick();
        clock.Now.Should().Be(start + TimeSpan.FromSeconds(10.9).Ticks, "it is never set back");
        provider.StepWallClock(TimeSpan.FromSeconds(5));
        clock.Tick();
        clock.Now.Should().Be(start + TimeSpan.FromSeconds(15.9).Ticks, "the next step forward counts from where it was set back to");
    }

    [Fact]
    public void Its_thread_runs_for_as_long_as_somebody_uses_it_and_again_for_the_next()
    {
        var provider = new ManualTimeProvider();
        var clock = new CacheClock(provider, isSystem: true);
        clock.Ticker.Should().BeNull();
        var first = clock.Use();
        var thread = clock.Ticker!; // it has just begun
        var second = clock.Use();
        clock.Ticker.Should().BeSameAs(thread);
        first.Dispose();
        first.Dispose();
        provider.Advance(TimeSpan.FromMinutes(1));
        SpinWait.SpinUntil(() => clock.Coarse == clock.Now, TimeSpan.FromSeconds(30)).Should().BeTrue("one still uses it, however often the other has gone");
        second.Dispose();
        thread.Join(TimeSpan.FromSeconds(30)).Should().BeTrue("nobody uses it any more");
        provider.Advance(TimeSpan.FromMinutes(1));
        using (clock.Use())
        {
            clock.Coarse.Should().Be(clock.Now, "who comes after a pause is not served the time from before");
            clock.Ticker.Should().NotBeSameAs(thread);
        }
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
