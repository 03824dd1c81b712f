using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Calls with many keys that end early leave nothing behind: no flight, no buffer, no factory.</summary>
public sealed class ManyKeysFaultTests : TieredCaches
{
    [Fact]
    public async Task A_get_of_many_that_throws_leaves_no_flight_behind_that_others_wait_for()
    {
        var cache = Create(Far());
        await cache.SetAsync("text", "in memory");
        var many = () => cache.GetManyAsync<int>(["absent", "text"]).AsTask();
        await many.Should().ThrowAsync<CacheTypeMismatchException>();
        var after = cache.GetAsync<int>("absent").AsTask();
        await after.WaitAsync(AtMost); // hangs
    }

    [Fact]
    public async Task A_read_of_many_that_is_given_up_gives_every_buffer_back()
    {
        var faulty = FaultyStore.Wrap(Far(), StoreCapabilities.None);
        var cache = Create(faulty);
        await Create(Far()).SetManyAsync(Enumerable.Range(0, 20).Select(static i => KeyValuePair.Create($"k{i}", i)));
        var hang = faulty.Inject(StoreOperations.Read, StoreFault.Hang(), times: 1);
        using var leave = new CancellationTokenSource();
        var many = cache.GetManyAsync<int>(Enumerable.Range(0, 20).Select(static i => $"k{i}"), cancellationToken: leave.Token).AsTask();
        await hang.Reached.WaitAsync(AtMost);
        await leave.CancelAsync();
        var act = () => many;
        await act.Should().ThrowAsync<OperationCanceledException>();
        await Waiting.UntilAsync(() => Shared.OpenLookups == 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_factory_of_many_is_cancelled_when_its_last_caller_has_gone(bool isOneInStore)
    {
        if (isOneInStore)
        {
            await Create(Far()).SetAsync("there", 1);
        }

        var cache = Create(Far());
        var begun = new TaskCompletionSource<CancellationToken>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var leave = new CancellationTokenSource();
        var call = cache.GetOrCreateManyAsync<int, int>(["there", "missing"], 0, async (_, _, token) =>
        {
            begun.SetResult(token);
            await Task.Delay(Timeout.Infinite, token).WaitAsync(AtMost, CancellationToken.None);
            return new Dictionary<string, int>();
        }, cancellationToken: leave.Token).AsTask();
        var factory = await begun.Task.WaitAsync(AtMost);
        await leave.CancelAsync();
        var act = () => call;
        await act.Should().ThrowAsync<OperationCanceledException>();
        await Waiting.UntilAsync(() => factory.IsCancellationRequested);
    }

    [Fact]
    public async Task A_store_that_answers_for_fewer_keys_than_asked_has_not_answered()
    {
        var cache = Create(hasMemory: false, configure: null, new ForgetfulStore(Far()));
        await Create(Far()).SetManyAsync([KeyValuePair.Create("a", 1), KeyValuePair.Create("b", 2), KeyValuePair.Create("c", 3)]);
        (await cache.GetManyAsync<int>(["a", "b"])).Values.Should().OnlyContain(static lookup => !lookup.IsHit);
        (await cache.RemoveManyAsync(["b", "c"])).Should().Be(0);
        cache.GetStatistics().Tiers[0].PendingRecoveries.Should().Be(2, "nobody knows which were removed");
        Shared.OpenLookups.Should().Be(0);
    }

    /// <summary>Leaves the last key of a batch out of its answer.</summary>
    private sealed class ForgetfulStore(InMemoryStore store) : DelegatingStore(store), IBatchStore
    {
        private readonly InMemoryStore _store = store;

        public async ValueTask<IReadOnlyList<StoreLookup>> ReadManyAsync(IReadOnlyList<string> keys, StoreReadOptions options, CancellationToken cancellationToken) =>
            await _store.ReadManyAsync([.. keys.SkipLast(1)], options, cancellationToken);

        public async ValueTask<IReadOnlyList<StoreWriteResult>> WriteManyAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellationToken) =>
            await _store.WriteManyAsync([.. writes.SkipLast(1)], cancellationToken);

        public async ValueTask<IReadOnlyList<StoreInvalidation>> InvalidateManyAsync(IReadOnlyList<string> keys, InvalidationKind kind, CancellationToken cancellationToken) =>
            await _store.InvalidateManyAsync([.. keys.SkipLast(1)], kind, cancellationToken);
    }
}
