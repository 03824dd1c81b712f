using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>Refresh-ahead: an entry near its end is still served, and made anew once in the background.</summary>
public abstract class RefreshAheadContract : CacheContract
{
    private static readonly CacheEntryOptions _early = new() { Expiration = Seconds(10), RefreshAheadThreshold = 0.8 };

    [Fact]
    public async Task A_get_or_create_of_an_entry_that_is_due_serves_it_and_makes_it_anew_once()
    {
        var cache = await DueAsync();
        var held = new HeldFactory<int>();
        for (var i = 0; i < 5; i++)
        {
            (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, _early))).Should().Be(1);
        }

        await Soon(held.Started);
        held.Runs.Should().Be(1);

        // When the entry has expired, callers wait for the refresh instead of starting a factory of their own.
        Clock.Advance(Seconds(2));
        var waits = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), _early).AsTask();
        held.Return(2);
        (await Soon(waits)).Should().Be(2);
        await ExpectAsync(cache, "k", 2);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(10));
        held.Runs.Should().Be(1);
    }

    [Fact]
    public async Task Before_its_share_of_life_is_over_an_entry_is_not_refreshed()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _early);
        Clock.Advance(Seconds(8) - TimeSpan.FromTicks(1));
        (await CreateOrGet(cache, "k", 2)).Should().Be(1);
        cache.GetStatistics().FactoryRuns.Should().Be(0);
    }

    [Fact]
    public async Task A_refresh_replaces_the_value_while_the_old_one_is_served()
    {
        var log = new RecordingObserver();
        var cache = await DueAsync(log);
        (await CreateOrGet(cache, "k", 2, _early)).Should().Be(1);
        await Soon(log.WhenAsync("Replaced k"));
        await ExpectAsync(cache, "k", 2);
        cache.GetStatistics().BackgroundRefreshes.Should().Be(1);
    }

    [Fact]
    public async Task A_get_serves_an_entry_that_is_due_and_starts_nothing()
    {
        var cache = await DueAsync();
        await ExpectAsync(cache, "k", 1);
        (await Soon(cache.GetManyAsync<int>(["k"])))["k"].Value.Should().Be(1);
        cache.GetStatistics().FactoryRuns.Should().Be(0);
    }

    [Fact]
    public async Task The_callers_token_does_not_end_a_refresh()
    {
        var cache = await DueAsync();
        var held = new HeldFactory<int> { HeedsCancellation = true };
        using var cancels = new CancellationTokenSource();
        (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, _early, cancels.Token))).Should().Be(1);
        await Soon(held.Started);
        await cancels.CancelAsync();
        Clock.Advance(Seconds(2));
        var waits = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), _early).AsTask();
        held.Return(2);
        (await Soon(waits)).Should().Be(2);
        held.Cancellations.Should().Be(0);
    }

    [Fact]
    public async Task One_who_waits_for_a_refresh_and_cancels_does_not_end_it()
    {
        var cache = await DueAsync();
        var held = new HeldFactory<int> { HeedsCancellation = true };
        (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, _early))).Should().Be(1);
        await Soon(held.Started);
        Clock.Advance(Seconds(2));
        using var cancels = new CancellationTokenSource();
        var cancelled = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), _early, cancels.Token).AsTask();
        await cancels.CancelAsync();
        var act = () => Soon(cancelled);
        await act.Should().ThrowAsync<OperationCanceledException>();
        var waits = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), _early).AsTask();
        held.Return(2);
        (await Soon(waits)).Should().Be(2);
    }

    [Fact]
    public async Task A_refresh_that_fails_keeps_the_value_and_its_time()
    {
        var cache = await DueAsync();
        var held = new HeldFactory<int>();
        (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, _early))).Should().Be(1);
        await Soon(held.Started);
        held.Fail(new FormatException("down"));
        await ExpectAsync(cache, "k", 1);
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(Seconds(2));
        Clock.Advance(Seconds(2));
        await ExpectMissAsync(cache, "k");
        (await CreateOrGet(cache, "k", 3)).Should().Be(3);
    }

    [Fact]
    public async Task A_refresh_that_fails_is_an_error_for_those_who_wait_because_the_value_has_expired()
    {
        var cache = await DueAsync();
        var held = new HeldFactory<int>();
        (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, _early))).Should().Be(1);
        await Soon(held.Started);
        Clock.Advance(Seconds(2));
        var waits = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), _early).AsTask();
        var failure = new FormatException("down");
        held.Fail(failure);
        var act = () => Soon(waits);
        (await act.Should().ThrowAsync<FormatException>()).Which.Should().BeSameAs(failure);
    }

    [Fact]
    public async Task A_refresh_that_fails_is_not_tried_again_before_its_time()
    {
        var options = new CacheEntryOptions { Expiration = Seconds(10), RefreshAheadThreshold = 0.8, StaleFor = Seconds(100), RetryAfterFailure = Seconds(5) };
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(8));
        var held = new HeldFactory<int>();
        (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, options))).Should().Be(1);
        await Soon(held.Started);
        Clock.Advance(Seconds(2));
        var waits = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), options).AsTask();
        held.Fail(new FormatException("down"));
        (await Soon(waits)).Should().Be(1);

        var runs = 0;
        Clock.Advance(Seconds(4));
        (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs + 1), options))).Should().Be(1);
        runs.Should().Be(0);
        Clock.Advance(Seconds(1));
        (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs + 1), options))).Should().Be(2);
    }

    [Fact]
    public async Task A_refresh_sees_the_value_that_it_replaces()
    {
        var log = new RecordingObserver();
        var cache = await DueAsync(log);
        (await Soon(cache.GetOrCreateAsync("k", (context, _) => ValueTask.FromResult(context.GetStale<int>().Value + 10), _early))).Should().Be(1);
        await Soon(log.WhenAsync("Replaced k"));
        await ExpectAsync(cache, "k", 11);
    }

    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("clear")]
    [InlineData("set")]
    public async Task A_refresh_does_not_bring_back_what_was_removed_or_overwrite_what_was_set(string way)
    {
        var options = new CacheEntryOptions { Expiration = Seconds(10), RefreshAheadThreshold = 0.8, Tags = ["t"] };
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(8));
        var held = new HeldFactory<int>();
        (await Soon(cache.GetOrCreateAsync("k", held.RunAsync, options))).Should().Be(1);
        await Soon(held.Started);
        await (way switch
        {
            "key" => Soon(cache.RemoveAsync("k")),
            "tag" => Soon(cache.RemoveByTagAsync("t")),
            "clear" => Soon(cache.ClearAsync()),
            _ => Soon(cache.SetAsync("k", 3)),
        });
        if (way != "set")
        {
            await ExpectMissAsync(cache, "k");
            (await CreateOrGet(cache, "k", 3, options)).Should().Be(3);
        }

        held.Return(2);
        await Soon(Task.Run(async () =>
        {
            while (cache.GetStatistics().DiscardedResults == 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
            }
        }));
        await ExpectAsync(cache, "k", 3);
    }

    [Fact]
    public async Task Many_at_a_time_are_refreshed_in_the_background_by_one_factory()
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync<int>([new("a", 1), new("b", 2)], _early);
        Clock.Advance(Seconds(8));
        await cache.SetAsync("c", 3, _early);
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        string[]? asked = null;
        var values = await Soon(cache.GetOrCreateManyAsync(
            ["a", "b", "c"],
            (keys, token) =>
            {
                asked = [.. keys];
                return held.RunAsync(null!, token);
            },
            _early));
        values.Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2, ["c"] = 3 });
        await Soon(held.Started);
        asked.Should().BeEquivalentTo("a", "b");

        Clock.Advance(Seconds(2));
        var waits = cache.GetOrCreateManyAsync(["a", "b"], CacheOperations.MakeOnes, _early).AsTask();
        held.Return(new Dictionary<string, int> { ["a"] = 11, ["b"] = 12 });
        (await Soon(waits)).Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 11, ["b"] = 12 });
        held.Runs.Should().Be(1);
    }

    private async ValueTask<ICache> DueAsync(CacheObserver? observer = null)
    {
        var cache = await CreateAsync(options =>
        {
            if (observer is not null)
            {
                options.Observers.Add(observer);
            }
        });
        await cache.SetAsync("k", 1, _early);
        Clock.Advance(Seconds(8));
        return cache;
    }
}
