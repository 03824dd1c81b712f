using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Stores;

namespace CacheKit.Tests.Stores;

/// <summary>What the store in memory is beyond the contract: bounded, strict about buffers, and a network that tests disturb.</summary>
public sealed class InMemoryStoreTests
{
    private readonly ManualTimeProvider _clock = new();

    [Fact]
    public async Task Fences_of_keys_are_bounded_and_what_they_might_have_stopped_is_refused()
    {
        var state = new InMemoryStoreState { MaximumFences = 100 };
        await using var store = new InMemoryStore(state, _clock);
        var before = await LoadStampAsync(store, "k0");
        for (var i = 0; i < 1_000; i++)
        {
            await store.InvalidateAsync($"k{i}", InvalidationKind.Remove, default);
            state.Fences.Should().BeLessThanOrEqualTo(100);
        }

        for (var i = 0; i < 1_000; i++)
        {
            (await PopulateAsync(store, $"k{i}", before)).Should().Be(StoreWriteOutcome.Overtaken);
        }

        (await PopulateAsync(store, "k0", await LoadStampAsync(store, "k0"))).Should().Be(StoreWriteOutcome.Stored);
    }

    [Fact]
    public async Task Entries_survive_the_loss_of_fences_and_those_their_tags_have_ended_do_not()
    {
        var state = new InMemoryStoreState { MaximumFences = 50 };
        await using var store = new InMemoryStore(state, _clock);
        await SetAsync(store, "live", "kept");
        await SetAsync(store, "removed", "gone");
        await SetAsync(store, "expired", "old");
        await SetAsync(store, "all", "a", "b");
        await store.InvalidateTagsAsync(["gone"], TagMatch.Any, InvalidationKind.Remove, default);
        await store.InvalidateTagsAsync(["old"], TagMatch.Any, InvalidationKind.Expire, default);
        await store.InvalidateTagsAsync(["a", "b"], TagMatch.All, InvalidationKind.Remove, default);
        for (var i = 0; i < 500; i++)
        {
            await store.InvalidateTagsAsync([$"t{i}"], TagMatch.Any, InvalidationKind.Remove, default);
            state.Fences.Should().BeLessThanOrEqualTo(100);
        }

        (await ReadAsync(store, "live")).Should().Be((true, true));
        (await ReadAsync(store, "removed")).Should().Be((false, false));
        (await ReadAsync(store, "expired")).Should().Be((true, false));
        (await ReadAsync(store, "all")).Should().Be((false, false));
    }

    [Fact]
    public async Task What_replaces_an_entry_under_tags_of_which_nothing_is_known_any_more_is_dead()
    {
        await using var store = new InMemoryStore(new InMemoryStoreState { MaximumFences = 10 }, _clock);
        var same = await SetAsync(store, "same tags", "t");
        var other = await SetAsync(store, "other tags", "t");
        await store.InvalidateTagsAsync(["u"], TagMatch.Any, InvalidationKind.Remove, default);
        for (var i = 0; i < 50; i++)
        {
            await store.InvalidateAsync($"k{i}", InvalidationKind.Remove, default);
        }

        (await store.WriteAsync("same tags", Entry("t"), StoreCondition.IfUnchanged(same), default)).IsStored.Should().BeTrue();
        (await ReadAsync(store, "same tags")).Should().Be((true, true));
        (await store.WriteAsync("other tags", Entry("u"), StoreCondition.IfUnchanged(other), default)).IsStored.Should().BeTrue();
        (await ReadAsync(store, "other tags")).Should().Be((false, false));
    }

    [Fact]
    public async Task A_lookup_that_is_not_disposed_is_counted_and_one_that_is_has_no_bytes_any_more()
    {
        var state = new InMemoryStoreState();
        await using var store = new InMemoryStore(state, _clock);
        await store.WriteAsync("k", Entry(), StoreCondition.Always, default);
        var lookup = await store.ReadAsync("k", default, default);
        state.OpenLookups.Should().Be(1);
        lookup.Payload.ToArray().Should().Equal("value"u8.ToArray());
        lookup.Dispose();
        lookup.Dispose();
        state.OpenLookups.Should().Be(0);
        lookup.Payload.ToArray().Should().NotEqual("value"u8.ToArray());
    }

    [Fact]
    public async Task What_is_too_large_is_declined_and_leaves_nothing_older()
    {
        await using var store = new InMemoryStore(new InMemoryStoreState { MaximumPayloadBytes = 5 }, _clock);
        await SetAsync(store, "k");
        var large = new StoreEntry { Payload = new byte[6], ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = [] };
        (await store.WriteAsync("k", large, StoreCondition.IfAbsent, default)).Outcome.Should().Be(StoreWriteOutcome.Overtaken);
        (await ReadAsync(store, "k")).Should().Be((true, true));
        (await store.WriteAsync("k", large, StoreCondition.Always, default)).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await ReadAsync(store, "k")).Should().Be((false, false));
    }

    [Fact]
    public void A_plain_store_shows_no_capability()
    {
        var store = new PlainStore(new InMemoryStore(_clock));
        ((object)store is IBatchStore or ICounterStore or ILockStore or IInvalidationTransport or IEnumerableStore).Should().BeFalse();
        store.Name.Should().Be("in-memory");
    }

    [Fact]
    public async Task Messages_can_be_held_reversed_and_delivered_one_by_one()
    {
        var (sender, receiver, log) = await ConnectAsync();
        receiver.Feed.Hold();
        await PublishAsync(sender, 1, 2, 3, 4);
        log.Should().Equal("connected, incomplete");
        receiver.Feed.Kept.Should().Be(4);
        receiver.Feed.Deliver(1);
        receiver.Feed.ReverseKept();
        receiver.Feed.Deliver(2);
        log.Skip(1).Should().Equal("1", "4", "3");
        receiver.Feed.Resume();
        await PublishAsync(sender, 5);
        log.Skip(4).Should().Equal("2", "5");
        receiver.Feed.Hold();
        await PublishAsync(sender, 6);
        receiver.Feed.DropKept();
        receiver.Feed.Resume();
        log.Should().HaveCount(6);
    }

    [Fact]
    public async Task Messages_can_be_lost_and_doubled()
    {
        var (sender, receiver, log) = await ConnectAsync();
        receiver.Feed.DropNext(2);
        await PublishAsync(sender, 1, 2, 3);
        receiver.Feed.DoubleNext(1);
        await PublishAsync(sender, 4, 5);
        log.Skip(1).Should().Equal("3", "4", "4", "5");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connection_can_be_cut_and_made_again_with_or_without_what_was_missed(bool isComplete)
    {
        var (sender, receiver, log) = await ConnectAsync();
        receiver.Feed.Hold();
        await PublishAsync(sender, 1);
        receiver.Feed.Interrupt();
        receiver.Feed.Resume();
        await PublishAsync(sender, 2);
        log.Skip(1).Should().Equal("interrupted");
        receiver.Feed.Reconnect(isComplete);
        await PublishAsync(sender, 3);
        log.Skip(2).Should().Equal(isComplete ? ["connected, complete", "1", "2", "3"] : ["connected, incomplete", "3"]);
    }

    [Fact]
    public async Task Whoever_subscribes_while_the_connection_is_cut_is_connected_later()
    {
        await using var store = new InMemoryStore(_clock);
        store.Feed.Interrupt();
        var receiver = new LoggingReceiver();
        await store.SubscribeAsync(receiver, default);
        receiver.Log.Should().BeEmpty();
        store.Feed.Reconnect(isComplete: false);
        receiver.Log.Should().Equal("connected, incomplete");
    }

    private static StoreEntry Entry(params string[] tags) =>
        new() { Payload = "value"u8.ToArray(), ExpiresAt = new(2001, 1, 1, 0, 0, 0, default), RetainUntil = DateTimeOffset.MaxValue, Tags = tags };

    private static async Task<long> SetAsync(InMemoryStore store, string key, params string[] tags) =>
        (await store.WriteAsync(key, Entry(tags), StoreCondition.Always, default)).Stamp;

    private static async Task<long> LoadStampAsync(InMemoryStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return lookup.LoadStamp;
    }

    private static async Task<StoreWriteOutcome> PopulateAsync(InMemoryStore store, string key, long loadStamp) =>
        (await store.WriteAsync(key, Entry(), StoreCondition.IfCurrent(loadStamp), default)).Outcome;

    private static async Task PublishAsync(InMemoryStore store, params int[] numbers)
    {
        foreach (var number in numbers)
        {
            await store.PublishAsync(new[] { (byte)('0' + number) }, default);
        }
    }

    private async Task<(bool IsThere, bool IsFresh)> ReadAsync(InMemoryStore store, string key)
    {
        using var lookup = await store.ReadAsync(key, default, default);
        return (lookup.IsFound, lookup.IsFound && lookup.ExpiresAt > _clock.GetUtcNow());
    }

    private async Task<(InMemoryStore Sender, InMemoryStore Receiver, List<string> Log)> ConnectAsync()
    {
        var state = new InMemoryStoreState();
        var (sender, receiver) = (new InMemoryStore(state, _clock), new InMemoryStore(state, _clock));
        var logging = new LoggingReceiver();
        await receiver.SubscribeAsync(logging, default);
        return (sender, receiver, logging.Log);
    }

    private sealed class LoggingReceiver : IInvalidationReceiver
    {
        internal List<string> Log { get; } = [];

        public void OnMessage(ReadOnlyMemory<byte> message) => Log.Add(System.Text.Encoding.ASCII.GetString(message.Span));

        public void OnInterrupted() => Log.Add("interrupted");

        public void OnConnected(bool isComplete) => Log.Add(isComplete ? "connected, complete" : "connected, incomplete");
    }
}
