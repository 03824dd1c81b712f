using CacheKit.Diagnostics;

namespace CacheKit.Tests.Diagnostics;

public sealed class LogThrottleTests
{
    private readonly SteppedTime _time = new();

    [Fact]
    public void The_first_is_logged_and_the_next_only_after_a_minute_with_the_count_of_those_held_back()
    {
        var throttle = new LogThrottle(_time);
        throttle.ShouldLog(out var unreported).Should().BeTrue();
        unreported.Count.Should().Be(0);
        for (var i = 0; i < 5; i++)
        {
            throttle.ShouldLog(out _).Should().BeFalse();
        }

        _time.Step(LogThrottle.Silence - TimeSpan.FromTicks(1));
        throttle.ShouldLog(out _).Should().BeFalse();
        _time.Step(TimeSpan.FromTicks(1));
        throttle.ShouldLog(out unreported).Should().BeTrue();
        unreported.Count.Should().Be(6);
        throttle.ShouldLog(out _).Should().BeFalse();
    }

    [Fact]
    public void After_a_reset_the_next_is_logged_at_once()
    {
        var throttle = new LogThrottle(_time);
        throttle.ShouldLog(out _).Should().BeTrue();
        throttle.ShouldLog(out _).Should().BeFalse();
        throttle.Reset();
        throttle.ShouldLog(out var unreported).Should().BeTrue();
        unreported.Count.Should().Be(1);
    }

    [Fact]
    public void Of_many_at_once_one_is_logged_and_the_others_are_counted()
    {
        var throttle = new LogThrottle(_time);
        var logged = 0;
        Parallel.For(0, 10_000, _ =>
        {
            if (throttle.ShouldLog(out var unreported))
            {
                Interlocked.Add(ref logged, 1 + (int)unreported.Count);
            }
        });
        _time.Step(LogThrottle.Silence);
        throttle.ShouldLog(out var rest).Should().BeTrue();
        (logged + rest.Count).Should().Be(10_000);
        logged.Should().Be(1);
    }

    private sealed class SteppedTime : TimeProvider
    {
        private long _ticks = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Volatile.Read(ref _ticks);

        internal void Step(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
    }
}
