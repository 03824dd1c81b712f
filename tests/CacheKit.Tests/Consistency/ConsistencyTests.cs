using System.Globalization;
using CacheKit.Engine;

namespace CacheKit.Tests.Consistency;

/// <summary>
/// After a removal or a set has returned, no later call gets an older value. CACHEKIT_SOAK_SECONDS says for how long each
/// is tried, else it is two seconds. The tests that expect violations show that the checker sees them.
/// </summary>
[Trait("Category", "Stress")]
public sealed class ConsistencyTests(ITestOutputHelper output)
{
    private static readonly TimeSpan _longEnoughToFail = TimeSpan.FromSeconds(10);

    private static TimeSpan Duration { get; } = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 2);

    [Fact]
    public Task What_was_removed_is_not_served_again() => NothingIsViolated(new());

    [Fact]
    public Task What_was_removed_is_not_served_again_while_entries_are_evicted() => NothingIsViolated(new() { MaximumEntries = 12 });

    [Fact]
    public Task What_was_removed_is_not_served_again_while_entries_expire_and_are_refreshed_ahead() => NothingIsViolated(new() { Expiration = 20 });

    [Fact]
    public Task What_was_removed_does_not_stand_in_either_for_what_fails_or_is_slow() => NothingIsViolated(new() { Expiration = 10, StaleFor = 50 });

    [Fact]
    public Task A_stamp_taken_when_the_value_is_stored_is_found_out() => ViolationsAreFound(new() { Faults = Faults.StampTakenLate });

    [Fact]
    public Task A_flight_joined_after_a_removal_is_found_out() => ViolationsAreFound(new() { Faults = Faults.JoinAfterRemoval });

    private async Task NothingIsViolated(Conditions conditions)
    {
        var check = new ConsistencyCheck(conditions);
        await check.RunAsync(Duration);
        output.WriteLine(check.ToString());
        check.FirstViolations.Should().BeEmpty();
        check.Reads.Should().BeGreaterThan(1000);
        check.Factories.Should().BeGreaterThan(100);
        check.Removals.Should().BeGreaterThan(100);
    }

    private async Task ViolationsAreFound(Conditions conditions)
    {
        var check = new ConsistencyCheck(conditions);
        await check.RunAsync(_longEnoughToFail, untilViolated: true);
        output.WriteLine(check.ToString());
        output.WriteLine(string.Join(Environment.NewLine, check.FirstViolations));
        check.Violations.Should().BePositive();
    }
}
