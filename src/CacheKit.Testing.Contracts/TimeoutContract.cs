using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>How long callers wait for a slow factory: the soft timeout, when there is a stale value, and the hard one.</summary>
public abstract class TimeoutContract : CacheContract
{
    private static readonly CacheEntryOptions _soft = new() { Expiration = Seconds(10), StaleFor = Seconds(1_000), SoftTimeout = Seconds(1) };
    private static readonly CacheEntryOptions _hard = new() { Expiration = Seconds(10), HardTimeout = Seconds(3) };

    [Fact]
    public async Task A_soft_timeout_serves_the_stale_value_and_the_factorys_value_is_stored_when_it_comes()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        var impatient = cache.GetOrCreateAsync("k", held.RunAsync, _soft).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(1) - TimeSpan.FromTicks(1));
        impatient.IsCompleted.Should().BeFalse();
        Clock.Advance(TimeSpan.FromTicks(1));
        (await Soon(impatient)).Should().Be(1);
        held.Cancellations.Should().Be(0, "the factory goes on");

        // One who has the patience waits for the same factory.
        var patient = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        held.Return(2);
        (await Soon(patient)).Should().Be(2);
        held.Runs.Should().Be(1);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task A_factory_within_the_soft_timeout_is_waited_for()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, _soft).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(0.5));
        held.Return(2);
        (await Soon(load)).Should().Be(2);
    }

    [Fact]
    public async Task A_soft_timeout_has_no_effect_when_there_is_nothing_stale()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, _soft).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(100));
        load.IsCompleted.Should().BeFalse();
        held.Return(2);
        (await Soon(load)).Should().Be(2);
    }

    [Fact]
    public async Task Those_who_come_after_a_soft_timeout_do_not_start_a_second_factory()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        for (var i = 0; i < 3; i++)
        {
            var load = cache.GetOrCreateAsync("k", held.RunAsync, _soft).AsTask();
            await Soon(held.Started);
            Clock.Advance(Seconds(1));
            (await Soon(load)).Should().Be(1);
        }

        held.Runs.Should().Be(1);
        var last = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        held.Return(2);
        (await Soon(last)).Should().Be(2);
    }

    [Fact]
    public async Task A_soft_timeout_holds_for_a_factory_that_blocks_its_thread()
    {
        var cache = await StaleAsync();
        using var gate = new ManualResetEventSlim();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var calling = Task.Run(() => (Load: cache.GetOrCreateAsync(
            "k",
            _ =>
            {
                started.SetResult();
                gate.Wait();
                return ValueTask.FromResult(2);
            },
            _soft).AsTask(), 0));
        var called = await OrOpen(calling, gate);
        await Soon(started.Task);
        Clock.Advance(Seconds(1));
        (await Soon(called.Load)).Should().Be(1);
        var patient = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(3)).AsTask();
        gate.Set();
        (await Soon(patient)).Should().Be(2);
    }

    [Fact]
    public async Task A_soft_timeout_holds_for_a_factory_of_many_that_blocks_its_thread()
    {
        var cache = await StaleAsync();
        using var gate = new ManualResetEventSlim();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var calling = Task.Run(() => (Load: cache.GetOrCreateManyAsync(
            ["k"],
            (_, _) =>
            {
                started.SetResult();
                gate.Wait();
                return ValueTask.FromResult<IReadOnlyDictionary<string, int>>(new Dictionary<string, int> { ["k"] = 2 });
            },
            _soft).AsTask(), 0));
        var called = await OrOpen(calling, gate);
        await Soon(started.Task);
        Clock.Advance(Seconds(1));
        (await Soon(called.Load))["k"].Should().Be(1);
        var patient = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(3)).AsTask();
        gate.Set();
        (await Soon(patient)).Should().Be(2);
    }

    [Fact]
    public async Task A_value_removed_during_the_soft_timeout_is_not_served()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, _soft).AsTask();
        await Soon(held.Started);
        await cache.RemoveAsync("k");
        Clock.Advance(Seconds(1));
        load.IsCompleted.Should().BeFalse("there is nothing to serve but what the factory makes");
        held.Return(2);
        (await Soon(load)).Should().Be(2);
    }

    [Fact]
    public async Task A_caller_can_cancel_within_the_soft_timeout()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        using var cancels = new CancellationTokenSource();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, _soft, cancels.Token).AsTask();
        await Soon(held.Started);
        await cancels.CancelAsync();
        var act = () => Soon(load);
        (await act.Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(cancels.Token);
        await Soon(held.Cancelled);
        held.Return(2);
    }

    [Fact]
    public async Task A_soft_timeout_serves_many_at_a_time()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var load = cache.GetOrCreateManyAsync(["k", "m"], held, static (held, _, token) => held.RunAsync(null!, token), _soft).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(1));
        (await Soon(load)).Should().BeEquivalentTo(new Dictionary<string, int> { ["k"] = 1, ["m"] = 11 });
        var patient = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1)).AsTask();
        held.Return(new Dictionary<string, int> { ["k"] = 2 });
        (await Soon(patient)).Should().Be(2);
    }

    [Fact]
    public async Task A_hard_timeout_is_a_TimeoutException_for_everyone_who_waits_and_tells_the_factory()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var leader = cache.GetOrCreateAsync("k", held.RunAsync, _hard).AsTask();
        await Soon(held.Started);
        var joined = cache.GetOrCreateAsync("k", held.RunAsync).AsTask(); // shares the limit of the call that started it
        Clock.Advance(Seconds(3) - TimeSpan.FromTicks(1));
        leader.IsCompleted.Should().BeFalse();
        Clock.Advance(TimeSpan.FromTicks(1));
        await TimesOutAsync(leader);
        await TimesOutAsync(joined);
        await Soon(held.Cancelled);
        held.Return(1);
    }

    [Fact]
    public async Task A_hard_timeout_holds_for_a_factory_that_blocks_its_thread()
    {
        var cache = await CreateAsync();
        using var gate = new ManualResetEventSlim();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var calling = Task.Run(() => (Load: cache.GetOrCreateAsync(
            "k",
            _ =>
            {
                started.SetResult();
                gate.Wait();
                return ValueTask.FromResult(2);
            },
            _hard).AsTask(), 0));
        var called = await OrOpen(calling, gate);
        await Soon(started.Task);
        Clock.Advance(Seconds(3));
        await TimesOutAsync(called.Load);
        gate.Set();
    }

    [Fact]
    public async Task The_late_result_after_a_hard_timeout_is_dropped_and_the_next_caller_starts_anew()
    {
        var cache = await CreateAsync();
        var late = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", late.RunAsync, _hard).AsTask();
        await Soon(late.Started);
        Clock.Advance(Seconds(3));
        await TimesOutAsync(load);
        (await CreateOrGet(cache, "k", 2, _hard)).Should().Be(2);
        late.Return(1);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task A_late_failure_after_a_hard_timeout_harms_nobody()
    {
        var cache = await CreateAsync();
        var late = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", late.RunAsync, _hard).AsTask();
        await Soon(late.Started);
        Clock.Advance(Seconds(3));
        await TimesOutAsync(load);
        late.Fail(new FormatException("too late"));
        (await CreateOrGet(cache, "k", 2, _hard)).Should().Be(2);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task A_factory_that_ends_in_time_is_not_troubled_by_its_limit_later()
    {
        var cache = await CreateAsync();
        (await CreateOrGet(cache, "k", 1, _hard)).Should().Be(1);
        Clock.Advance(Seconds(4));
        await ExpectAsync(cache, "k", 1);
        cache.GetStatistics().FactoryFailures.Should().Be(0);
    }

    [Fact]
    public async Task At_a_hard_timeout_the_stale_value_stands_in()
    {
        var cache = await StaleAsync();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync, _hard).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(3));
        (await Soon(load)).Should().Be(1);
        await Soon(held.Cancelled);
        held.Return(2);
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).Value.Should().Be(1);
        cache.GetStatistics().FactoryFailures.Should().Be(1);
    }

    [Fact]
    public async Task A_hard_timeout_is_for_many_at_a_time_too()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var load = cache.GetOrCreateManyAsync(["a", "b"], held, static (held, _, token) => held.RunAsync(null!, token), _hard).AsTask();
        await Soon(held.Started);
        Clock.Advance(Seconds(3));
        await TimesOutAsync(load);
        await Soon(held.Cancelled);
        held.Return(new Dictionary<string, int> { ["a"] = 1 });
        (await CreateOrGet(cache, "a", 2)).Should().Be(2);
    }

    [Fact]
    public async Task The_context_of_the_caller_flows_into_a_factory_with_a_limit()
    {
        var cache = await CreateAsync();
        var local = new AsyncLocal<string?> { Value = "caller" };
        (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(local.Value), _hard))).Should().Be("caller");
    }

    private async ValueTask<ICache> StaleAsync()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, _soft);
        await cache.SetAsync("m", 11, _soft);
        Clock.Advance(Seconds(10));
        return cache;
    }

    private static async Task TimesOutAsync(Task load)
    {
        var act = () => Soon(load);
        await act.Should().ThrowAsync<TimeoutException>();
    }

    // If the call itself blocks, the gate must open for the test to end.
    private static async Task<T> OrOpen<T>(Task<T> calling, ManualResetEventSlim gate)
    {
        try
        {
            return await Soon(calling);
        }
        catch
        {
            gate.Set();
            await calling;
            throw;
        }
    }
}
