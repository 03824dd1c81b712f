using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That a factory's exception reaches everyone who waits as it is, and is not kept.</summary>
public abstract class FactoryFailureContract : CacheContract
{
    [Fact]
    public async Task An_exception_thrown_at_once_reaches_the_caller_as_it_is()
    {
        var cache = await CreateAsync();
        var failure = new FormatException("down");
        (await FailureAsync(cache.GetOrCreateAsync<int>("k", _ => throw failure))).Should().BeSameAs(failure);
        cache.Invoking(it => it.GetOrCreate<int>("k", () => throw failure)).Should().Throw<FormatException>().Which.Should().BeSameAs(failure);
    }

    [Fact]
    public async Task An_exception_thrown_before_the_first_await_reaches_the_caller_as_it_is()
    {
        var cache = await CreateAsync();
        var failure = new FormatException("down");
        (await FailureAsync(cache.GetOrCreateAsync<int>("k", (_, _) => ValueTask.FromException<int>(failure)))).Should().BeSameAs(failure);
    }

    [Fact]
    public async Task An_exception_thrown_after_an_await_reaches_the_caller_as_it_is()
    {
        var cache = await CreateAsync();
        var failure = new FormatException("down");
        (await FailureAsync(cache.GetOrCreateAsync("k", async Task<int> (_) =>
        {
            await Task.Yield();
            throw failure;
        }))).Should().BeSameAs(failure);
    }

    [Fact]
    public async Task An_exception_reaches_everyone_who_waits()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var loads = Enumerable.Range(0, 10).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync).AsTask()).ToArray();
        await Soon(held.Started);
        var failure = new FormatException("down");
        held.Fail(failure);
        foreach (var load in loads)
        {
            (await FailureAsync(new ValueTask<int>(load))).Should().BeSameAs(failure);
        }

        held.Runs.Should().Be(1);
    }

    [Fact]
    public async Task A_failure_is_not_cached()
    {
        var cache = await CreateAsync();
        await FailureAsync(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down")));
        await ExpectMissAsync(cache, "k");
        (await CreateOrGet(cache, "k", 7)).Should().Be(7);
    }

    [Fact]
    public async Task A_factory_that_cancels_itself_has_failed_and_nothing_hangs_or_is_cached()
    {
        var cache = await CreateAsync();
        var failure = new OperationCanceledException("own reasons");
        (await FailureAsync(cache.GetOrCreateAsync<int>("k", _ => throw failure))).Should().BeAssignableTo<OperationCanceledException>();
        (await FailureAsync(cache.GetOrCreateAsync("k", _ => Task.FromCanceled<int>(new CancellationToken(true))))).Should().BeAssignableTo<OperationCanceledException>();
        (await CreateOrGet(cache, "k", 7)).Should().Be(7);
    }

    [Fact]
    public async Task Those_who_wait_for_a_factory_that_cancels_itself_are_all_told()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var loads = Enumerable.Range(0, 5).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync).AsTask()).ToArray();
        await Soon(held.Started);
        held.Fail(new OperationCanceledException("own reasons"));
        foreach (var load in loads)
        {
            (await FailureAsync(new ValueTask<int>(load))).Should().BeAssignableTo<OperationCanceledException>();
        }
    }

    [Fact]
    public async Task A_factory_that_returns_no_task_is_an_error_and_not_a_hang()
    {
        var cache = await CreateAsync();
        (await FailureAsync(cache.GetOrCreateAsync("k", Task<int> (_) => null!))).Should().NotBeNull();
        (await CreateOrGet(cache, "k", 7)).Should().Be(7);
    }

    [Fact]
    public async Task A_failed_refresh_of_what_was_removed_leaves_nothing()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(10) });
        await cache.RemoveAsync("k");
        var failure = new FormatException("down");
        (await FailureAsync(cache.GetOrCreateAsync<int>("k", _ => throw failure))).Should().BeSameAs(failure);
    }

    [Fact]
    public async Task A_failure_while_an_expired_value_is_kept_for_nobody_reaches_the_caller()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(1) };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(1));
        var failure = new FormatException("down");
        (await FailureAsync(cache.GetOrCreateAsync<int>("k", _ => throw failure, options))).Should().BeSameAs(failure);
    }

    [Fact]
    public async Task A_continuation_that_throws_or_blocks_harms_no_other_caller()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        using var gate = new ManualResetEventSlim();
        var bad = Task.Run(async () =>
        {
            await cache.GetOrCreateAsync("k", held.RunAsync);
            throw new FormatException("bad continuation");
        });
        await Soon(held.Started);
        var blocks = Task.Run(async () =>
        {
            await cache.GetOrCreateAsync("k", held.RunAsync);
            gate.Wait();
        });
        var good = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        held.Return(7);
        (await Soon(good)).Should().Be(7);
        await ExpectAsync(cache, "k", 7);
        gate.Set();
        await Soon(blocks);
        var act = () => Soon(bad);
        await act.Should().ThrowAsync<FormatException>();
    }

    private static async Task<Exception> FailureAsync(ValueTask<int> load)
    {
        var act = () => Soon(load);
        return (await act.Should().ThrowAsync<Exception>()).Which;
    }
}
