using CacheKit.Testing;

namespace CacheKit.Tests.Testing;

public sealed class ManualTimeProviderTests
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly List<string> _log = [];

    [Fact]
    public void It_stands_still_until_it_is_advanced()
    {
        var (start, timestamp) = (_clock.GetUtcNow(), _clock.GetTimestamp());
        (_clock.GetUtcNow(), _clock.GetTimestamp()).Should().Be((start, timestamp));

        _clock.Advance(TimeSpan.FromTicks(7));

        _clock.GetUtcNow().Should().Be(start.AddTicks(7));
        _clock.GetElapsedTime(timestamp).Should().Be(TimeSpan.FromTicks(7));
    }

    [Fact]
    public void It_starts_at_the_instant_it_is_given_in_utc()
    {
        var start = new DateTimeOffset(2030, 5, 6, 7, 8, 9, TimeSpan.FromHours(2));
        var now = new ManualTimeProvider(start).GetUtcNow();
        now.Should().Be(start);
        now.Offset.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void Local_time_is_utc() => _clock.GetLocalNow().Offset.Should().Be(TimeSpan.Zero);

    [Fact]
    public void It_does_not_advance_backwards()
    {
        _clock.Invoking(clock => clock.Advance(TimeSpan.FromTicks(-1))).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void It_does_not_advance_past_the_end_of_time_and_is_unharmed_by_the_attempt()
    {
        _clock.Invoking(clock => clock.Advance(TimeSpan.MaxValue)).Should().Throw<ArgumentOutOfRangeException>();
        _clock.GetTimestamp().Should().Be(0);
        _clock.Advance(DateTimeOffset.MaxValue - _clock.GetUtcNow());
        _clock.GetUtcNow().Should().Be(DateTimeOffset.MaxValue);
    }

    [Theory]
    [InlineData(3600)]
    [InlineData(-3600)]
    public void A_step_moves_the_wall_clock_and_neither_timestamps_nor_timers(int seconds)
    {
        var (start, timestamp) = (_clock.GetUtcNow(), _clock.GetTimestamp());
        using var timer = Start("a", 10);

        _clock.StepWallClock(TimeSpan.FromSeconds(seconds));
        _clock.Advance(9 * _second);

        _clock.GetUtcNow().Should().Be(start.AddSeconds(seconds + 9));
        _clock.GetElapsedTime(timestamp).Should().Be(9 * _second);
        _log.Should().BeEmpty();
        _clock.Advance(_second);
        _log.Should().Equal("a at 10");
    }

    [Fact]
    public void The_wall_clock_can_be_set_and_goes_on_from_there()
    {
        _clock.Advance(5 * _second);
        var noon = new DateTimeOffset(1999, 12, 31, 12, 0, 0, TimeSpan.Zero);

        _clock.SetUtcNow(noon);

        _clock.GetUtcNow().Should().Be(noon);
        _clock.GetTimestamp().Should().Be((5 * _second).Ticks);
        _clock.Advance(_second);
        _clock.GetUtcNow().Should().Be(noon.AddSeconds(1));
    }

    [Fact]
    public void A_timer_fires_at_its_due_time_and_not_a_tick_earlier()
    {
        using var timer = Start("a", 10);
        _clock.Advance((10 * _second) - TimeSpan.FromTicks(1));
        _log.Should().BeEmpty();
        _clock.Advance(TimeSpan.FromTicks(1));
        _log.Should().Equal("a at 10");
        _clock.Advance(100 * _second);
        _log.Should().Equal("a at 10");
    }

    [Fact]
    public void Timers_fire_in_due_order_and_each_sees_the_clock_at_its_due_time()
    {
        using var third = Start("third", 30);
        using var first = Start("first", 10);
        using var second = Start("second", 20);
        using var alsoSecond = Start("also second", 20);

        _clock.Advance(100 * _second);

        _log.Should().Equal("first at 10", "second at 20", "also second at 20", "third at 30");
        _clock.GetTimestamp().Should().Be((100 * _second).Ticks);
    }

    [Fact]
    public void A_periodic_timer_fires_once_per_period_among_the_others()
    {
        using var periodic = Start("tick", 10, 20);
        using var once = Start("once", 40);
        _clock.Advance(70 * _second);
        _log.Should().Equal("tick at 10", "tick at 30", "once at 40", "tick at 50", "tick at 70");
    }

    [Fact]
    public void A_due_time_of_zero_fires_at_the_next_advance_even_by_zero()
    {
        using var timer = Start("a", 0);
        _log.Should().BeEmpty();
        _clock.Advance(TimeSpan.Zero);
        _log.Should().Equal("a at 0");
    }

    [Fact]
    public void An_infinite_due_time_waits_for_a_change()
    {
        using var timer = _clock.CreateTimer(_ => Log("a"), null, Timeout.InfiniteTimeSpan, 5 * _second);
        _clock.Advance(100 * _second);
        _log.Should().BeEmpty();

        timer.Change(10 * _second, Timeout.InfiniteTimeSpan).Should().BeTrue();

        _clock.Advance(100 * _second);
        _log.Should().Equal("a at 110");
    }

    [Fact]
    public void A_change_counts_from_now_and_replaces_due_time_and_period()
    {
        using var timer = Start("a", 10, 10);
        _clock.Advance(15 * _second);

        timer.Change(20 * _second, 30 * _second);

        _clock.Advance(85 * _second);
        _log.Should().Equal("a at 10", "a at 35", "a at 65", "a at 95");
    }

    [Fact]
    public void A_change_to_an_infinite_due_time_stops_the_timer()
    {
        using var timer = Start("a", 10, 10);
        timer.Change(Timeout.InfiniteTimeSpan, 10 * _second);
        _clock.Advance(100 * _second);
        _log.Should().BeEmpty();
    }

    [Fact]
    public void A_disposed_timer_does_not_fire_and_refuses_to_change()
    {
        var timer = Start("a", 10, 10);
        _clock.Advance(10 * _second);

        timer.Dispose();
        timer.Dispose();

        timer.Change(_second, _second).Should().BeFalse();
        _clock.Advance(100 * _second);
        _log.Should().Equal("a at 10");
    }

    [Fact]
    public void A_timer_that_an_earlier_one_disposes_does_not_fire()
    {
        using var victim = Start("victim", 20);
        using var killer = _clock.CreateTimer(_ => victim.Dispose(), null, 10 * _second, Timeout.InfiniteTimeSpan);
        _clock.Advance(100 * _second);
        _log.Should().BeEmpty();
    }

    [Fact]
    public void A_callback_may_change_its_own_timer_and_start_others()
    {
        ITimer? second = null;
        using var first = _clock.CreateTimer(timer => { Log("first"); second ??= Start("second", 5); }, null, 10 * _second, 10 * _second);
        _clock.Advance(20 * _second);
        _log.Should().Equal("first at 10", "second at 15", "first at 20");
        second!.Dispose(); // the first timer has fired
    }

    [Fact]
    public void A_callback_may_advance_the_clock_and_its_step_adds_up()
    {
        using var pusher = _clock.CreateTimer(_ => { Log("push"); _clock.Advance(10 * _second); }, null, 5 * _second, Timeout.InfiniteTimeSpan);
        using var late = Start("late", 18);

        _clock.Advance(10 * _second);

        _log.Should().Equal("push at 5", "late at 18");
        _clock.GetTimestamp().Should().Be((20 * _second).Ticks);
    }

    [Fact]
    public void What_a_callback_throws_reaches_the_caller_after_the_other_timers_have_fired()
    {
        using var broken = _clock.CreateTimer(_ => throw new InvalidOperationException("broken"), null, 10 * _second, Timeout.InfiniteTimeSpan);
        using var sound = Start("sound", 20);

        _clock.Invoking(clock => clock.Advance(30 * _second)).Should().Throw<InvalidOperationException>().WithMessage("broken");

        _log.Should().Equal("sound at 20");
        _clock.GetTimestamp().Should().Be((30 * _second).Ticks);
    }

    [Fact]
    public void A_callback_runs_on_the_advancing_thread_in_the_context_its_timer_was_made_in()
    {
        var local = new AsyncLocal<string> { Value = "maker" };
        (int Thread, string? Value) seen = default;
        using var timer = _clock.CreateTimer(_ => seen = (Environment.CurrentManagedThreadId, local.Value), null, _second, Timeout.InfiniteTimeSpan);
        local.Value = "advancer";

        _clock.Advance(_second);

        seen.Should().Be((Environment.CurrentManagedThreadId, "maker"));
        local.Value.Should().Be("advancer");
    }

    [Fact]
    public async Task Asynchronous_disposal_waits_for_the_callback_that_runs()
    {
        using var gate = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var timer = _clock.CreateTimer(_ => { entered.SetResult(); gate.Wait(); }, null, _second, _second);
        var advancing = Task.Run(() => _clock.Advance(_second));
        await entered.Task;

        var disposal = timer.DisposeAsync().AsTask();

        disposal.IsCompleted.Should().BeFalse();
        gate.Set();
        await disposal;
        await advancing;
    }

    [Fact]
    public void Asynchronous_disposal_of_an_idle_timer_is_done_at_once() =>
        Start("a", 10).DisposeAsync().IsCompletedSuccessfully.Should().BeTrue();

    [Fact]
    public async Task The_clock_can_be_read_and_changed_while_a_callback_runs()
    {
        using var gate = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var timer = _clock.CreateTimer(_ => { entered.SetResult(); gate.Wait(); }, null, _second, Timeout.InfiniteTimeSpan);
        var advancing = Task.Run(() => _clock.Advance(10 * _second));
        await entered.Task;

        _clock.GetTimestamp().Should().Be(_second.Ticks);
        timer.Change(_second, Timeout.InfiniteTimeSpan).Should().BeTrue();
        timer.Dispose();

        gate.Set();
        await advancing;
        _clock.GetTimestamp().Should().Be((10 * _second).Ticks);
    }

    [Fact]
    public async Task Steps_of_several_threads_add_up_and_fire_every_period_once()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => Interlocked.Increment(ref fired), null, _second, _second);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 1000; i++)
                _clock.Advance(_second);
        })));

        _clock.GetTimestamp().Should().Be((4000 * _second).Ticks);
        fired.Should().Be(4000);
    }

    [Fact]
    public async Task The_frameworks_own_waits_follow_it()
    {
        var delay = Task.Delay(10 * _second, _clock);
        using var source = new CancellationTokenSource(20 * _second, _clock);
        using var periodic = new PeriodicTimer(30 * _second, _clock);
        var tick = periodic.WaitForNextTickAsync().AsTask();

        (delay.IsCompleted, source.IsCancellationRequested, tick.IsCompleted).Should().Be((false, false, false));
        _clock.Advance(10 * _second);
        await delay;
        source.IsCancellationRequested.Should().BeFalse();
        _clock.Advance(10 * _second);
        source.IsCancellationRequested.Should().BeTrue();
        _clock.Advance(10 * _second);
        (await tick).Should().BeTrue();
    }

    [Theory]
    [InlineData(-2, 0)]
    [InlineData(0, -2)]
    [InlineData(4294967295, 0)]
    [InlineData(0, 4294967295)]
    public void A_time_that_no_timer_takes_is_refused(long dueMilliseconds, long periodMilliseconds) =>
        _clock.Invoking(clock => clock.CreateTimer(_ => { }, null, TimeSpan.FromMilliseconds(dueMilliseconds), TimeSpan.FromMilliseconds(periodMilliseconds)))
            .Should().Throw<ArgumentOutOfRangeException>();

    [Fact]
    public void A_timer_needs_a_callback() =>
        _clock.Invoking(clock => clock.CreateTimer(null!, null, _second, _second)).Should().Throw<ArgumentNullException>(); // the misuse under test

    private ITimer Start(string name, int dueSeconds, int periodSeconds = 0) =>
        _clock.CreateTimer(_ => Log(name), null, dueSeconds * _second, periodSeconds * _second);

    private void Log(string name) => _log.Add($"{name} at {TimeSpan.FromTicks(_clock.GetTimestamp()).TotalSeconds}");
}
