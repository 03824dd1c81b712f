using CacheKit.Engine;
using CacheKit.Testing;

namespace CacheKit.Tests.Engine;

/// <summary>When calls are made, and when they are not.</summary>
public sealed class CircuitBreakerTests : IDisposable
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly CacheStoreOptions _options = new() { FailuresToOpen = 3, OpenFor = _second, MaximumOpenFor = 5 * _second };
    private readonly CircuitBreaker _circuit;

    public CircuitBreakerTests() => _circuit = new(_options, _clock);

    public void Dispose() => _circuit.Dispose();

    [Fact]
    public void Failures_in_a_row_open_it_and_a_success_between_begins_a_new_row()
    {
        Fail(2);
        Succeed(1);
        Fail(2);
        _circuit.State.Should().Be(CircuitState.Closed);
        Fail(1);
        _circuit.State.Should().Be(CircuitState.Open);
        _circuit.TryEnter(out _).Should().BeFalse();
    }

    [Fact]
    public void A_large_share_of_failures_opens_it_though_no_row_is_long()
    {
        for (var i = 0; i < 19; i++)
        {
            _circuit.State.Should().Be(CircuitState.Closed, "there were {0} calls", i);
            Alternate(i);
        }

        Fail(1); // the last of twenty calls from the first failure on, eleven of which have failed
        _circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Many_successes_of_before_do_not_hide_that_calls_have_begun_to_fail()
    {
        Succeed(100_000);
        for (var i = 0; i < 21; i++)
        {
            Alternate(i);
        }

        _circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Failures_further_apart_than_the_window_make_no_share()
    {
        for (var i = 0; i < 200; i++)
        {
            Alternate(i);
            _clock.Advance(_second);
        }

        _circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void A_small_share_does_not_open_it_however_long_it_goes_on()
    {
        for (var i = 0; i < 1000; i++)
        {
            Fail(1);
            Succeed(2);
        }

        _circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void A_share_as_low_as_one_in_thirty_can_be_asked_for()
    {
        using var circuit = new CircuitBreaker(new() { FailureShareToOpen = 1.0 / 30 }, _clock);
        Leave(circuit, false);
        for (var i = 0; i < 28; i++)
        {
            Leave(circuit, true);
        }

        circuit.State.Should().Be(CircuitState.Closed);
        Leave(circuit, false);
        circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Each_try_that_fails_doubles_the_time_up_to_the_bound_and_a_success_ends_that()
    {
        Fail(3);
        foreach (var seconds in new[] { 1, 2, 4, 5, 5 })
        {
            _circuit.UntilNextTry.Should().Be(seconds * _second);
            _clock.Advance((seconds * _second) - TimeSpan.FromTicks(1));
            _circuit.TryEnter(out _).Should().BeFalse();
            _clock.Advance(TimeSpan.FromTicks(1));
            _circuit.UntilNextTry.Should().Be(TimeSpan.Zero);
            Fail(1);
        }

        _clock.Advance(5 * _second);
        _circuit.TryEnter(out var pass).Should().BeTrue();
        _circuit.Succeeded(pass).Should().BeTrue();
        _circuit.State.Should().Be(CircuitState.Closed);
        Fail(2);
        _circuit.State.Should().Be(CircuitState.Closed, "a new row has begun");
        Fail(1);
        _circuit.UntilNextTry.Should().Be(_second);
    }

    [Fact]
    public void While_one_tries_all_others_are_refused()
    {
        Fail(3);
        _clock.Advance(_second);
        _circuit.TryEnter(out _).Should().BeTrue();
        _circuit.State.Should().Be(CircuitState.HalfOpen);
        _circuit.TryEnter(out _).Should().BeFalse();
        _clock.Advance(100 * _second);
        _circuit.TryEnter(out _).Should().BeFalse();
    }

    [Fact]
    public void Calls_from_before_a_change_say_nothing_about_now()
    {
        var before = Enumerable.Range(0, 10).Select(_ => Enter()).ToArray();
        Fail(3);
        _circuit.Succeeded(before[0]).Should().BeFalse();
        _circuit.Failed(before[1]).Should().BeFalse();
        _circuit.State.Should().Be(CircuitState.Open);
        _circuit.UntilNextTry.Should().Be(_second);

        _clock.Advance(_second);
        _circuit.Succeeded(Enter()).Should().BeTrue();
        foreach (var pass in before[2..])
        {
            _circuit.Failed(pass).Should().BeFalse();
        }

        _circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void A_success_from_before_does_not_break_the_row_of_now()
    {
        var before = Enter();
        Fail(3);
        _clock.Advance(_second);
        _circuit.Succeeded(Enter()).Should().BeTrue();
        Fail(2);
        _circuit.Succeeded(before).Should().BeFalse();
        Fail(1);
        _circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Word_that_the_store_can_be_reached_lets_one_call_try_at_once()
    {
        _circuit.AllowTry();
        Fail(3);
        _circuit.TryEnter(out _).Should().BeFalse("word from before it opened says nothing");
        _circuit.AllowTry();
        _circuit.UntilNextTry.Should().Be(TimeSpan.Zero);
        var first = Enter();
        _circuit.TryEnter(out _).Should().BeFalse();
        _circuit.Failed(first);
        _circuit.TryEnter(out _).Should().BeFalse();
        _circuit.UntilNextTry.Should().Be(2 * _second);
        _circuit.AllowTry();
        _circuit.Succeeded(Enter()).Should().BeTrue();
        Fail(3);
        _circuit.TryEnter(out _).Should().BeFalse("it has been made use of");
    }

    private CircuitPass Enter()
    {
        _circuit.TryEnter(out var pass).Should().BeTrue();
        return pass;
    }

    private void Fail(int times)
    {
        for (; times > 0; times--)
        {
            Leave(_circuit, false);
        }
    }

    private void Succeed(int times)
    {
        for (; times > 0; times--)
        {
            Leave(_circuit, true);
        }
    }

    private void Alternate(int step) => Leave(_circuit, step % 2 != 0);

    private static void Leave(CircuitBreaker circuit, bool succeeds)
    {
        circuit.TryEnter(out var pass).Should().BeTrue();
        _ = succeeds ? circuit.Succeeded(pass) : circuit.Failed(pass);
    }
}
