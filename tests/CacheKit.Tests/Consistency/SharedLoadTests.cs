using System.Diagnostics;
using CacheKit.Engine;
using CacheKit.Testing;

namespace CacheKit.Tests.Consistency;

/// <summary>Many callers and one factory: who runs it, who waits, who may leave, and what they get.</summary>
public sealed class SharedLoadTests : IDisposable
{
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _time = new();
    private readonly Cache _cache;
    private readonly HeldFactory<long> _held = new();
    private readonly AsyncLocal<string?> _ambient = new();

    public SharedLoadTests() => _cache = TestCache.Create(_time);

    public void Dispose() => TestCache.End(_cache);

    [Fact]
    public async Task One_factory_runs_however_many_callers_miss()
    {
        var callers = Enumerable.Range(0, 20).Select(_ => Join()).ToList();
        callers.AddRange(Enumerable.Range(0, 5).Select(_ => JoinByBatch()));
        callers.Should().OnlyContain(static caller => !caller.IsCompleted);
        _held.Return(5);
        (await Task.WhenAll(callers)).Should().OnlyContain(static value => value == 5);
        _held.Runs.Should().Be(1);
        var statistics = _cache.GetStatistics();
        (statistics.Misses, statistics.Joins, statistics.Hits, statistics.FactoryRuns).Should().Be((1, 24, 0, 1));
    }

    [Fact]
    public async Task Batches_that_overlap_each_make_what_the_other_does_not()
    {
        var first = new HeldFactory<long>();
        var second = new HeldFactory<long>();
        var one = GetMany(first, "a", "b");
        var other = GetMany(second, "b", "c");
        second.Return(2);
        other.IsCompleted.Should().BeFalse("it waits for b");
        first.Return(1);
        (await one).Should().Equal(new Dictionary<string, long> { ["a"] = 1, ["b"] = 1 });
        (await other).Should().BeEquivalentTo(new Dictionary<string, long> { ["b"] = 1, ["c"] = 2 });
    }

    [Fact]
    public async Task Who_waits_for_a_key_that_a_batch_leaves_out_makes_it()
    {
        var released = new TaskCompletionSource<IReadOnlyDictionary<string, long>>();
        var batch = _cache.GetOrCreateManyAsync(["a", "b"], (_, _) => new ValueTask<IReadOnlyDictionary<string, long>>(released.Task)).AsTask();
        var joined = _cache.GetOrCreateAsync("b", _ => ValueTask.FromResult(7L)).AsTask();
        joined.IsCompleted.Should().BeFalse();
        released.SetResult(new Dictionary<string, long> { ["a"] = 1 });
        (await batch).Should().Equal(new Dictionary<string, long> { ["a"] = 1 });
        (await joined).Should().Be(7);
    }

    [Fact]
    public async Task A_caller_who_leaves_takes_nobody_with_him()
    {
        using var leaving = new CancellationTokenSource();
        var leader = Join(leaving.Token);
        var joined = Join();
        await leaving.CancelAsync();
        (await leader.Invoking(caller => caller).Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(leaving.Token);
        _held.Token.IsCancellationRequested.Should().BeFalse();
        _held.Return(5);
        (await joined).Should().Be(5);
        (await _cache.GetAsync<long>("k")).Value.Should().Be(5);
    }

    [Fact]
    public async Task The_factory_is_cancelled_when_the_last_caller_has_left()
    {
        using var leaving = new CancellationTokenSource();
        Task<long>[] callers = [Join(leaving.Token), Join(leaving.Token), JoinByBatch(leaving.Token)];
        var cancelled = new TaskCompletionSource();
        _held.Token.Register(cancelled.SetResult);
        await leaving.CancelAsync();
        foreach (var caller in callers)
        {
            await caller.Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        }

        await cancelled.Task;

        // Nobody joins what was given up, and what comes of it is not stored.
        (await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(7L))).Should().Be(7);
        _held.Return(5);
        _cache.Settle();
        (await _cache.GetAsync<long>("k")).Value.Should().Be(7);
    }

    [Fact]
    public async Task The_factory_of_a_batch_is_cancelled_when_nobody_waits_for_any_of_its_keys()
    {
        using var leavingBatch = new CancellationTokenSource();
        using var leaving = new CancellationTokenSource();
        var batch = GetMany(_held, leavingBatch.Token, "a", "b");
        var joined = _cache.GetOrCreateAsync("b", _ => ValueTask.FromResult(0L), cancellationToken: leaving.Token).AsTask();
        var cancelled = new TaskCompletionSource();
        _held.Token.Register(cancelled.SetResult);
        await leavingBatch.CancelAsync();
        await batch.Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        _held.Token.IsCancellationRequested.Should().BeFalse("b is still waited for");
        await leaving.CancelAsync();
        await joined.Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        await cancelled.Task;
        _held.Return(1);
    }

    [Fact]
    public async Task A_refresh_in_the_background_outlives_those_who_join_it()
    {
        var options = new CacheEntryOptions { Expiration = 10 * _second, RefreshAheadThreshold = 0.5 };
        await _cache.SetAsync("k", 1L, options);
        _time.Advance(5 * _second);
        (await _cache.GetOrCreateAsync("k", _held.RunAsync, options)).Should().Be(1);
        await _held.Begun;
        _time.Advance(5 * _second);
        using var leaving = new CancellationTokenSource();
        var joined = Join(leaving.Token);
        await leaving.CancelAsync();
        await joined.Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        _held.Token.IsCancellationRequested.Should().BeFalse();
        _held.Return(5);
        _cache.Settle();
        (await _cache.GetAsync<long>("k")).Value.Should().Be(5);
    }

    [Fact]
    public async Task A_factory_that_its_caller_was_too_impatient_for_goes_on_when_others_leave_it()
    {
        await StoreStaleAsync();
        var impatient = _cache.GetOrCreateAsync("k", _held.RunAsync, new CacheEntryOptions { SoftTimeout = _second }).AsTask();
        await _held.Begun;
        _time.Advance(_second);
        (await impatient).Should().Be(1);
        using var leaving = new CancellationTokenSource();
        var joined = Join(leaving.Token);
        await leaving.CancelAsync();
        await joined.Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        _held.Token.IsCancellationRequested.Should().BeFalse();
        _held.Return(5);
        _cache.Settle();
        (await _cache.GetAsync<long>("k")).Value.Should().Be(5);
    }

    [Fact]
    public async Task A_factory_that_was_given_up_does_not_delay_the_next_attempt()
    {
        await StoreStaleAsync();
        using var leaving = new CancellationTokenSource();
        var left = Join(leaving.Token);
        await leaving.CancelAsync();
        await left.Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        _held.Throw(new OperationCanceledException(_held.Token));
        _cache.Settle();
        (await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(7L))).Should().Be(7);
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_ends_the_call_before_anything_is_done()
    {
        var cancelled = new CancellationToken(canceled: true);
        await Join(cancelled).Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        await JoinByBatch(cancelled).Invoking(it => it).Should().ThrowAsync<OperationCanceledException>();
        _held.Runs.Should().Be(0);
        var statistics = _cache.GetStatistics();
        (statistics.Misses, statistics.Joins, statistics.FactoryRuns).Should().Be((0, 0, 0));
    }

    [Fact]
    public async Task An_exception_reaches_every_waiter_as_it_is_and_is_not_cached()
    {
        var callers = new[] { Join(), Join(), JoinByBatch() };
        var exception = new TimeZoneNotFoundException();
        _held.Throw(exception);
        foreach (var caller in callers)
        {
            (await caller.Invoking(it => it).Should().ThrowAsync<TimeZoneNotFoundException>()).Which.Should().BeSameAs(exception);
        }

        (await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(7L))).Should().Be(7);
    }

    [Fact]
    public async Task An_exception_before_the_first_await_reaches_the_caller_as_well()
    {
        var exception = new OperationCanceledException("the factory's own");
        (await _cache.Invoking(cache => cache.GetOrCreateAsync<long>("k", _ => throw exception).AsTask()).Should().ThrowAsync<OperationCanceledException>())
            .Which.Should().BeSameAs(exception);
        (await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(7L))).Should().Be(7);
    }

    public enum Way
    {
        Inline,
        SoftTimeout,
        HardTimeout,
        Refresh,
        Batch,
    }

    [Theory]
    [InlineData(Way.Inline)]
    [InlineData(Way.SoftTimeout)]
    [InlineData(Way.HardTimeout)]
    [InlineData(Way.Refresh)]
    [InlineData(Way.Batch)]
    public async Task The_context_of_the_caller_flows_into_the_factory(Way way)
    {
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == "test of the flowing context",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource("test of the flowing context");
        using var activity = source.StartActivity("caller");
        _ambient.Value = "of the caller";
        var options = new CacheEntryOptions
        {
            Expiration = 10 * _second,
            SoftTimeout = way == Way.SoftTimeout ? 1000 * _second : null,
            HardTimeout = way == Way.HardTimeout ? _second : null,
            RefreshAheadThreshold = way == Way.Refresh ? 0.5 : null,
        };
        if (way is Way.SoftTimeout)
        {
            await StoreStaleAsync();
        }
        else if (way is Way.Refresh)
        {
            await _cache.SetAsync("k", 1L, options);
            _time.Advance(5 * _second);
        }

        var seen = new TaskCompletionSource<(string?, string?)>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (way == Way.Batch)
        {
            await _cache.GetOrCreateManyAsync(["k"], (_, _) => ValueTask.FromResult<IReadOnlyDictionary<string, long>>(new Dictionary<string, long> { ["k"] = Look() }), options);
        }
        else
        {
            await _cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(Look()), options);
        }

        (await seen.Task).Should().Be(("of the caller", activity!.TraceId.ToString())); // there is a listener
        _ambient.Value.Should().Be("of the caller", "the factory's changes stay its own");
        Activity.Current.Should().BeSameAs(activity);

        long Look()
        {
            seen.SetResult((_ambient.Value, Activity.Current?.TraceId.ToString()));
            _ambient.Value = "of the factory";
            return 5;
        }
    }

    [Fact]
    public async Task Disposal_ends_every_wait()
    {
        using var cache = TestCache.Create(_time);
        var attached = cache.GetOrCreateAsync("attached", _held.RunAsync).AsTask();
        var joined = cache.GetOrCreateAsync("attached", _held.RunAsync).AsTask();
        var overtaken = cache.GetOrCreateAsync("overtaken", new HeldFactory<long>().RunAsync).AsTask();
        await cache.RemoveAsync("overtaken");
        var batch = cache.GetOrCreateManyAsync(["a", "b"], new HeldFactory<long>(), static (held, context, token) => held.RunManyAsync(context, token)).AsTask();
        cache.Dispose();
        foreach (var waiting in new Task[] { attached, joined, overtaken, batch })
        {
            await waiting.WaitAsync(_patience).Invoking(it => it).Should().ThrowAsync<ObjectDisposedException>();
        }

        cache.Invoking(it => it.GetOrCreateAsync("attached", _held.RunAsync)).Should().Throw<ObjectDisposedException>();
        _held.Return(5);
    }

    [Fact]
    public void Disposal_cancels_the_factories()
    {
        using var cache = TestCache.Create(_time);
        var overtaken = new HeldFactory<long>();
        _ = cache.GetOrCreateAsync("attached", _held.RunAsync).AsTask();
        _ = cache.GetOrCreateAsync("overtaken", overtaken.RunAsync).AsTask();
        cache.Remove("overtaken");
        cache.Dispose();
        _held.Token.WaitHandle.WaitOne(_patience).Should().BeTrue();
        overtaken.Token.WaitHandle.WaitOne(_patience).Should().BeTrue();
    }

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10); // before a test that hangs fails

    private Task<long> Join(CancellationToken cancellationToken = default) =>
        _cache.GetOrCreateAsync("k", _held.RunAsync, cancellationToken: cancellationToken).AsTask();

    private async Task<long> JoinByBatch(CancellationToken cancellationToken = default) => (await GetMany(_held, cancellationToken, "k"))["k"];

    private Task<IReadOnlyDictionary<string, long>> GetMany(HeldFactory<long> held, params string[] keys) => GetMany(held, default, keys);

    private Task<IReadOnlyDictionary<string, long>> GetMany(HeldFactory<long> held, CancellationToken cancellationToken, params string[] keys) =>
        _cache.GetOrCreateManyAsync(keys, held, static (held, context, token) => held.RunManyAsync(context, token), cancellationToken: cancellationToken).AsTask();

    private async Task StoreStaleAsync()
    {
        await _cache.SetAsync("k", 1L, new CacheEntryOptions { Expiration = _second, StaleFor = 10_000 * _second });
        _time.Advance(_second);
    }
}
