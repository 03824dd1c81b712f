using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using CacheKit.Engine;
using CacheKit.Engine.Feed;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Tests.Diagnostics;

namespace CacheKit.Tests.Engine.Feed;

/// <summary>Nodes hear what others have changed, or know that they may not have.</summary>
public sealed class InvalidationFeedTests
{
    private static readonly TimeSpan _tick = TimeSpan.FromTicks(1);
    private static readonly TimeSpan _grace = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly MessageHub _hub = new();
    private readonly CacheStoreOptions _options = new();
    private readonly RecordingLogger _logger = new();

    private TimeSpan Interval => _options.HeartbeatInterval;

    [Fact]
    public async Task What_one_node_tells_the_others_hear_and_it_itself_does_not()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await using var three = await StartAsync();
        two.Feed.TellKey(KeyChange.Removed, "k", 1);
        two.Feed.TellKey(KeyChange.Expired, "k", 2);
        two.Feed.TellKey(KeyChange.Set, "k", 3);
        two.Feed.TellFilled("f");
        two.Feed.TellTags(["a", "b"], TagMatch.Any, InvalidationKind.Remove, 4);
        two.Feed.TellTags(["c"], TagMatch.All, InvalidationKind.Expire, 5);
        two.Feed.TellTags(["e", "d"], TagMatch.All, InvalidationKind.Remove, 6);
        two.Feed.TellTags(["e", "d"], TagMatch.All, InvalidationKind.Expire, 7);
        two.Feed.TellCleared(8);
        (await two.Feed.FlushAsync()).Should().BeTrue();

        one.Heard().Should().Equal(
            "Removed k 1", "Expired k 2", "Set k 3", "filled f", "Remove Any a 4", "Remove Any b 4", "Expire Any c 5", "Remove All d,e 6",
            "Expire All d,e 7", "cleared 8");
        three.Heard().Should().Equal(one.Heard());
        two.Heard().Should().BeEmpty();
        two.Messages(MessageType.Data).Should().ContainSingle();
    }

    [Fact]
    public async Task What_nobody_waits_for_is_sent_after_a_moment()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        one.Feed.TellKey(KeyChange.Removed, "a", 1);
        one.Feed.TellKey(KeyChange.Removed, "b", 2);
        _clock.Advance(FeedSender.Linger - _tick);
        two.Heard().Should().BeEmpty();
        _clock.Advance(_tick);
        two.Heard().Should().Equal("Removed a 1", "Removed b 2");
        one.Messages(MessageType.Data).Should().ContainSingle();
    }

    [Fact]
    public async Task A_full_message_does_not_wait()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        for (var i = 0; i < InvalidationMessage.MaximumNotices; i++)
        {
            one.Feed.TellKey(KeyChange.Removed, $"{i}", i);
        }

        _clock.Advance(TimeSpan.Zero);
        two.Heard().Should().HaveCount(InvalidationMessage.MaximumNotices);
        one.Messages(MessageType.Data).Should().ContainSingle();
    }

    [Fact]
    public async Task What_is_told_while_a_message_is_on_its_way_goes_together_with_the_next()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        var gate = new TaskCompletionSource();
        one.Node.Publishing = () => new(gate.Task);
        one.Feed.TellKey(KeyChange.Removed, "first", 1);
        var first = one.Feed.FlushAsync();
        var others = new List<Task<bool>>();
        for (var i = 0; i < 10; i++)
        {
            one.Feed.TellKey(KeyChange.Removed, $"{i}", 1);
            others.Add(one.Feed.FlushAsync().AsTask());
        }

        first.IsCompleted.Should().BeFalse("it is not on its way yet");
        var next = new TaskCompletionSource();
        one.Node.Publishing = () => new(next.Task);
        gate.SetResult();
        (await first.AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Should().BeTrue("it waits for its own message alone");
        others.Should().OnlyContain(other => !other.IsCompleted);
        one.Node.Publishing = static () => default;
        next.SetResult();
        (await Task.WhenAll(others)).Should().OnlyContain(isSent => isSent);
        one.Messages(MessageType.Data).Should().HaveCount(2);
        two.Heard().Should().HaveCount(11);
    }

    [Fact]
    public async Task Who_keeps_the_thread_he_goes_on_on_holds_up_nobody_who_waited_for_the_same_message()
    {
        await using var one = await StartAsync();
        var gate = new TaskCompletionSource();
        one.Node.Publishing = () => new(gate.Task);
        one.Feed.TellKey(KeyChange.Removed, "first", 1);
        var first = one.Feed.FlushAsync().AsTask();
        using var hasOtherGoneOn = new ManualResetEventSlim();
        async Task<bool> KeepAsync()
        {
            await one.Feed.FlushAsync().ConfigureAwait(false);
            return hasOtherGoneOn.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        }

        async Task GoOnAsync()
        {
            await one.Feed.FlushAsync().ConfigureAwait(false);
            hasOtherGoneOn.Set();
        }

        one.Feed.TellKey(KeyChange.Removed, "second", 1);
        var (kept, goneOn) = (KeepAsync(), GoOnAsync());
        gate.SetResult();
        await first;
        await goneOn;
        (await kept).Should().BeTrue();
    }

    [Fact]
    public async Task Where_several_told_something_a_moment_ago_who_comes_first_leaves_the_sending_to_another_thread()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        var isSentByCaller = new List<bool>();
        using var isCalling = new ThreadLocal<bool>();
        one.Node.Publishing = () =>
        {
            isSentByCaller.Add(isCalling.Value);
            return default;
        };
        async Task TellAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                one.Feed.TellKey(KeyChange.Removed, $"{i}", 1);
            }

            isCalling.Value = true;
            var flush = one.Feed.FlushAsync();
            isCalling.Value = false;
            (await flush).Should().BeTrue();
        }

        await TellAsync(1);
        await TellAsync(2);
        await TellAsync(1);
        await TellAsync(1);
        isSentByCaller.Should().Equal([true, true, false, true], "a single one is not sent later for the sake of others who do not come");
        two.Heard().Should().HaveCount(5);
    }

    [Fact]
    public async Task With_nothing_to_tell_a_flush_is_done()
    {
        await using var one = await StartAsync();
        one.Feed.FlushAsync().IsCompletedSuccessfully.Should().BeTrue();
        one.Feed.TellKey(KeyChange.Removed, "k", 1);
        (await one.Feed.FlushAsync()).Should().BeTrue();
        one.Feed.FlushAsync().IsCompletedSuccessfully.Should().BeTrue();
    }

    [Fact]
    public async Task A_thing_told_again_before_it_was_sent_is_sent_once_with_the_newest_stamp()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        one.Feed.TellKey(KeyChange.Removed, "k", 5);
        one.Feed.TellKey(KeyChange.Removed, "k", 9);
        one.Feed.TellKey(KeyChange.Removed, "k", 7);
        one.Feed.TellTags(["a", "b"], TagMatch.All, InvalidationKind.Remove, 1);
        one.Feed.TellTags(["b", "a"], TagMatch.All, InvalidationKind.Remove, 2);
        one.Feed.TellTags(["ab", "c"], TagMatch.All, InvalidationKind.Remove, 3);
        one.Feed.TellTags(["a", "bc"], TagMatch.All, InvalidationKind.Remove, 3);
        await one.Feed.FlushAsync();
        two.Heard().Should().Equal("Removed k 9", "Remove All a,b 2", "Remove All ab,c 3", "Remove All a,bc 3");
    }

    [Fact]
    public async Task Messages_may_come_twice()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await TellAsync(one, 3);
        foreach (var message in one.Node.Published.ToArray())
        {
            two.Node.HandOver(message);
        }

        _clock.Advance(2 * Interval);
        two.Heard().Should().HaveCount(6).And.NotContain("suspect");
    }

    [Fact]
    public async Task Messages_may_come_in_any_order_within_the_grace()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        two.Node.HoldsIncoming = true;
        await TellAsync(one, 4);
        var late = two.Node.Held[2];
        two.Node.HandOverHeld(3, 0, 1);
        _clock.Advance(_grace - _tick);
        two.Node.HandOver(late);
        _clock.Advance(2 * Interval);
        two.Heard().Should().Equal("Removed 3 0", "Removed 0 0", "Removed 1 0", "Removed 2 0");
    }

    [Fact]
    public async Task A_number_still_missing_after_the_grace_makes_everything_suspect_once()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await LoseAsync(one);
        await TellAsync(one, 1);
        _clock.Advance(_grace - _tick);
        two.Heard().Should().Equal("Removed 0 0");
        _clock.Advance(_tick);
        two.Heard().Should().Equal("Removed 0 0", "suspect");
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(2);
        one.Heard().Should().BeEmpty();
        LoggedOf(two).Should().Contain(29);
    }

    [Fact]
    public async Task Two_gaps_one_after_the_other_are_found_each_in_its_time()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await using var three = await StartAsync();
        await LoseAsync(one);
        await TellAsync(one, 1);
        _clock.Advance(_grace / 2);
        two.Node.HoldsIncoming = true;
        await TellAsync(three, 2);
        two.Node.HandOverHeld(1);
        _clock.Advance(_grace / 2);
        two.Suspicions.Should().Be(1, "and with it the second gap is covered");
        _clock.Advance(_grace);
        two.Suspicions.Should().Be(1);

        await LoseAsync(three);
        await TellAsync(three, 1);
        _clock.Advance(_grace);
        two.Suspicions.Should().Be(2);
    }

    [Fact]
    public async Task The_loss_of_the_last_message_shows_at_the_next_heartbeat()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        await LoseAsync(one);
        _clock.Advance(Interval + _grace - _tick);
        two.Heard().Should().BeEmpty();
        _clock.Advance(_tick);
        two.Heard().Should().Equal("suspect");
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(1);
    }

    [Fact]
    public async Task The_loss_of_the_last_message_shows_at_the_goodbye()
    {
        var one = await StartAsync();
        await using var two = await StartAsync();
        await LoseAsync(one);
        await one.DisposeAsync();
        _clock.Advance(_grace);
        two.Heard().Should().Equal("suspect");
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(1);
    }

    [Fact]
    public async Task A_node_heard_from_its_first_message_on_is_not_suspect()
    {
        await using var two = await StartAsync();
        await using var one = await StartAsync();
        await TellAsync(one, 3);
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(3).And.NotContain("suspect");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5000)]
    public async Task A_node_first_heard_of_in_the_middle_may_have_said_something_before(int messages)
    {
        await using var one = await StartAsync();
        await TellAsync(one, messages);
        await using var two = await StartAsync();
        await TellAsync(one, 1);
        two.Heard().Should().Equal("Removed 0 0");
        _clock.Advance(_grace);
        two.Heard().Should().Equal("Removed 0 0", "suspect");
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(2);
    }

    [Fact]
    public async Task A_node_that_falls_silent_without_a_goodbye_is_suspect_once()
    {
        var one = await StartAsync();
        await using var two = await StartAsync();
        _clock.Advance(Interval);
        one.Node.LosesOutgoing = true; // it has died, for all that others can tell
        _clock.Advance((3 * Interval) - _tick);
        two.Heard().Should().BeEmpty();
        _clock.Advance(Interval);
        two.Heard().Should().Equal("suspect");
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(1);
        await one.DisposeAsync();
    }

    [Fact]
    public async Task A_node_that_says_goodbye_may_be_silent()
    {
        var one = await StartAsync();
        await using var two = await StartAsync();
        one.Feed.TellKey(KeyChange.Removed, "last", 1);
        await one.DisposeAsync();
        one.Node.IsSubscribed.Should().BeFalse();
        two.Heard().Should().Equal("Removed last 1");
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(1);
    }

    [Fact]
    public async Task A_node_is_given_the_time_of_its_own_interval()
    {
        await using var slow = await StartAsync(new() { HeartbeatInterval = 4 * Interval });
        await using var two = await StartAsync();
        _clock.Advance(20 * Interval);
        two.Heard().Should().BeEmpty();
    }

    [Fact]
    public async Task A_connection_that_was_interrupted_may_have_lost_something()
    {
        await using var one = await StartAsync();
        one.Feed.IsConnected.Should().BeTrue();
        one.Node.Interrupt();
        one.Node.Interrupt();
        one.Feed.IsConnected.Should().BeFalse();
        _clock.Advance(TimeSpan.FromSeconds(3));
        one.Feed.DisconnectedFor.Should().Be(TimeSpan.FromSeconds(3));
        one.Node.Connect(isComplete: false);
        one.Events.Should().Equal("disconnected", "suspect", "reconnected");
        one.Feed.DisconnectedFor.Should().Be(TimeSpan.Zero);
        LoggedOf(one).Should().Equal(27, 29, 28);
    }

    [Fact]
    public async Task A_connection_that_delivers_what_was_missed_has_lost_nothing()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        two.Node.Interrupt();
        two.Node.HoldsIncoming = true;
        await TellAsync(one, 2);
        _clock.Advance(2 * Interval);
        two.Node.Connect(isComplete: true);
        two.Node.HandOverHeld([.. Enumerable.Range(0, two.Node.Held.Count)]);
        _clock.Advance(10 * Interval);
        two.Events.Should().Equal("disconnected", "reconnected", "Removed 0 0", "Removed 1 0");
    }

    [Fact]
    public async Task Nobody_is_taken_for_dead_who_could_not_be_heard()
    {
        await using var two = await StartAsync();
        await using var one = await StartAsync();
        _clock.Advance(Interval);
        two.Node.Interrupt();
        two.Node.HoldsIncoming = true;
        _clock.Advance(10 * Interval);
        two.Node.HandOverHeld();
        two.Node.Connect(isComplete: true);
        _clock.Advance(2 * Interval);
        two.Events.Should().Equal("disconnected", "reconnected");
    }

    [Fact]
    public async Task While_its_own_messages_do_not_come_back_a_node_counts_as_disconnected()
    {
        await using var one = await StartAsync();
        one.Node.LosesOutgoing = true;
        _clock.Advance((3 * Interval) - _tick);
        one.Events.Should().BeEmpty();
        _clock.Advance(_tick);
        one.Events.Should().Equal("suspect", "disconnected");
        _clock.Advance(10 * Interval);
        one.Events.Should().HaveCount(2);
        one.Node.LosesOutgoing = false;
        _clock.Advance(Interval);
        one.Events.Should().Equal("suspect", "disconnected", "suspect", "reconnected");
    }

    [Fact]
    public async Task Before_the_first_connection_it_is_not_connected()
    {
        await using var one = Create();
        one.Node.ConnectsAtOnce = false;
        await one.Feed.StartAsync();
        _clock.Advance(TimeSpan.FromSeconds(1));
        one.Feed.IsConnected.Should().BeFalse();
        one.Feed.DisconnectedFor.Should().Be(TimeSpan.FromSeconds(1));
        one.Node.Connect(isComplete: false);
        one.Events.Should().Equal("suspect", "reconnected");
    }

    [Fact]
    public async Task A_subscription_that_fails_is_tried_again()
    {
        await using var one = Create();
        one.Node.Subscribing = static () => throw new IOException();
        await one.Feed.StartAsync();
        one.Node.IsSubscribed.Should().BeFalse();
        LoggedOf(one).Should().Equal(26);
        _clock.Advance(2 * Interval);
        LoggedOf(one).Should().Equal(26);
        one.Node.Subscribing = static () => default;
        _clock.Advance(Interval);
        one.Feed.IsConnected.Should().BeTrue();
    }

    [Fact]
    public async Task What_could_not_be_sent_is_sent_later_under_the_same_number()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        one.Node.Publishing = static () => throw new IOException();
        one.Feed.TellKey(KeyChange.Removed, "a", 1);
        (await one.Feed.FlushAsync()).Should().BeFalse();
        one.Feed.TellKey(KeyChange.Removed, "b", 1);
        one.Feed.TellKey(KeyChange.Removed, "b", 2);
        (await one.Feed.FlushAsync()).Should().BeFalse();
        one.Node.Publishing = static () => default;
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        two.Heard().Should().Equal("Removed a 1", "Removed b 2");
        (await one.Feed.FlushAsync()).Should().BeTrue();
        _clock.Advance(10 * Interval);
        two.Heard().Should().HaveCount(2, "nothing is missing");
    }

    [Fact]
    public async Task A_message_that_failed_but_arrived_comes_twice_and_does_no_harm()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        two.Node.HoldsIncoming = true;
        one.Feed.TellKey(KeyChange.Removed, "a", 1);
        var gate = new TaskCompletionSource();
        one.Node.Publishing = () => new(gate.Task);
        var flush = one.Feed.FlushAsync();
        _clock.Advance(_options.WriteTimeout);
        (await flush).Should().BeFalse("it took too long");
        gate.SetResult(); // and has arrived all the same
        one.Node.Publishing = static () => default;
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        two.Node.Held.Should().HaveCount(2);
        two.Node.Held[0].Should().Equal(two.Node.Held[1]);
        two.Node.HandOverHeld(0, 1);
        _clock.Advance(10 * Interval);
        two.Heard().Should().Equal("Removed a 1", "Removed a 1");
    }

    [Fact]
    public async Task A_connection_made_again_ends_the_wait_for_the_next_attempt()
    {
        _options.FailuresToOpen = int.MaxValue;
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        one.Node.Publishing = static () => throw new IOException();
        one.Feed.TellKey(KeyChange.Removed, "a", 1);
        _clock.Advance(TimeSpan.FromSeconds(4)); // the attempts are seconds apart now
        one.Node.Publishing = static () => default;
        one.Node.Connect(isComplete: true);
        two.Heard().Should().Contain("Removed a 1");
    }

    [Fact]
    public async Task More_than_can_be_kept_is_told_as_everything()
    {
        _options.RecoveryQueueSize = 300;
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        one.Node.Publishing = static () => throw new IOException();
        one.Feed.TellKey(KeyChange.Removed, "first", 1);
        await one.Feed.FlushAsync();
        for (var i = 0; i < 100_000; i++)
        {
            one.Feed.TellKey(KeyChange.Removed, $"{i}", 1);
        }

        one.Node.Publishing = static () => default;
        one.Feed.Resume();
        two.Heard().Should().Equal("Removed first 1", "suspect");
        one.Feed.TellKey(KeyChange.Removed, "next", 1);
        (await one.Feed.FlushAsync()).Should().BeTrue();
        two.Heard().Should().Equal("Removed first 1", "suspect", "Removed next 1");
    }

    [Fact]
    public async Task Foreign_bytes_are_counted_and_damage_shows_as_a_loss()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        two.Node.HandOver([]);
        two.Node.HandOver("hello"u8.ToArray());
        two.Feed.ForeignMessages.Should().Be(2);
        two.Node.HoldsIncoming = true;
        await TellAsync(one, 2);
        two.Node.Held[0][30] ^= 1;
        two.Node.HandOverHeld(0, 1);
        two.Feed.ForeignMessages.Should().Be(3);
        two.Heard().Should().Equal("Removed 1 0");
        _clock.Advance(_grace);
        two.Heard().Should().Equal("Removed 1 0", "suspect");
    }

    [Fact]
    public async Task What_a_later_version_says_may_be_anything()
    {
        await using var two = await StartAsync();
        var message = new InvalidationMessage { Sender = 1, Sequence = 1 }.Encode();
        message[2] = 9;
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(message.Length - 4), InvalidationMessage.Sum(message.AsSpan(..^4)));
        two.Node.HandOver(message);
        two.Heard().Should().Equal("suspect");
    }

    [Fact]
    public async Task Of_too_many_nodes_the_longest_silent_is_forgotten_and_missed()
    {
        await using var two = await StartAsync();
        for (var sender = 1; sender <= PeerWatch.MaximumPeers; sender++)
        {
            two.Node.HandOver(Heartbeat(sender));
            _clock.Advance(_tick);
        }

        two.Heard().Should().BeEmpty();
        two.Node.HandOver(Heartbeat(100_000));
        two.Heard().Should().Equal("suspect");
        two.Node.HandOver(Heartbeat(2));
        two.Heard().Should().HaveCount(1, "it is not the longest silent, and still known");

        static byte[] Heartbeat(int sender) => new InvalidationMessage { Type = MessageType.Heartbeat, Sender = (ulong)sender }.Encode();
    }

    [Fact]
    public async Task A_transport_that_hangs_does_not_keep_the_cache_from_ending()
    {
        _options.WriteTimeout = Timeout.InfiniteTimeSpan;
        var one = await StartAsync();
        await using var two = await StartAsync();
        _clock.Advance(Interval); // by then they know each other
        one.Node.Publishing = static () => new(new TaskCompletionSource().Task);
        one.Feed.TellKey(KeyChange.Removed, "untold", 1);
        var disposal = one.DisposeAsync();
        disposal.IsCompleted.Should().BeFalse();
        _clock.Advance(InvalidationFeed.DisposalPatience);
        await disposal;
        _clock.Advance(4 * Interval);
        two.Heard().Should().Equal(new[] { "suspect" }, "nobody has said goodbye");
    }

    [Fact]
    public async Task A_node_that_could_not_say_everything_does_not_say_goodbye()
    {
        var one = await StartAsync();
        await using var two = await StartAsync();
        _clock.Advance(Interval);
        one.Node.Publishing = static () => throw new IOException();
        one.Feed.TellKey(KeyChange.Removed, "untold", 1);
        await one.DisposeAsync();
        one.Feed.TellKey(KeyChange.Removed, "ignored", 1);
        (await one.Feed.FlushAsync()).Should().BeFalse();
        one.Feed.Resume();
        _clock.Advance(4 * Interval);
        two.Heard().Should().Equal("suspect");
    }

    [Fact]
    public async Task A_listener_that_throws_breaks_nothing()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        two.Throws = true;
        await TellAsync(one, 2);
        two.Node.Interrupt();
        two.Node.Connect(isComplete: false);
        two.Throws = false;
        await TellAsync(one, 1);
        two.Heard().Should().Equal("Removed 0 0", "Removed 1 0", "disconnected", "suspect", "reconnected", "Removed 0 0");
        LoggedOf(two).Should().Contain(8);
    }

    [Fact]
    public void Neither_its_timers_nor_the_transport_keep_a_feed_that_nobody_holds()
    {
        var node = _hub.Join();
        var feed = CreateAndForget();
        for (var i = 0; i < 10 && feed.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        feed.IsAlive.Should().BeFalse();
        _clock.Advance(10 * Interval);
        node.HandOver(new InvalidationMessage { Sender = 1, Sequence = 1 }.Encode());
        node.Interrupt();

        [MethodImpl(MethodImplOptions.NoInlining)]
        WeakReference CreateAndForget()
        {
            var guard = new StoreGuard("test", node, _options, _clock, _logger);
            var feed = new InvalidationFeed("test", guard, _options, new TestNode(), _clock, _logger);
            feed.StartAsync().IsCompleted.Should().BeTrue();
            feed.TellKey(KeyChange.Removed, "k", 1);
            return new(feed);
        }
    }

    [Fact]
    public async Task Many_threads_tell_and_flush_and_everything_arrives()
    {
        await using var one = await StartAsync();
        await using var two = await StartAsync();
        one.Node.Publishing = static async () => await Task.Yield();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(async () =>
        {
            for (var i = 0; i < 2000; i++)
            {
                one.Feed.TellKey(KeyChange.Removed, $"{thread}:{i}", i);
                if (i % 10 == 0)
                {
                    (await one.Feed.FlushAsync()).Should().BeTrue();
                }
            }
        })));
        (await one.Feed.FlushAsync()).Should().BeTrue();
        two.Heard().Should().HaveCount(8000).And.OnlyHaveUniqueItems();
        _clock.Advance(2 * Interval);
        two.Heard().Should().NotContain("suspect");
    }

    private async Task<TestNode> StartAsync(CacheStoreOptions? options = null)
    {
        var node = Create(options);
        await node.Feed.StartAsync();
        node.Events.Should().Equal("suspect", "reconnected");
        node.Events.Clear();
        return node;
    }

    private TestNode Create(CacheStoreOptions? options = null)
    {
        var node = new TestNode { Node = _hub.Join() };
        node.Guard = new StoreGuard("test", node.Node, options ?? _options, _clock, _logger);
        node.Feed = new InvalidationFeed("test", node.Guard, options ?? _options, node, _clock, node.Logger);
        return node;
    }

    /// <summary>Sends messages, one for each key.</summary>
    private static async Task TellAsync(TestNode node, int messages)
    {
        for (var i = 0; i < messages; i++)
        {
            node.Feed.TellKey(KeyChange.Removed, $"{i}", 0);
            (await node.Feed.FlushAsync()).Should().BeTrue();
        }
    }

    private static async Task LoseAsync(TestNode node)
    {
        node.Node.LosesOutgoing = true;
        await TellAsync(node, 1);
        node.Node.LosesOutgoing = false;
    }

    private static IEnumerable<int> LoggedOf(TestNode node) =>
        node.Logger.Messages.Where(message => message.Level > Microsoft.Extensions.Logging.LogLevel.Debug).Select(message => message.Id);

    /// <summary>A node, and what it has heard.</summary>
    private sealed class TestNode : IInvalidationListener, IAsyncDisposable
    {
        internal HubNode Node { get; init; } = null!; // set by whoever creates it, as the others are

        internal StoreGuard Guard { get; set; } = null!;

        internal InvalidationFeed Feed { get; set; } = null!;

        internal RecordingLogger Logger { get; } = new();

        internal List<string> Events { get; } = [];

        internal bool Throws { get; set; }

        internal int Suspicions => Events.Count(happened => happened == "suspect");

        internal IReadOnlyList<string> Heard()
        {
            lock (Events)
            {
                return [.. Events];
            }
        }

        internal IEnumerable<byte[]> Messages(MessageType type) => Node.Published.Where(message => message[3] == (byte)type);

        public void OnKeyChanged(string key, KeyChange change, long stamp) => Add($"{change} {key} {stamp}");

        public void OnTagsInvalidated(IReadOnlyList<string> tags, TagMatch match, InvalidationKind kind, long stamp) =>
            Add($"{kind} {match} {string.Join(',', tags)} {stamp}");

        public void OnCleared(long stamp) => Add($"cleared {stamp}");

        public void OnKeyFilled(string key) => Add($"filled {key}");

        public void OnSuspect() => Add("suspect");

        public void OnDisconnected() => Add("disconnected");

        public void OnReconnected() => Add("reconnected");

        public async ValueTask DisposeAsync()
        {
            await Feed.DisposeAsync();
            await Guard.DisposeAsync();
        }

        private void Add(string happened)
        {
            lock (Events)
            {
                Events.Add(happened);
            }

            if (Throws)
            {
                throw new InvalidOperationException("This listener is broken.");
            }
        }
    }
}
