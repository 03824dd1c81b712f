using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That cancellation ends the wait of the one who asked for it, and the work only when nobody waits any more.</summary>
public abstract class CancellationContract : CacheContract
{
    public static TheoryData<string> Operations => [.. CacheOperations.All.Keys];

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task A_token_that_is_cancelled_already_throws_before_anything_is_done(string operation)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 42, new CacheEntryOptions { Tags = ["tag", "other"] });
        var cancelled = new CancellationToken(canceled: true);
        var act = () => CacheOperations.All[operation](cache, "k", cancelled);
        (await act.Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(cancelled);
        await ExpectAsync(cache, "k", 42);
        await ExpectMissAsync(cache, "another");
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().Be(TimeSpan.MaxValue);
    }

    [Fact]
    public async Task No_factory_runs_for_a_token_that_is_cancelled_already()
    {
        var cache = await CreateAsync();
        var runs = 0;
        var cancelled = new CancellationToken(canceled: true);
        var one = () => Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs), cancellationToken: cancelled));
        await one.Should().ThrowAsync<OperationCanceledException>();
        var many = () => Soon(cache.GetOrCreateManyAsync(
            ["k"],
            (_, _) =>
            {
                runs++;
                return ValueTask.FromResult<IReadOnlyDictionary<string, int>>(new Dictionary<string, int>());
            },
            cancellationToken: cancelled));
        await many.Should().ThrowAsync<OperationCanceledException>();
        runs.Should().Be(0);
    }

    [Fact]
    public async Task One_caller_who_cancels_goes_at_once_with_its_own_token_and_the_others_get_the_value()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        using var leaderCancels = new CancellationTokenSource();
        using var otherCancels = new CancellationTokenSource();
        var leader = cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: leaderCancels.Token).AsTask();
        await Soon(held.Started);
        var stays = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        var other = cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: otherCancels.Token).AsTask();

        await otherCancels.CancelAsync();
        await CancelledAsync(other, otherCancels.Token);
        await leaderCancels.CancelAsync();
        await CancelledAsync(leader, leaderCancels.Token);
        held.Cancellations.Should().Be(0, "somebody still waits");
        stays.IsCompleted.Should().BeFalse();

        held.Return(7);
        (await Soon(stays)).Should().Be(7);
        held.Runs.Should().Be(1);
        await ExpectAsync(cache, "k", 7);
    }

    [Fact]
    public async Task When_the_last_caller_has_gone_the_factory_is_told_once()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var sources = Enumerable.Range(0, 5).Select(_ => new CancellationTokenSource()).ToArray();
        var loads = new List<Task<int>> { cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: sources[0].Token).AsTask() };
        await Soon(held.Started);
        loads.AddRange(sources[1..].Select(source => cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: source.Token).AsTask()));
        foreach (var (source, load) in sources.Zip(loads))
        {
            held.Cancellations.Should().Be(0);
            await source.CancelAsync();
            await CancelledAsync(load, source.Token);
        }

        await Soon(held.Cancelled);
        held.Cancellations.Should().Be(1);
        held.Fail(new OperationCanceledException());
    }

    [Fact]
    public async Task A_caller_who_cannot_cancel_keeps_the_factory_running_when_all_others_have_gone()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int> { HeedsCancellation = true };
        using var cancels = new CancellationTokenSource();
        var leader = cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: cancels.Token).AsTask();
        await Soon(held.Started);
        var stays = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await cancels.CancelAsync();
        await CancelledAsync(leader, cancels.Token);
        held.Return(7);
        (await Soon(stays)).Should().Be(7);
        held.Cancellations.Should().Be(0);
    }

    [Fact]
    public async Task Who_comes_when_all_others_have_gone_runs_a_factory_of_its_own()
    {
        var cache = await CreateAsync();
        var abandoned = new HeldFactory<int>();
        using var cancels = new CancellationTokenSource();
        var leader = cache.GetOrCreateAsync("k", abandoned.RunAsync, cancellationToken: cancels.Token).AsTask();
        await Soon(abandoned.Started);
        await cancels.CancelAsync();
        await CancelledAsync(leader, cancels.Token);

        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
        abandoned.Return(1);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task An_abandoned_factory_that_returns_all_the_same_stores_nothing()
    {
        var cache = await CreateAsync();
        var abandoned = new HeldFactory<int>();
        using var cancels = new CancellationTokenSource();
        var leader = cache.GetOrCreateAsync("k", abandoned.RunAsync, cancellationToken: cancels.Token).AsTask();
        await Soon(abandoned.Started);
        await cancels.CancelAsync();
        await CancelledAsync(leader, cancels.Token);
        abandoned.Return(1);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_caller_who_cancels_does_not_fail_those_who_come_after()
    {
        var cache = await CreateAsync();
        for (var i = 0; i < 5; i++)
        {
            var held = new HeldFactory<int> { HeedsCancellation = true };
            using var cancels = new CancellationTokenSource();
            var load = cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: cancels.Token).AsTask();
            await Soon(held.Started);
            await cancels.CancelAsync();
            await CancelledAsync(load, cancels.Token);
        }

        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
    }

    [Fact]
    public async Task A_factory_that_is_stopped_because_its_callers_went_does_not_put_the_next_attempt_off()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) });
        Clock.Advance(Seconds(1));
        var held = new HeldFactory<int> { HeedsCancellation = true };
        using var cancels = new CancellationTokenSource();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, cancellationToken: cancels.Token).AsTask();
        await Soon(held.Started);
        await cancels.CancelAsync();
        await CancelledAsync(load, cancels.Token);

        // The source has not failed: there is no reason to serve the stale value.
        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
    }

    [Fact]
    public async Task A_callback_on_the_factorys_token_that_throws_harms_nobody()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        using var cancels = new CancellationTokenSource();
        var load = cache.GetOrCreateAsync(
            "k",
            async (context, token) =>
            {
                await using var registration = token.Register(() => throw new InvalidOperationException("bad callback"));
                return await held.RunAsync(context, token);
            },
            cancellationToken: cancels.Token).AsTask();
        await Soon(held.Started);
        await cancels.CancelAsync();
        await CancelledAsync(load, cancels.Token);
        await Soon(held.Cancelled);
        held.Return(1);
        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
    }

    [Fact]
    public async Task A_caller_who_cancels_a_call_for_many_leaves_the_keys_that_others_wait_for()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        using var cancels = new CancellationTokenSource();
        var many = cache.GetOrCreateManyAsync(
            ["a", "b"], held, static (held, _, token) => held.RunAsync(null!, token), cancellationToken: cancels.Token).AsTask();
        await Soon(held.Started);
        var one = cache.GetOrCreateAsync("b", _ => ValueTask.FromResult(-1)).AsTask();
        await cancels.CancelAsync();
        await CancelledAsync(many, cancels.Token);
        held.Cancellations.Should().Be(0);

        held.Return(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 });
        (await Soon(one)).Should().Be(2);
    }

    [Fact]
    public async Task A_call_for_many_that_nobody_waits_for_any_more_has_its_factory_told()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        using var cancels = new CancellationTokenSource();
        var many = cache.GetOrCreateManyAsync(
            ["a", "b"], held, static (held, _, token) => held.RunAsync(null!, token), cancellationToken: cancels.Token).AsTask();
        await Soon(held.Started);
        await cancels.CancelAsync();
        await CancelledAsync(many, cancels.Token);
        await Soon(held.Cancelled);
        held.Cancellations.Should().Be(1);
        held.Return(new Dictionary<string, int>());
    }

    private static async Task CancelledAsync(Task task, CancellationToken token)
    {
        var act = () => Soon(task);
        (await act.Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(token);
    }
}
