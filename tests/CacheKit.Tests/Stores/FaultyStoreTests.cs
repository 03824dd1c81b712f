using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Testing.Stores;

namespace CacheKit.Tests.Stores;

/// <summary>A faulty store does just what a test asks for, and shows just the capabilities it should.</summary>
public sealed class FaultyStoreTests : IAsyncDisposable
{
    private readonly ManualTimeProvider _clock = new();
    private readonly InMemoryStoreState _state = new();
    private readonly FaultyStore _store;
    private readonly InMemoryStore _direct;

    public FaultyStoreTests()
    {
        _store = FaultyStore.Wrap(new InMemoryStore(_state, _clock));
        _direct = new(_state, _clock);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _direct.DisposeAsync();
    }

    public static TheoryData<StoreCapabilities> Capabilities => [.. Enumerable.Range(0, 32).Select(it => (StoreCapabilities)it)];

    [Theory]
    [MemberData(nameof(Capabilities))]
    public void Just_the_capabilities_asked_for_are_shown(StoreCapabilities capabilities)
    {
        object store = FaultyStore.Wrap(new InMemoryStore(_clock), capabilities);
        (store is IBatchStore).Should().Be(capabilities.HasFlag(StoreCapabilities.Batches));
        (store is ICounterStore).Should().Be(capabilities.HasFlag(StoreCapabilities.Counters));
        (store is ILockStore).Should().Be(capabilities.HasFlag(StoreCapabilities.Locks));
        (store is IInvalidationTransport).Should().Be(capabilities.HasFlag(StoreCapabilities.Transport));
        (store is IEnumerableStore).Should().Be(capabilities.HasFlag(StoreCapabilities.Enumeration));
    }

    [Fact]
    public void No_capability_is_shown_that_the_inner_store_lacks()
    {
        var store = FaultyStore.Wrap(new PlainStore(_direct));
        ((object)store is IBatchStore or ICounterStore or ILockStore or IInvalidationTransport or IEnumerableStore).Should().BeFalse();
        store.Name.Should().Be("in-memory");
    }

    [Fact]
    public async Task Calls_are_counted_whatever_becomes_of_them()
    {
        _store.Inject(StoreOperations.Write, StoreFault.Fail(), times: 1);
        await ((Func<Task>)(() => SetAsync("k"))).Should().ThrowAsync<CacheStoreException>();
        await SetAsync("k");
        await ReadAsync("k");
        await ((IBatchStore)(ICacheStore)_store).ReadManyAsync(["a", "b"], default, default);
        _store.CountCalls(StoreOperations.Write).Should().Be(2);
        _store.CountCalls(StoreOperations.Reads).Should().Be(2);
        _store.CountCalls(StoreOperations.ReadMany).Should().Be(1);
        _store.CountCalls(StoreOperations.All).Should().Be(4);
        _store.CountCalls(StoreOperations.Invalidations).Should().Be(0);
    }

    [Fact]
    public async Task A_call_throws_before_it_gives_a_task_and_does_nothing()
    {
        var fault = _store.Inject(StoreOperations.Write, StoreFault.Throw(new TimeoutException()));
        var act = () => { _ = _store.WriteAsync("k", Entry, StoreCondition.Always, default); };
        act.Should().Throw<TimeoutException>();
        fault.Hits.Should().Be(1);
        (await ReadAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_task_fails_as_often_as_asked()
    {
        _store.Inject(StoreOperations.Reads | StoreOperations.Clear, StoreFault.Fail(), times: 2);
        var read = _store.ReadAsync("k", default, default);
        read.IsFaulted.Should().BeTrue();
        (await ((Func<Task>)(async () => await read)).Should().ThrowAsync<CacheStoreException>()).Which.Failure.Should().Be(StoreFailure.Unavailable);
        await ((Func<Task>)(async () => await _store.ClearAsync(default))).Should().ThrowAsync<CacheStoreException>();
        (await ReadAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_call_that_hangs_does_what_it_was_asked_when_it_is_released()
    {
        var fault = _store.Inject(StoreOperations.Write, StoreFault.Hang());
        var write = SetAsync("k");
        await fault.Reached;
        write.IsCompleted.Should().BeFalse();
        (await DirectAsync("k")).Should().BeNull();
        fault.Release();
        await write;
        (await DirectAsync("k")).Should().Be("value");
    }

    [Fact]
    public async Task A_call_that_hangs_is_given_up_or_lands_late()
    {
        using var source = new CancellationTokenSource();
        var heeding = _store.Inject(StoreOperations.Write, StoreFault.Hang(heedsToken: true), times: 1);
        var ignoring = _store.Inject(StoreOperations.Write, StoreFault.Hang(heedsToken: false), times: 1);
        var first = _store.WriteAsync("first", Entry, StoreCondition.Always, source.Token).AsTask();
        var second = _store.WriteAsync("second", Entry, StoreCondition.Always, source.Token).AsTask();
        await source.CancelAsync();
        await ((Func<Task>)(() => first)).Should().ThrowAsync<OperationCanceledException>();
        second.IsCompleted.Should().BeFalse();
        heeding.Release();
        ignoring.Release();
        await second;
        (await DirectAsync("first")).Should().BeNull();
        (await DirectAsync("second")).Should().Be("value");
    }

    [Fact]
    public async Task An_answer_comes_late_though_the_work_is_done()
    {
        using var source = new CancellationTokenSource();
        var fault = _store.Inject(StoreOperations.Write, StoreFault.AnswerLate());
        var write = _store.WriteAsync("k", Entry, StoreCondition.Always, source.Token).AsTask();
        await fault.Reached;
        (await DirectAsync("k")).Should().Be("value");
        write.IsCompleted.Should().BeFalse();
        await source.CancelAsync();
        await ((Func<Task>)(() => write)).Should().ThrowAsync<OperationCanceledException>();

        var late = SetAsync("other");
        late.IsCompleted.Should().BeFalse();
        fault.Release();
        await late;
    }

    [Fact]
    public async Task A_read_whose_answer_nobody_gets_leaves_no_buffer_behind()
    {
        await SetAsync("k");
        using var source = new CancellationTokenSource();
        var late = _store.Inject(StoreOperations.Read, StoreFault.AnswerLate(), times: 1);
        var read = _store.ReadAsync("k", default, source.Token).AsTask();
        await late.Reached;
        await source.CancelAsync();
        await ((Func<Task>)(() => read)).Should().ThrowAsync<OperationCanceledException>();
        _store.Inject(StoreOperations.Read, StoreFault.FailAfterwards(), times: 1);
        await ((Func<Task>)(() => ReadAsync("k"))).Should().ThrowAsync<CacheStoreException>();
        _state.OpenLookups.Should().Be(0);
    }

    [Fact]
    public async Task A_call_fails_though_the_work_is_done()
    {
        await SetAsync("k");
        _store.Inject(StoreOperations.Invalidations, StoreFault.FailAfterwards(new IOException()));
        await ((Func<Task>)(async () => await _store.InvalidateAsync("k", InvalidationKind.Remove, default))).Should().ThrowAsync<IOException>();
        (await ReadAsync("k")).Should().BeNull();
    }

    [Fact]
    public async Task A_write_is_declined_and_leaves_nothing_older()
    {
        await SetAsync("k");
        _store.Inject(StoreOperations.All, StoreFault.Decline());
        (await _store.WriteAsync("k", Entry, StoreCondition.IfAbsent, default)).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await ReadAsync("k")).Should().Be("value");
        (await _store.WriteAsync("k", Entry, StoreCondition.Always, default)).Outcome.Should().Be(StoreWriteOutcome.Declined);
        (await ReadAsync("k")).Should().BeNull();
        var many = await _store.WriteManyAsync([new("k", Entry, StoreCondition.Always)], default);
        many.Should().ContainSingle().Which.Outcome.Should().Be(StoreWriteOutcome.Declined);
    }

    [Fact]
    public async Task Bytes_are_spoilt_on_their_way_back_and_not_in_the_store()
    {
        await SetAsync("k");
        await _direct.WriteAsync("other", EntryOf("other bytes"), StoreCondition.Always, default);
        foreach (var (fault, expected) in new[]
        {
            (StoreFault.Truncate(3), "val"),
            (StoreFault.Truncate(0), ""),
            (StoreFault.FlipBit(0), "walue"),
            (StoreFault.FlipBit(40), "walue"),
            (StoreFault.BytesOf("other"), "other bytes"),
            (StoreFault.BytesOf("absent"), ""),
            (StoreFault.Spoil(bytes => [.. bytes, .. bytes]), "valuevalue"),
        })
        {
            _store.Inject(StoreOperations.Reads, fault);
            (await ReadAsync("k")).Should().Be(expected);
            var many = await _store.ReadManyAsync(["absent", "k"], default, default);
            Text(many[1]).Should().Be(expected);
            many[0].IsFound.Should().BeFalse();
            _store.Heal();
        }

        _store.Inject(StoreOperations.Reads, StoreFault.Foreign());
        (await ReadAsync("k")).Should().NotBe("value").And.NotBeEmpty();
        _store.Heal();
        (await ReadAsync("k")).Should().Be("value");
        _state.OpenLookups.Should().Be(0);
    }

    [Fact]
    public async Task Only_the_bytes_of_an_entry_are_spoilt()
    {
        await SetAsync("k");
        await _direct.InvalidateAsync("k", InvalidationKind.Expire, default);
        using var sound = await _store.ReadAsync("k", default, default);
        _store.Inject(StoreOperations.Reads, StoreFault.Truncate(1));
        using var spoilt = await _store.ReadAsync("k", default, default);
        spoilt.Should().BeEquivalentTo(sound, options => options.ComparingByMembers<StoreLookup>().Excluding(lookup => lookup.Payload));
        spoilt.ExpiredAt.Should().NotBeNull();
    }

    [Fact]
    public async Task A_lock_that_cannot_be_extended_is_still_released()
    {
        _store.Inject(StoreOperations.ExtendLock, StoreFault.Fail());
        var held = await _store.TryLockAsync("k", TimeSpan.FromHours(1), default);
        held.Should().NotBeNull();
        await ((Func<Task>)(async () => await held!.ExtendAsync(TimeSpan.FromHours(1), default))).Should().ThrowAsync<CacheStoreException>();
        (await _direct.TryLockAsync("k", TimeSpan.FromHours(1), default)).Should().BeNull();
        await held!.DisposeAsync();
        (await _direct.TryLockAsync("k", TimeSpan.FromHours(1), default)).Should().NotBeNull();
    }

    [Fact]
    public async Task Every_call_can_go_wrong()
    {
        var now = _clock.GetUtcNow();
        await using var held = await _store.TryLockAsync("held", TimeSpan.FromHours(1), default);
        Dictionary<StoreOperations, Func<Task>> calls = new()
        {
            [StoreOperations.Read] = async () => await _store.ReadAsync("k", default, default),
            [StoreOperations.Write] = async () => await _store.WriteAsync("k", Entry, StoreCondition.Always, default),
            [StoreOperations.Invalidate] = async () => await _store.InvalidateAsync("k", InvalidationKind.Remove, default),
            [StoreOperations.InvalidateTags] = async () => await _store.InvalidateTagsAsync(["t"], TagMatch.Any, InvalidationKind.Remove, default),
            [StoreOperations.Clear] = async () => await _store.ClearAsync(default),
            [StoreOperations.SetExpiration] = async () => await _store.SetExpirationAsync("k", 1, now, now, default),
            [StoreOperations.ReadMany] = async () => await _store.ReadManyAsync(["k"], default, default),
            [StoreOperations.WriteMany] = async () => await _store.WriteManyAsync([new("k", Entry, default)], default),
            [StoreOperations.InvalidateMany] = async () => await _store.InvalidateManyAsync(["k"], InvalidationKind.Remove, default),
            [StoreOperations.Increment] = async () => await _store.IncrementAsync("c", new() { ExpiresAt = now, Tags = [] }, default),
            [StoreOperations.TryLock] = async () => await _store.TryLockAsync("k", TimeSpan.FromHours(1), default),
            [StoreOperations.ExtendLock] = async () => await held!.ExtendAsync(TimeSpan.FromHours(1), default),
            [StoreOperations.Subscribe] = async () => await _store.SubscribeAsync(new Deaf(), default),
            [StoreOperations.Publish] = async () => await _store.PublishAsync(new byte[1], default),
            [StoreOperations.EnumerateKeys] = async () => await _store.EnumerateKeysAsync("", default).GetAsyncEnumerator(default).MoveNextAsync(),
            [StoreOperations.GetApproximateCount] = async () => await _store.GetApproximateCountAsync(default),
        };
        calls.Keys.Aggregate((all, it) => all | it).Should().Be(StoreOperations.All);
        foreach (var (operation, call) in calls)
        {
            await call();
            _store.Inject(StoreOperations.All & ~operation, StoreFault.Fail());
            await call();
            _store.Heal();
            _store.Inject(operation, StoreFault.Fail());
            await call.Should().ThrowAsync<CacheStoreException>("{0} was made to fail", operation);
            _store.Heal();
            await call();
        }
    }

    [Fact]
    public async Task Disposing_lets_go_what_hangs()
    {
        _store.Inject(StoreOperations.Read, StoreFault.Hang(heedsToken: false));
        var read = _store.ReadAsync("k", default, default).AsTask();
        await _store.DisposeAsync();
        await ((Func<Task>)(() => read)).Should().ThrowAsync<ObjectDisposedException>();
    }

    private static StoreEntry Entry => EntryOf("value");

    private static string Text(StoreLookup lookup)
    {
        using (lookup)
            return System.Text.Encoding.UTF8.GetString(lookup.Payload.Span);
    }

    private static StoreEntry EntryOf(string text) => new()
    {
        Payload = System.Text.Encoding.UTF8.GetBytes(text), ExpiresAt = DateTimeOffset.MaxValue, RetainUntil = DateTimeOffset.MaxValue, Tags = [],
    };

    private async Task SetAsync(string key) => await _store.WriteAsync(key, Entry, StoreCondition.Always, default);

    private async Task<string?> ReadAsync(string key) => await _store.ReadAsync(key, default, default) is { IsFound: true } found ? Text(found) : null;

    private async Task<string?> DirectAsync(string key) => await _direct.ReadAsync(key, default, default) is { IsFound: true } found ? Text(found) : null;

    private sealed class Deaf : IInvalidationReceiver
    {
        public void OnMessage(ReadOnlyMemory<byte> message)
        {
        }

        public void OnInterrupted()
        {
        }

        public void OnConnected(bool isComplete)
        {
        }
    }
}
