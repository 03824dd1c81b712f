using CacheKit.Stores;

namespace CacheKit.Tests.Tiers;

/// <summary>Refresh-ahead in a cache that keeps values in a store alone.</summary>
public sealed class RefreshWithoutMemoryTests : TieredCaches
{
    private static readonly CacheEntryOptions _early = new()
    {
        Expiration = TimeSpan.FromMinutes(10), RefreshAheadThreshold = 0.5, RetryAfterFailure = TimeSpan.FromMinutes(1),
    };

    [Fact]
    public async Task A_value_that_is_due_is_served_and_made_anew()
    {
        var cache = await DueAsync();
        (await cache.GetOrCreateAsync("k", _ => Make(2), _early)).Should().Be(1);
        await Waiting.UntilAsync(async () => (await cache.GetAsync<int>("k")).Value == 2);
        cache.GetStatistics().BackgroundRefreshes.Should().Be(1);
        (await cache.GetTimeToLiveAsync("k")).Should().Be(TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task A_refresh_that_fails_is_not_tried_again_at_once()
    {
        var cache = await DueAsync();
        var runs = 0;
        for (var i = 0; i < 5; i++)
        {
            (await CallAsync()).Should().Be(1);
            await Waiting.UntilAsync(() => Task.FromResult(cache.GetStatistics().FactoryFailures == 1));
        }

        runs.Should().Be(1);
        (await cache.GetOrCreateManyAsync<int>(["k"], (_, _) => throw new InvalidOperationException("It must not run yet."), _early))["k"].Should().Be(1);
        cache.GetStatistics().BackgroundRefreshes.Should().Be(1);

        Clock.Advance(TimeSpan.FromMinutes(1));
        (await CallAsync()).Should().Be(1);
        await Waiting.UntilAsync(() => Task.FromResult(cache.GetStatistics().FactoryFailures == 2));
        runs.Should().Be(2);

        ValueTask<int> CallAsync() => cache.GetOrCreateAsync<int>("k", _ =>
        {
            runs++;
            throw new InvalidOperationException("The source is away.");
        }, _early);
    }

    // Whoever has seen that the value is due may be overtaken by the refresh that was under way, and by its failure.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_many_that_find_a_value_due_only_one_refreshes_it_though_that_fails_at_once(bool hasMemory)
    {
        const int Keys = 300;
        var cache = Create(hasMemory, configure: null, Far());
        var runs = new int[Keys];
        for (var i = 0; i < Keys; i++)
        {
            await cache.SetAsync($"k{i}", i, _early);
        }

        Clock.Advance(TimeSpan.FromMinutes(6));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < Keys; i++)
            {
                var key = i;
                for (var call = 0; call < 8; call++)
                {
                    (await cache.GetOrCreateAsync<int>($"k{key}", _ =>
                    {
                        Interlocked.Increment(ref runs[key]);
                        throw new InvalidOperationException("The source is away.");
                    }, _early)).Should().Be(key);
                }
            }
        })));

        await Waiting.UntilAsync(() => Task.FromResult(cache.GetStatistics() is { FactoryFailures: >= Keys } statistics && statistics.FactoryFailures == statistics.BackgroundRefreshes));
        runs.Should().OnlyContain(count => count == 1);
    }

    private async Task<ICache> DueAsync()
    {
        var cache = Create(hasMemory: false, configure: null, Far());
        await cache.SetAsync("k", 1, _early);
        Clock.Advance(TimeSpan.FromMinutes(6));
        return cache;
    }
}
