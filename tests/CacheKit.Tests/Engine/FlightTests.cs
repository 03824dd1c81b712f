using CacheKit.Engine;

namespace CacheKit.Tests.Engine;

public sealed class FlightTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);
    private static readonly FlightOutcome<int> _one = new(1, HasValue: true, IsStale: false, Isolated: null);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_waits_gets_what_it_brings_whether_they_came_before_or_after(bool isBefore)
    {
        var flight = Create();
        var early = isBefore ? flight.Outcome : null;
        flight.Complete(_one).Should().BeTrue();
        (await (early ?? flight.Outcome).WaitAsync(_patience)).Value.Should().Be(1);
        flight.TryGetOutcome(out var outcome).Should().BeTrue();
        outcome.Value.Should().Be(1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_waits_for_one_that_fails_gets_the_failure(bool isBefore)
    {
        var flight = Create();
        var early = isBefore ? flight.Outcome : null;
        flight.Fail(new InvalidTimeZoneException());
        flight.IsCompleted.Should().BeTrue();
        flight.TryGetOutcome(out _).Should().BeFalse();
        await (early ?? flight.Outcome).WaitAsync(_patience).Invoking(static task => task).Should().ThrowAsync<InvalidTimeZoneException>();
    }

    [Fact]
    public async Task It_ends_once()
    {
        var flight = Create();
        flight.Complete(_one).Should().BeTrue();
        flight.Fail(new InvalidTimeZoneException());
        flight.Complete(new(2, HasValue: true, IsStale: false, Isolated: null)).Should().BeFalse();
        (await flight.Outcome.WaitAsync(_patience)).Value.Should().Be(1);
    }

    [Fact]
    public async Task Nobody_is_left_waiting_who_comes_just_as_it_ends()
    {
        for (var round = 0; round < 20_000; round++)
        {
            var flight = Create();
            Task<FlightOutcome<int>>? first = null, second = null;
            Parallel.Invoke(() => first = flight.Outcome, () => flight.Complete(_one), () => second = flight.Outcome);
            (await Task.WhenAll(first!, second!).WaitAsync(_patience)).Should().OnlyContain(static outcome => outcome.Value == 1); // they were set
        }
    }

    private static Flight<int> Create() => new("k", 0, 0, [], default, new FlightCancellation(false));
}
