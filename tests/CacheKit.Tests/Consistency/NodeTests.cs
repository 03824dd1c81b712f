using System.Globalization;
using CacheKit.Engine;

namespace CacheKit.Tests.Consistency;

/// <summary>
/// What one node has removed or replaced, no node serves any more: at once where the shared store is asked, within the delivery time of messages where
/// memory stands before it. CACHEKIT_SOAK_SECONDS says for how long each is tried, else it is two seconds.
/// </summary>
[Trait("Category", "Stress")]
public sealed class NodeTests(ITestOutputHelper output)
{
    private static readonly TimeSpan _longEnoughToFail = TimeSpan.FromSeconds(15);

    // Heartbeats come every 100 milliseconds, and what may be outdated is served for 200.
    private static readonly NodeConditions _lossy = new() { LosesMessages = true, Delivery = TimeSpan.FromSeconds(1), Pace = TimeSpan.FromMilliseconds(150) };

    private static TimeSpan Duration { get; } = TimeSpan.FromSeconds(
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) ? seconds : 2);

    [Fact]
    public Task Without_memory_every_node_sees_a_change_at_once() => NothingIsViolated(new() { HasMemory = false });

    [Fact]
    public Task With_memory_the_nodes_follow_the_messages() => NothingIsViolated(new());

    [Fact]
    public Task With_a_near_store_of_its_own_each_node_follows_too() => NothingIsViolated(new() { HasNear = true });

    [Fact]
    public Task A_store_that_fails_and_hangs_makes_no_node_go_back_on_what_it_has_done_itself() =>
        NothingIsViolated(new() { IsFaulty = true, Delivery = Timeout.InfiniteTimeSpan });

    [Fact]
    public Task A_store_that_fails_makes_no_node_with_a_near_store_go_back_either() =>
        NothingIsViolated(new() { IsFaulty = true, HasNear = true, Delivery = Timeout.InfiniteTimeSpan });

    [Fact]
    public Task Where_messages_are_lost_the_nodes_follow_within_the_bound() =>
        NothingIsViolated(_lossy, atLeast: TimeSpan.FromSeconds(4));

    [Fact]
    public Task Trust_in_what_may_have_missed_a_message_is_found_out() => ViolationsAreFound(_lossy with { Faults = Faults.TrustAfterLoss });

    [Fact]
    public Task A_stamp_taken_when_the_value_is_stored_is_found_out() => ViolationsAreFound(new() { HasMemory = false, Faults = Faults.StampTakenLate });

    [Fact]
    public Task A_flight_joined_after_a_removal_is_found_out() => ViolationsAreFound(new() { Faults = Faults.JoinAfterRemoval });

    private async Task NothingIsViolated(NodeConditions conditions, TimeSpan atLeast = default)
    {
        var check = new NodeCheck(conditions);
        await check.RunAsync(Duration > atLeast ? Duration : atLeast);
        output.WriteLine(check.ToString());
        check.FirstViolations.Should().BeEmpty();
        check.Reads.Should().BeGreaterThan(500);
        check.Changes.Should().BeGreaterThan(50);
    }

    private async Task ViolationsAreFound(NodeConditions conditions)
    {
        var check = new NodeCheck(conditions);
        await check.RunAsync(_longEnoughToFail, untilViolated: true);
        output.WriteLine(check.ToString());
        output.WriteLine(string.Join(Environment.NewLine, check.FirstViolations));
        check.Violations.Should().BePositive();
    }
}
