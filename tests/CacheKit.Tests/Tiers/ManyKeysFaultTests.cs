using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Calls with many keys that end early leave nothing behind: no flight, no buffer, no factory.</summary>
public sealed class ManyKeysFaultTests : TieredCaches
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_get_of_many_that_throws_leaves_no_flight_behind_that_others_wait_for()
    {
        var cache = Create(Far());
        await cache.SetAsync("text", "in memory");
        var many = () => cache.GetManyAsync<int>(["absent", "text"]).AsTask();
        await many.Should().ThrowAsync<CacheTypeMismatchException>();
        var after = cache.GetAsync<int>("absent").AsTask();
        await after.WaitAsync(_patience); // hangs
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
        await hang.Reached.WaitAsync(_patience);
        await leave.CancelAsync();
        var act = () => many;
        await act.Should().ThrowAsync<OperationCanceledException>();
        for (var i = 0; i < 2_000 && Shared.OpenLookups > 0; i++)
        {
            await Task.Delay(1);
        }

        Shared.OpenLookups.Should().Be(0);
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
            await Task.Delay(Timeout.Infinite, token).WaitAsync(_patience, CancellationToken.None);
            return new Dictionary<string, int>();
        }, cancellationToken: leave.Token).AsTask();
        var factory = await begun.Task.WaitAsync(_patience);
        await leave.CancelAsync();
        var act = () => call;
        await act.Should().ThrowAsync<OperationCanceledException>();
        for (var i = 0; i < 2_000 && !factory.IsCancellationRequested; i++)
        {
            await Task.Delay(1);
        }

        factory.IsCancellationRequested.Should().BeTrue();
    }
}
