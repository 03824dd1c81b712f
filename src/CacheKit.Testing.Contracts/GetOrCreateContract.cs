using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That one factory runs for a missing key however many ask for it, and what a factory may do.</summary>
public abstract class GetOrCreateContract : CacheContract
{
    [Fact]
    public async Task A_missing_value_is_created_and_stored()
    {
        var cache = await CreateAsync();
        (await CreateOrGet(cache, "k", 7)).Should().Be(7);
        await ExpectAsync(cache, "k", 7);
    }

    [Fact]
    public async Task A_live_value_is_never_overwritten_and_its_factory_does_not_run()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        var runs = 0;
        (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs + 10)))).Should().Be(1);
        runs.Should().Be(0);
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task Every_form_of_the_call_creates_and_stores()
    {
        var cache = await CreateAsync();
        (await Soon(cache.GetOrCreateAsync("1", 1, static (state, _, _) => ValueTask.FromResult(state)))).Should().Be(1);
        (await Soon(cache.GetOrCreateAsync("2", _ => ValueTask.FromResult(2)))).Should().Be(2);
        (await Soon(cache.GetOrCreateAsync("3", _ => Task.FromResult(3)))).Should().Be(3);
        (await Soon(cache.GetOrCreateAsync("4", (_, _) => ValueTask.FromResult(4)))).Should().Be(4);
        (await Soon(cache.GetOrCreateAsync("5", (_, _) => Task.FromResult(5)))).Should().Be(5);
        (await Soon(cache.GetOrCreateAsync("6", _ => ValueTask.FromResult(6), Seconds(1)))).Should().Be(6);
        (await Soon(cache.GetOrCreateAsync("7", _ => Task.FromResult(7), Seconds(1)))).Should().Be(7);
        (await Soon(cache.GetOrCreateAsync("short", _ => Task.FromResult(1), new() { Expiration = Seconds(1), Tags = ["t"] }))).Should().Be(1);
        (await Soon(cache.GetOrCreateAsync("shorter", _ => ValueTask.FromResult(1), new() { Expiration = Seconds(1) }))).Should().Be(1);
        (await Soon(cache.GetOrCreateAsync("async", async _ => await Task.FromResult(1), new() { Expiration = Seconds(1) }))).Should().Be(1);
        cache.Set("set", 1, new() { Expiration = Seconds(1) });
        cache.GetOrCreate("8", () => 8).Should().Be(8);
        cache.GetOrCreate("9", _ => 9).Should().Be(9);
        cache.GetOrCreate("10", () => 10, Seconds(1)).Should().Be(10);
        cache.GetOrCreate("shortest", () => 1, new() { Expiration = Seconds(1) });
        for (var i = 1; i <= 10; i++)
        {
            await ExpectAsync(cache, $"{i}", i);
            cache.Get<int>($"{i}").Value.Should().Be(i);
            cache.GetOrCreate($"{i}", () => 0).Should().Be(i);
            cache.GetOrCreate($"{i}", () => 0, Seconds(2)).Should().Be(i);
            (await Soon(cache.GetTimeToLiveAsync($"{i}"))).Should().Be(i is 6 or 7 or 10 ? Seconds(1) : TimeSpan.MaxValue);
        }
    }

    [Fact]
    public async Task The_state_reaches_the_factory()
    {
        var cache = await CreateAsync();
        var state = new List<string>();
        await Soon(cache.GetOrCreateAsync("k", state, static (given, context, _) =>
        {
            given.Add(context.Key);
            return ValueTask.FromResult(1);
        }));
        state.Should().Equal("k");
    }

    [Theory]
    [InlineData(10)]
    [InlineData(1_000)]
    public async Task However_many_ask_for_a_missing_key_one_factory_runs_and_all_get_its_value(int callers)
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var loads = Enumerable.Range(0, callers).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync).AsTask()).ToArray();
        await Soon(held.Started);
        loads.Should().NotContain(load => load.IsCompleted);

        held.Return(7);
        (await Soon(Task.WhenAll(loads))).Should().OnlyContain(value => value == 7);
        held.Runs.Should().Be(1);
    }

    [Fact]
    public async Task Callers_on_many_threads_run_one_factory()
    {
        var cache = await CreateAsync();
        for (var round = 0; round < 20; round++)
        {
            var held = new HeldFactory<int>();
            using var start = new Barrier(4);
            var key = $"k{round}";
            var loads = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    return cache.GetOrCreateAsync(key, held.RunAsync).AsTask();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToArray();
            await Soon(held.Started);
            held.Return(round);
            (await Soon(Task.WhenAll(loads))).Should().OnlyContain(value => value == round);
            held.Runs.Should().Be(1);
        }
    }

    [Fact]
    public async Task A_second_wave_runs_a_factory_of_its_own_if_nothing_was_stored()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = TimeSpan.Zero };
        for (var wave = 0; wave < 3; wave++)
        {
            var held = new HeldFactory<int>();
            var loads = Enumerable.Range(0, 5).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync, options).AsTask()).ToArray();
            await Soon(held.Started);
            held.Return(wave);
            (await Soon(Task.WhenAll(loads))).Should().OnlyContain(value => value == wave);
            held.Runs.Should().Be(1);
        }
    }

    [Fact]
    public async Task A_factory_that_is_slow_or_never_ends_blocks_no_other_key()
    {
        var cache = await CreateAsync();
        var held = Enumerable.Range(0, 100).Select(_ => new HeldFactory<int>()).ToArray();
        var loads = held.Select((factory, i) => cache.GetOrCreateAsync($"slow{i}", factory.RunAsync).AsTask()).ToArray();
        await Soon(Task.WhenAll(held.Select(factory => factory.Started)));
        for (var i = 0; i < 200; i++)
        {
            (await CreateOrGet(cache, $"k{i}", i)).Should().Be(i);
            await Soon(cache.SetAsync($"k{i}", -i));
            await Soon(cache.RemoveAsync($"k{i}"));
        }

        await Soon(cache.RemoveByTagAsync("t"));
        foreach (var factory in held)
        {
            factory.Return(1);
        }

        await Soon(Task.WhenAll(loads));
    }

    [Fact]
    public async Task A_factory_that_blocks_its_thread_blocks_no_other_key()
    {
        var cache = await CreateAsync();
        using var gate = new ManualResetEventSlim();
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var load = Task.Factory.StartNew(
            () => cache.GetOrCreate("slow", () =>
            {
                started.SetResult();
                gate.Wait();
                return 1;
            }),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Soon(started.Task);
        for (var i = 0; i < 200; i++)
        {
            await Soon(Task.Run(() => CreateOrGet(cache, $"k{i}", i)));
        }

        await ExpectMissAsync(cache, "slow");
        gate.Set();
        (await Soon(load)).Should().Be(1);
    }

    [Fact]
    public async Task A_value_that_is_being_made_is_not_there_yet_in_any_way_of_asking()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await Soon(held.Started);
        await ExpectMissAsync(cache, "k");
        (await Soon(cache.GetManyAsync<int>(["k"])))["k"].IsHit.Should().BeFalse();
        (await Soon(cache.GetTimeToLiveAsync("k"))).Should().BeNull();
        (await Soon(cache.TouchAsync("k"))).Should().BeFalse();
        (await Soon(cache.SetTimeToLiveAsync("k", Seconds(1)))).Should().BeFalse();
        cache.GetStatistics().Entries.Should().Be(0);
        held.Return(1);
        await Soon(load);
    }

    [Fact]
    public async Task A_read_does_not_wait_for_a_factory_that_makes_the_value_anew()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(10) });
        Clock.Advance(Seconds(1));
        var held = new HeldFactory<int>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await Soon(held.Started);
        (await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default))).Value.Should().Be(1);
        held.Return(2);
        (await Soon(load)).Should().Be(2);
    }

    [Fact]
    public async Task A_factory_may_use_other_keys_of_the_cache()
    {
        var cache = await CreateAsync();
        var sum = await Soon(Task.Run(() => cache.GetOrCreateAsync("sum", async _ =>
        {
            await cache.SetAsync("a", 1);
            var b = await cache.GetOrCreateAsync("b", async _ => 2 + await cache.GetOrCreateAsync("c", _ => ValueTask.FromResult(3)));
            return (await cache.GetAsync<int>("a")).Value + b;
        }).AsTask()));
        sum.Should().Be(6);
        await ExpectAsync(cache, "c", 3);
    }

    [Fact]
    public async Task A_factory_may_look_its_own_key_up_and_finds_nothing()
    {
        var cache = await CreateAsync();
        (await Soon(Task.Run(() => cache.GetOrCreateAsync("k", async _ => (await cache.GetAsync<int>("k")).IsHit ? 1 : 2).AsTask()))).Should().Be(2);
    }

    [Fact]
    public async Task A_factory_that_asks_for_its_own_key_gets_an_error_instead_of_waiting_for_itself()
    {
        var cache = await CreateAsync();
        var act = () => Soon(Task.Run(() => cache.GetOrCreateAsync("k", _ => cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(1))).AsTask()));
        await act.Should().ThrowAsync<InvalidOperationException>();
        (await CreateOrGet(cache, "k", 2)).Should().Be(2);
    }

    [Fact]
    public async Task A_factory_that_asks_for_its_own_key_through_another_gets_an_error()
    {
        var cache = await CreateAsync();
        var act = () => Soon(Task.Run(() => cache.GetOrCreateAsync(
            "a", _ => cache.GetOrCreateAsync("b", _ => cache.GetOrCreateAsync("a", _ => ValueTask.FromResult(1)))).AsTask()));
        await act.Should().ThrowAsync<InvalidOperationException>();
        (await CreateOrGet(cache, "b", 2)).Should().Be(2);
        (await CreateOrGet(cache, "a", 1)).Should().Be(1);
    }

    [Fact]
    public async Task A_factory_that_asks_for_its_own_key_after_an_await_and_on_another_thread_gets_an_error()
    {
        var cache = await CreateAsync();
        var act = () => Soon(Task.Run(() => cache.GetOrCreateAsync("k", async _ =>
        {
            await Task.Yield();
            return await Task.Run(() => cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(1)).AsTask());
        }).AsTask()));
        await act.Should().ThrowAsync<InvalidOperationException>();
    }

    [Fact]
    public async Task Two_factories_that_wait_for_each_other_do_not_wait_for_ever()
    {
        var cache = await CreateAsync();
        var bothRun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = 0;
        async ValueTask<int> MakeWith(string other)
        {
            if (Interlocked.Increment(ref running) == 2)
            {
                bothRun.SetResult();
            }

            await bothRun.Task;
            return 1 + await cache.GetOrCreateAsync(other, _ => ValueTask.FromResult(1));
        }

        var a = Task.Run(() => cache.GetOrCreateAsync("a", _ => MakeWith("b")).AsTask());
        var b = Task.Run(() => cache.GetOrCreateAsync("b", _ => MakeWith("a")).AsTask());
        var act = () => Soon(Task.WhenAll(a, b));
        await act.Should().ThrowAsync<InvalidOperationException>();
    }

    [Fact]
    public async Task A_factory_that_sets_its_own_key_leaves_what_it_set_and_its_callers_get_what_it_returns()
    {
        var cache = await CreateAsync();
        var made = await Soon(Task.Run(() => cache.GetOrCreateAsync("k", async _ =>
        {
            await cache.SetAsync("k", 1);
            return 2;
        }).AsTask()));
        made.Should().Be(2);
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task A_factory_runs_on_the_calling_thread_up_to_its_first_await()
    {
        var cache = await CreateAsync();
        var thread = 0;
        var caller = Environment.CurrentManagedThreadId;
        var load = cache.GetOrCreateAsync("k", _ =>
        {
            thread = Environment.CurrentManagedThreadId;
            return ValueTask.FromResult(1);
        });
        await Soon(load);
        if (!AsksStoresFirst)
        {
            thread.Should().Be(caller);
        }
    }

    [Fact]
    public async Task The_context_of_the_caller_flows_into_the_factory_and_nothing_flows_back()
    {
        var cache = await CreateAsync();
        var local = new AsyncLocal<string?> { Value = "caller" };
        string? before = null;
        string? after = null;
        await Soon(cache.GetOrCreateAsync("k", async _ =>
        {
            before = local.Value;
            await Task.Yield();
            after = local.Value;
            local.Value = "factory";
            return 1;
        }));
        before.Should().Be("caller");
        after.Should().Be("caller");
        local.Value.Should().Be("caller");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_null_factory_is_an_ArgumentNullException_whether_or_not_the_value_is_there(bool isThere)
    {
        var cache = await CreateAsync();
        if (isThere)
        {
            await cache.SetAsync("k", 1);
        }

        Func<Task>[] calls =
        [
            async () => await cache.GetOrCreateAsync<int, int>("k", 0, null!),
            async () => await cache.GetOrCreateAsync("k", (Func<CancellationToken, ValueTask<int>>)null!),
            async () => await cache.GetOrCreateAsync("k", (Func<CancellationToken, Task<int>>)null!),
            async () => await cache.GetOrCreateAsync("k", (Func<CacheEntryContext, CancellationToken, ValueTask<int>>)null!),
            async () => await cache.GetOrCreateAsync("k", (Func<CancellationToken, ValueTask<int>>)null!, Seconds(1)),
            async () => await cache.GetOrCreateManyAsync<int, int>(["k"], 0, null!),
            async () => await cache.GetOrCreateManyAsync<int>(["k"], null!),
            () => Task.Run(() => cache.GetOrCreate("k", (Func<int>)null!)),
            () => Task.Run(() => cache.GetOrCreate("k", (Func<CacheEntryContext, int>)null!)),
        ];
        foreach (var call in calls)
        {
            (await call.Should().ThrowAsync<ArgumentNullException>()).Which.ParamName.Should().Be("factory");
        }
    }

    [Fact]
    public async Task A_factory_sees_the_stale_value_that_its_own_replaces()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(10) });
        Clock.Advance(Seconds(1));
        var made = await Soon(cache.GetOrCreateAsync("k", (context, _) =>
        {
            var stale = context.GetStale<int>();
            stale.IsHit.Should().BeTrue();
            stale.IsStale.Should().BeTrue();
            return ValueTask.FromResult(stale.Value + 10);
        }));
        made.Should().Be(11);
        await ExpectAsync(cache, "k", 11);
    }

    [Fact]
    public async Task A_factory_sees_no_stale_value_if_there_is_none_or_it_was_removed()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(10), Tags = ["t"] };
        await Soon(cache.GetOrCreateAsync("new", (context, _) => ValueTask.FromResult(context.GetStale<int>().IsHit)));
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(1));
        await cache.RemoveByTagAsync("t");
        (await Soon(cache.GetOrCreateAsync("k", (context, _) => ValueTask.FromResult(context.GetStale<int>().IsHit)))).Should().BeFalse();
        await ExpectAsync(cache, "new", false);
    }

    [Fact]
    public async Task Bad_tags_are_refused_before_the_factory_runs()
    {
        var cache = await CreateAsync();
        var runs = 0;
        foreach (var tag in new[] { "", "*", "\ud800" })
        {
            var act = () => Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(++runs), new CacheEntryOptions { Tags = [tag] }));
            (await act.Should().ThrowAsync<ArgumentException>()).WithParameterName("tags");
        }

        runs.Should().Be(0);
    }

    [Fact]
    public async Task Bad_tags_added_by_the_factory_are_its_failure()
    {
        var cache = await CreateAsync();
        var act = () => Soon(cache.GetOrCreateAsync("k", (context, _) =>
        {
            context.AddTags("good", "*");
            return ValueTask.FromResult(1);
        }));
        (await act.Should().ThrowAsync<ArgumentException>()).WithParameterName("tags");
        await ExpectMissAsync(cache, "k");
    }
}
