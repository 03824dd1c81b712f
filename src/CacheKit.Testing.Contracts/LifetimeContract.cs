using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>What a cache does when it is closed.</summary>
public abstract class LifetimeContract : CacheContract
{
    public static TheoryData<string> Operations => [.. CacheOperations.All.Keys];

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_closed_cache_refuses_everything(string operation)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        await cache.IncrementAsync("counter");
        await CloseAsync(cache);
        var act = () => CacheOperations.All[operation](cache, "k", default);
        await act.Should().ThrowAsync<ObjectDisposedException>();
        cache.Invoking(closed => closed.GetStatistics()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public async Task A_value_that_was_just_served_is_refused_too()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        for (var i = 0; i < 10; i++)
        {
            await ExpectAsync(cache, "k", 1);
        }

        await CloseAsync(cache);
        var act = () => CreateOrGet(cache, "k", 2);
        await act.Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Closing_twice_is_fine()
    {
        var cache = await CreateAsync();
        await CloseAsync(cache);
        await CloseAsync(cache);
    }

    [Fact]
    public async Task Those_who_wait_are_released_and_their_factory_is_told()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var loads = Enumerable.Range(0, 3).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync).AsTask()).ToArray();
        await Soon(held.Started);
        await CloseAsync(cache);
        foreach (var load in loads)
        {
            var act = () => Soon(load);
            await act.Should().ThrowAsync<ObjectDisposedException>();
        }

        await Soon(held.Cancelled);
        held.Return(1);
    }

    [Fact]
    public async Task Those_who_wait_for_many_are_released()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var load = cache.GetOrCreateManyAsync(["a", "b"], held, static (held, _, token) => held.RunAsync(null!, token)).AsTask();
        await Soon(held.Started);
        await CloseAsync(cache);
        var act = () => Soon(load);
        await act.Should().ThrowAsync<ObjectDisposedException>();
        held.Return(new Dictionary<string, int>());
    }

    [Fact]
    public async Task A_factory_that_ends_after_its_cache_was_closed_harms_nothing()
    {
        var cache = await CreateAsync();
        var good = new HeldFactory<int>();
        var bad = new HeldFactory<int>();
        Task[] loads = [cache.GetOrCreateAsync("good", good.RunAsync).AsTask(), cache.GetOrCreateAsync("bad", bad.RunAsync).AsTask()];
        await Soon(good.Started);
        await Soon(bad.Started);
        await CloseAsync(cache);
        good.Return(1);
        bad.Fail(new FormatException("down"));
        foreach (var load in loads)
        {
            var act = () => Soon(load);
            await act.Should().ThrowAsync<ObjectDisposedException>();
        }
    }

    [Fact]
    public async Task One_who_waits_with_a_soft_timeout_is_released()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100), SoftTimeout = Seconds(1) };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(1));
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, options).AsTask();
        await Soon(held.Started);
        await CloseAsync(cache);
        var act = () => Soon(load);
        await act.Should().ThrowAsync<ObjectDisposedException>();
        held.Return(2);
        Clock.Advance(Seconds(10));
    }

    [Fact]
    public async Task Time_goes_on_without_a_closed_cache()
    {
        var log = new RecordingObserver();
        var cache = await CreateAsync(options =>
        {
            options.Memory.MaintenanceInterval = Seconds(1);
            options.Observers.Add(log);
        });
        await cache.SetAsync("k", 1, Seconds(1));
        await CloseAsync(cache);
        Clock.Advance(Seconds(10));
        log.Lines.Should().NotContain("Expired k");
    }

    [Fact]
    public async Task Closing_while_calls_are_made_ends_every_one_of_them()
    {
        for (var round = 0; round < 10; round++)
        {
            var cache = await CreateAsync();
            using var start = new Barrier(4);
            var work = Enumerable.Range(0, 3).Select(_ => Task.Factory.StartNew(
                async () =>
                {
                    start.SignalAndWait();
                    try
                    {
                        for (var i = 0; ; i++)
                        {
                            await cache.GetOrCreateAsync($"k{i % 7}", async _ =>
                            {
                                await Task.Yield();
                                return i;
                            });
                            await cache.RemoveAsync($"k{i % 5}");
                        }
                    }
                    catch (ObjectDisposedException)
                    {
                        // as it should be
                    }
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToArray();
            start.SignalAndWait();
            await CloseAsync(cache);
            await Soon(Task.WhenAll(work));
        }
    }
}
