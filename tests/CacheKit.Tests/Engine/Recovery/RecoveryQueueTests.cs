using CacheKit.Engine;
using CacheKit.Engine.Recovery;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Stores;
using CacheKit.Tests.Diagnostics;

namespace CacheKit.Tests.Engine.Recovery;

/// <summary>What a store could not be told is not forgotten, and until it was told the store is not believed.</summary>
public sealed class RecoveryQueueTests : IAsyncDisposable
{
    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger _logger = new();
    private readonly CacheStoreOptions _options = new() { FailuresToOpen = int.MaxValue, FailureShareToOpen = 1 };
    private readonly InMemoryStore _store;
    private readonly GatedStore _gated;
    private readonly StoreGuard _guard;
    private readonly RecoveryQueue _queue;

    public RecoveryQueueTests()
    {
        _store = new(_clock);
        _gated = new(_store);
        _guard = new("test", _gated, _options, _clock, _logger);
        _queue = new(_guard, capacity: 10);
    }

    public ValueTask DisposeAsync() => _guard.DisposeAsync();

    [Fact]
    public void An_empty_queue_covers_nothing()
    {
        _queue.IsEmpty.Should().BeTrue();
        Covers("k", "t").Should().BeFalse();
    }

    [Fact]
    public async Task What_is_pending_covers_what_it_would_have_removed_until_it_is_delivered()
    {
        _queue.AddInvalidation("k", InvalidationKind.Expire);
        _queue.AddTags(["s", "t"], TagMatch.Any, InvalidationKind.Remove);
        _queue.AddTags(["x", "y"], TagMatch.All, InvalidationKind.Remove);
        _queue.Count.Should().Be(4);
        Covers("k").Should().BeTrue();
        Covers("l").Should().BeFalse();
        Covers("l", "t").Should().BeTrue();
        Covers("l", "x").Should().BeFalse();
        Covers("l", "z", "y", "x").Should().BeTrue();

        _gated.Always = CallEnd.Done;
        (await _queue.DrainAsync()).Should().BeTrue();
        _queue.IsEmpty.Should().BeTrue();
        Covers("k", "t", "x", "y").Should().BeFalse();
        Logged().Should().Equal(32);
    }

    [Fact]
    public void Of_an_entry_whose_tags_are_not_known_any_tag_may_be_one()
    {
        _queue.AddInvalidation("k", default);
        _queue.Covers("l", tags: null, _queue.Deliveries).Should().BeFalse();
        _queue.AddTags(["a", "b"], TagMatch.All, default);
        _queue.Covers("l", tags: null, _queue.Deliveries).Should().BeTrue();
    }

    [Fact]
    public async Task A_clear_covers_everything_and_stands_for_all_before_it()
    {
        _queue.AddInvalidation("k", default);
        _queue.AddTags(["t"], TagMatch.Any, default);
        _queue.AddClear();
        _queue.AddInvalidation("l", default);
        _queue.Count.Should().Be(1);
        Covers("anything").Should().BeTrue();
        _gated.Always = CallEnd.Done;
        (await _queue.DrainAsync()).Should().BeTrue();
        Covers("anything").Should().BeFalse();
    }

    [Fact]
    public async Task More_than_can_be_kept_is_a_clear()
    {
        for (var i = 0; i < 1000; i++)
        {
            _queue.AddInvalidation($"{i}", default);
        }

        _queue.Count.Should().Be(1);
        Covers("anything").Should().BeTrue();
        Logged().Should().Equal(31);
        await PutAsync("anything", 1);
        _gated.Always = CallEnd.Done;
        await _queue.DrainAsync();
        (await GetAsync("anything")).Should().BeNull();
    }

    [Fact]
    public async Task A_removal_is_not_weakened_by_an_expiration()
    {
        foreach (var kinds in new[] { (InvalidationKind.Remove, InvalidationKind.Expire), (InvalidationKind.Expire, InvalidationKind.Remove) })
        {
            await PutAsync("k", 1, "t");
            await PutAsync("l", 1, "a", "b");
            await PutAsync("m", 1, "c");
            _queue.AddInvalidation("k", kinds.Item1);
            _queue.AddInvalidation("k", kinds.Item2);
            _queue.AddTags(["a", "b"], TagMatch.All, kinds.Item1);
            _queue.AddTags(["b", "a"], TagMatch.All, kinds.Item2);
            _queue.AddTags(["c"], TagMatch.Any, kinds.Item1);
            _queue.AddTags(["c"], TagMatch.All, kinds.Item2);
            _queue.Count.Should().Be(3);
            _gated.Always = CallEnd.Done;
            await _queue.DrainAsync();
            (await GetAsync("k")).Should().BeNull();
            (await GetAsync("l")).Should().BeNull();
            (await GetAsync("m")).Should().BeNull();
        }
    }

    [Fact]
    public async Task An_expiration_leaves_a_stale_value()
    {
        await PutAsync("k", 1);
        _queue.AddInvalidation("k", InvalidationKind.Expire);
        _queue.AddInvalidation("k", InvalidationKind.Expire);
        _gated.Always = CallEnd.Done;
        await _queue.DrainAsync();
        (await GetAsync("k")).Should().Be(1);
    }

    [Fact]
    public async Task A_value_is_sent_again_if_nothing_has_overtaken_it()
    {
        await PutAsync("k", 1);
        await PutAsync("other", 1);
        _queue.AddWrite("k", Entry(2), await StampAsync());
        Covers("k").Should().BeTrue("the store has an older value");
        _gated.Always = CallEnd.Done;
        (await _queue.DrainAsync()).Should().BeTrue();
        (await GetAsync("k")).Should().Be(2);
        Logged().Should().Equal(32);
    }

    [Fact]
    public async Task A_value_that_something_has_overtaken_removes_what_is_there()
    {
        var stamp = await StampAsync();
        await PutAsync("k", 1);
        _queue.AddWrite("k", Entry(2), stamp);
        _gated.Always = CallEnd.Done;
        (await _queue.DrainAsync()).Should().BeTrue();
        (await GetAsync("k")).Should().BeNull();
        Logged().Should().Equal(32, 34);
    }

    [Fact]
    public async Task A_value_that_the_store_will_not_take_removes_what_is_there()
    {
        await PutAsync("k", 1);
        await PutAsync("other", 1);
        _queue.AddWrite("k", Entry(2), await StampAsync());
        var drain = _queue.DrainAsync();
        await _gated.EndNextAsync(CallEnd.Denied);
        await _gated.EndNextAsync(CallEnd.Done);
        (await drain).Should().BeTrue();
        (await GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_removal_after_a_value_takes_its_place()
    {
        await PutAsync("other", 1);
        _queue.AddWrite("k", Entry(2), await StampAsync());
        _queue.AddInvalidation("k", InvalidationKind.Expire);
        _queue.Count.Should().Be(1);
        _gated.Always = CallEnd.Done;
        (await _queue.DrainAsync()).Should().BeTrue();
        (await GetAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task Values_are_kept_up_to_a_number_of_bytes_and_of_others_the_removal()
    {
        await PutAsync("a", 1);
        await PutAsync("b", 1);
        await PutAsync("other", 1);
        var stamp = await StampAsync();
        var large = new StoreEntry { Payload = new byte[PendingChanges.MaximumPayloadBytes], ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = [] };
        _queue.AddWrite("large", large, stamp);
        _queue.AddWrite("a", Entry(2), stamp);
        _queue.AddWrite("large", Entry(3), stamp);
        _queue.AddWrite("b", Entry(4), stamp);
        _gated.Always = CallEnd.Done;
        (await _queue.DrainAsync()).Should().BeTrue();
        (await GetAsync("large")).Should().Be(3);
        (await GetAsync("a")).Should().BeNull("it did not fit");
        (await GetAsync("b")).Should().Be(4, "there was room again");
    }

    [Fact]
    public async Task What_is_added_while_the_same_is_being_sent_is_sent_again()
    {
        _queue.AddInvalidation("k", default);
        var drain = _queue.DrainAsync();
        var call = await _gated.NextCallAsync().WaitAsync(TimeSpan.FromSeconds(30));
        _queue.AddInvalidation("k", default);
        call.SetResult(CallEnd.Done);
        call = await _gated.NextCallAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Covers("k").Should().BeTrue();
        call.SetResult(CallEnd.Done);
        (await drain).Should().BeTrue();
    }

    [Fact]
    public async Task What_is_added_while_a_clear_is_being_sent_is_not_covered_by_it()
    {
        _queue.AddClear();
        var drain = _queue.DrainAsync();
        var call = await _gated.NextCallAsync().WaitAsync(TimeSpan.FromSeconds(30));
        _queue.AddInvalidation("k", default);
        call.SetResult(CallEnd.Done);
        call = await _gated.NextCallAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Covers("k").Should().BeTrue();
        Covers("l").Should().BeFalse();
        call.SetResult(CallEnd.Done);
        (await drain).Should().BeTrue();
    }

    [Fact]
    public async Task A_read_that_began_before_a_delivery_is_a_miss()
    {
        await PutAsync("k", 1);
        _queue.AddInvalidation("k", default);
        var before = _queue.Deliveries;
        (await GetAsync("k")).Should().Be(1, "it has been read before the store is told");
        _gated.Always = CallEnd.Done;
        await _queue.DrainAsync();
        _queue.IsEmpty.Should().BeTrue();
        _queue.Covers("k", [], before).Should().BeTrue();
    }

    [Fact]
    public async Task A_drain_stops_at_a_failure_and_goes_on_when_the_store_answers()
    {
        var drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _guard.Listener = new DrainingListener(_queue, drained);
        _queue.AddInvalidation("a", default);
        _queue.AddInvalidation("b", default);
        var drain = _queue.DrainAsync();
        var second = _queue.DrainAsync();
        second.IsCompleted.Should().BeFalse("one is under way, and this waits for it");
        await _gated.EndNextAsync(CallEnd.Failed);
        (await drain).Should().BeFalse();
        (await second).Should().BeFalse();
        _queue.Count.Should().Be(2);
        Covers("a").Should().BeTrue();

        _gated.Always = CallEnd.Done;
        _clock.Advance(_options.OpenFor);
        await drained.Task.WaitAsync(TimeSpan.FromSeconds(30));
        _queue.IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task What_the_store_will_never_do_does_not_keep_it_from_the_rest()
    {
        _queue.AddInvalidation("poison", default);
        _queue.AddInvalidation("b", default);
        var drain = _queue.DrainAsync();
        await _gated.EndNextAsync(CallEnd.Denied);
        await _gated.EndNextAsync(CallEnd.Done);
        (await drain).Should().BeFalse();
        Covers("poison").Should().BeTrue();
        Covers("b").Should().BeFalse();
    }

    [Fact]
    public async Task Nothing_kept_is_ever_lost_or_believed_too_early()
    {
        var coverings = 0;
        for (var seed = 0; seed < 200; seed++)
        {
            await using var model = new RecoveryModel(seed);
            coverings += await model.RunAsync(steps: 80);
        }

        coverings.Should().BeGreaterThan(1000, "else the model proves nothing");
    }

    private bool Covers(string key, params string[] tags) => _queue.Covers(key, tags, _queue.Deliveries);

    private static StoreEntry Entry(byte value, params string[] tags) =>
        new() { Payload = new[] { value }, ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = tags };

    private async Task PutAsync(string key, byte value, params string[] tags) =>
        await _store.WriteAsync(key, Entry(value, tags), StoreCondition.Always, default);

    private async Task<byte?> GetAsync(string key)
    {
        using var lookup = await _store.ReadAsync(key, default, default);
        return lookup.IsFound ? lookup.Payload.Span[0] : null;
    }

    private async Task<long> StampAsync()
    {
        using var lookup = await _store.ReadAsync("k", default, default);
        return lookup.LoadStamp;
    }

    private IEnumerable<int> Logged() => _logger.Messages.Where(message => message.Level > Microsoft.Extensions.Logging.LogLevel.Debug).Select(message => message.Id);

    private sealed class DrainingListener(RecoveryQueue queue, TaskCompletionSource drained) : IStoreGuardListener
    {
        public void OnOpened(StoreGuard guard)
        {
        }

        public async void OnReachable(StoreGuard guard)
        {
            if (await queue.DrainAsync())
            {
                drained.TrySetResult();
            }
        }
    }
}
