using CacheKit.Engine;
using CacheKit.Memory;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Engine;

/// <summary>How long an entry lives where a clock that is behind, or time that passes within a call, could change it.</summary>
public sealed class EntryLifeTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_time_to_live_does_not_bring_back_an_entry_that_expires_while_it_is_set(bool hasTags)
    {
        var time = new SteppingTime();
        using var cache = new Cache(
            "test", new(), new() { MaximumEntries = 100, MaintenanceInterval = TimeSpan.FromHours(1) }, time, NullLogger.Instance, [], meters: null);
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromSeconds(10), Tags = hasTags ? ["t"] : null });
        time.Now += TimeSpan.FromSeconds(10) - TimeSpan.FromMilliseconds(100);
        time.StepPerRead = TimeSpan.FromMilliseconds(60); // so the look is in time, and the change is not

        var isSet = await cache.SetTimeToLiveAsync("k", TimeSpan.FromHours(1));
        time.StepPerRead = TimeSpan.Zero;
        time.Now.Should().BeGreaterThan(SteppingTime.Start + TimeSpan.FromSeconds(10));
        isSet.Should().BeFalse("by then it was absent");
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }

    [Theory]
    [InlineData(0.02, 0)]
    [InlineData(19.9, 0)]
    [InlineData(20, 0.1)]
    [InlineData(60, 0.3)]
    [InlineData(3600, 1)]
    public void A_sliding_entry_that_is_left_alone_outlives_its_window_by_no_more_than_is_documented(double seconds, double more)
    {
        var now = CacheClock.System.Now;
        var details = Sliding(seconds);
        details.Slide(now, CacheClock.System);
        TimeSpan.FromTicks(details.ExpiresAt - now).Should().Be(TimeSpan.FromSeconds(seconds + more));
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(600)]
    public void A_read_that_does_not_renew_a_sliding_entry_leaves_it_its_whole_window(double seconds)
    {
        var details = Sliding(seconds);
        var freshUntil = details.Slide(CacheClock.System.Now, CacheClock.System);

        // The coarse clock shows this, and the precise one is ahead by what that lags at most.
        var lastRead = Math.Max(freshUntil, 0) + CacheClock.CoarseTicks;
        (details.ExpiresAt - lastRead).Should().BeGreaterThanOrEqualTo(freshUntil == long.MinValue ? long.MinValue : details.SlidingTicks);
    }

    [Theory]
    [InlineData(0.2)]
    [InlineData(600)]
    public void The_first_read_of_a_sliding_entry_renews_it(double seconds)
    {
        var entry = new DetailedEntry<int>("k", 1);
        EntrySettings.For(new CacheEntryOptions { SlidingExpiration = TimeSpan.FromSeconds(seconds) }, new CacheEntryOptions())
            .Apply(entry, CacheClock.System, hasStores: false);
        entry.FreshUntil.Should().Be(long.MinValue, "it has no more than its window, counted from when it was set");
    }

    private static EntryDetails Sliding(double seconds) => new() { ExpiresAt = 0, SlidingTicks = TimeSpan.FromSeconds(seconds).Ticks };

    /// <summary>Time that passes with every look at the clock.</summary>
    private sealed class SteppingTime : TimeProvider
    {
        internal static readonly TimeSpan Start = TimeSpan.FromDays(1);

        internal TimeSpan Now { get; set; } = Start;

        internal TimeSpan StepPerRead { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp()
        {
            var now = Now;
            Now += StepPerRead;
            return now.Ticks;
        }

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Now;
    }
}
