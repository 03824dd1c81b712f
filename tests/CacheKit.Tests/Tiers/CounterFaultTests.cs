using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Counters of a store that fails, declines or answers late: nothing is counted twice, and no call runs for ever.</summary>
public sealed class CounterFaultTests : TieredCaches
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_count_at_a_store_that_takes_nothing_ends()
    {
        var full = FaultyStore.Wrap(new PlainStore(Far()));
        full.Inject(StoreOperations.Write, StoreFault.Decline(), times: 100_000); // so that the test ends
        var cache = Create(full);
        var counting = Task.Run(() => cache.IncrementAsync("n").AsTask());
        await counting.WaitAsync(TimeSpan.FromSeconds(30));
        full.CountCalls(StoreOperations.Write).Should().BeLessThan(10);
    }

    [Fact]
    public async Task A_count_whose_answer_was_lost_counts_once()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.IncrementAsync("n");
        faulty.Inject(StoreOperations.Increment, StoreFault.FailAfterwards(), times: 1);
        await cache.IncrementAsync("n");
        (await Create(Far()).IncrementAsync("n", 0)).Should().Be(2);
    }

    [Fact]
    public async Task A_count_is_not_given_up_once_it_was_sent()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.IncrementAsync("n", 5);
        var late = faulty.Inject(StoreOperations.Increment, StoreFault.AnswerLate(heedsToken: false), times: 1);
        using var leave = new CancellationTokenSource();
        var counting = cache.IncrementAsync("n", cancellationToken: leave.Token).AsTask();
        await late.Reached.WaitAsync(_patience);
        await leave.CancelAsync();
        counting.IsCompleted.Should().BeFalse("it may have been counted: its caller learns of that");
        late.Release();
        (await counting.WaitAsync(_patience)).Should().Be(6);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_counted_here_while_the_store_failed_is_not_taken_for_the_number_once_it_answers(bool hasMemory)
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory, configure: null, faulty);
        await Create(Far()).IncrementAsync("n", 100);
        faulty.Inject(StoreOperations.Increment | StoreOperations.Read, StoreFault.Fail());
        await cache.IncrementAsync("n");
        faulty.Heal();
        for (var i = 0; i < 120; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1);
        }

        (await cache.GetAsync<long>("n")).Value.Should().BeGreaterThanOrEqualTo(100, "the store has answered for two minutes");
    }
}
