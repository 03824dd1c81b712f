using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Listing and removing by prefix where stores fail, cannot list, or still have to be told of removals.</summary>
public sealed class KeyListingTests : TieredCaches
{
    [Fact]
    public async Task A_store_that_cannot_list_is_named_at_once()
    {
        var cache = Create(new PlainStore(Far()));
        await cache.SetAsync("k", 1);
        FluentActions.Invoking(() => cache.GetKeysAsync()).Should().Throw<NotSupportedException>().WithMessage("*far*tag*");
        await FluentActions.Awaiting(() => cache.RemoveByPrefixAsync("k").AsTask()).Should().ThrowAsync<NotSupportedException>();
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
    }

    [Fact]
    public async Task What_only_another_node_has_stored_is_listed_and_removed()
    {
        await Create(Far()).SetAsync("p:1", 1);
        var cache = Create(Near(), Far());
        (await ListAsync(cache, "p")).Should().Equal("p:1");
        (await cache.RemoveByPrefixAsync("p")).Should().Be(1);
        (await IsInAsync(Far(), "p:1")).Should().BeFalse();
    }

    [Theory]
    [InlineData(StoreCapabilities.Enumeration)]
    [InlineData(StoreCapabilities.Enumeration | StoreCapabilities.Batches)]
    public async Task Listing_counts_as_no_read(StoreCapabilities capabilities)
    {
        await Create(Far()).SetAsync("p:1", 1);
        var cache = Create(FaultyStore.Wrap(Far(), capabilities));
        (await ListAsync(cache, "p")).Should().Equal("p:1");
        await cache.ExplainAsync("p:1");
        var tier = cache.GetStatistics().Tiers[0];
        (tier.Hits, tier.Misses).Should().Be((0, 0));
        await cache.GetAsync<int>("p:1");
        cache.GetStatistics().Tiers[0].Hits.Should().Be(1);
    }

    [Theory]
    [InlineData("throws")]
    [InlineData("hangs")]
    public async Task A_store_that_fails_lists_nothing_and_nobody_waits_for_it(string kind)
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.SetAsync("p:memory", 1);
        await Create(Far()).SetAsync("p:far", 1);
        faulty.Inject(StoreOperations.EnumerateKeys, kind == "throws" ? StoreFault.Throw() : StoreFault.Hang());
        var listing = ListAsync(cache, "p");
        await Waiting.UntilAsync(() => listing.IsCompleted, () => Clock.Advance(TimeSpan.FromSeconds(1)));
        (await listing).Should().Equal("p:memory");
        cache.GetStatistics().Tiers[0].Failures.Should().Be(kind == "throws" ? 1 : 0);
        cache.GetStatistics().Tiers[0].Timeouts.Should().Be(kind == "throws" ? 0 : 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_listing_that_is_left_in_the_middle_of_a_step_is_disposed_when_that_has_ended(bool isCancelled)
    {
        var store = new HeldListing(Far());
        var cache = Create(store);
        using var cancellation = new CancellationTokenSource();
        var listing = cache.GetKeysAsync("p", cancellation.Token).GetAsyncEnumerator(cancellation.Token);
        var step = listing.MoveNextAsync().AsTask();
        await store.Asked.WaitAsync(AtMost, TestContext.Current.CancellationToken);
        if (isCancelled)
        {
            await cancellation.CancelAsync();
            await step.Awaiting(static it => it).Should().ThrowAsync<OperationCanceledException>();
        }
        else
        {
            await Waiting.UntilAsync(() => step.IsCompleted, () => Clock.Advance(TimeSpan.FromSeconds(1)));
            (await step).Should().BeFalse("it has taken too long");
        }

        await listing.DisposeAsync();
        store.Disposed.IsCompleted.Should().BeFalse("that is not allowed before");
        store.LetGo();
        await store.Disposed.WaitAsync(AtMost, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task What_a_pending_removal_covers_is_not_listed()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: false, configure: null, faulty);
        await cache.SetAsync("p:1", 1, new CacheEntryOptions { Tags = ["t"] });
        await cache.SetAsync("p:2", 1);
        await cache.SetAsync("p:3", 1);
        faulty.Inject(StoreOperations.InvalidateTags | StoreOperations.Invalidate, StoreFault.Fail());
        await cache.RemoveByTagAsync("t");
        await cache.RemoveAsync("p:2");
        (await ListAsync(cache, "p")).Should().Equal("p:3");
    }

    private static async Task<List<string>> ListAsync(Cache cache, string prefix)
    {
        var keys = new List<string>();
        await foreach (var key in cache.GetKeysAsync(prefix))
        {
            keys.Add(key);
        }

        return keys;
    }

    /// <summary>A store that lists nothing, and not before it is let go.</summary>
    private sealed class HeldListing(ICacheStore inner) : DelegatingStore(inner), IEnumerableStore, IAsyncEnumerable<string>, IAsyncEnumerator<string>
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<bool> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override string Name => "held";

        public string Current => "";

        internal Task Asked => _asked.Task;

        internal Task Disposed => _disposed.Task;

        internal void LetGo() => _end.SetResult(false);

        public IAsyncEnumerable<string> EnumerateKeysAsync(string prefix, CancellationToken cancellationToken) => this;

        public IAsyncEnumerator<string> GetAsyncEnumerator(CancellationToken cancellationToken) => this;

        public ValueTask<bool> MoveNextAsync()
        {
            _asked.TrySetResult();
            return new(_end.Task);
        }

        public ValueTask<long> GetApproximateCountAsync(CancellationToken cancellationToken) => new(0);

        // As an enumerator of a listing, and as the store of a cache that ends after it.
        public override ValueTask DisposeAsync()
        {
            _disposed.TrySetResult();
            return base.DisposeAsync();
        }
    }
}
