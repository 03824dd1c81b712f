using CacheKit.Engine;
using CacheKit.Testing;

namespace CacheKit.Tests.Engine;

public sealed class StoreWaitsTests : IDisposable
{
    private static readonly TimeSpan _limit = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan _tick = TimeSpan.FromTicks(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly StoreWaits _waits;

    public StoreWaitsTests() => _waits = new(_limit, _clock);

    [Fact]
    public async Task Each_call_has_its_own_time_though_one_timer_serves_all()
    {
        var first = Wait(out _);
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        var second = Wait(out var ending);
        var third = Wait(out _);
        _clock.Advance(TimeSpan.FromMilliseconds(150) - _tick);
        first.IsCompleted.Should().BeFalse();
        _clock.Advance(_tick);
        (await first).Should().Be(StoreWaitEnd.TimedOut);
        ending.SetResult();
        (await second).Should().Be(StoreWaitEnd.Ended);
        _clock.Advance(TimeSpan.FromMilliseconds(100) - _tick);
        third.IsCompleted.Should().BeFalse();
        _clock.Advance(_tick);
        (await third).Should().Be(StoreWaitEnd.TimedOut);
    }

    [Fact]
    public async Task After_a_time_without_calls_the_next_one_has_its_whole_time()
    {
        var first = Wait(out var ending);
        ending.SetResult();
        (await first).Should().Be(StoreWaitEnd.Ended);
        _clock.Advance(_limit * 10);
        var second = Wait(out _);
        _clock.Advance(_limit - _tick);
        second.IsCompleted.Should().BeFalse();
        _clock.Advance(_tick);
        (await second).Should().Be(StoreWaitEnd.TimedOut);
    }

    [Fact]
    public async Task One_that_was_given_up_does_not_end_a_later_one()
    {
        var late = new List<TaskCompletionSource>();
        for (var round = 0; round < 10; round++)
        {
            var wait = Wait(out var ending);
            late.Add(ending);
            _clock.Advance(_limit);
            (await wait).Should().Be(StoreWaitEnd.TimedOut);
        }

        using var caller = new CancellationTokenSource();
        var left = WaitAsync(new TaskCompletionSource().Task, caller.Token).AsTask();
        await caller.CancelAsync();
        (await left).Should().Be(StoreWaitEnd.Cancelled);

        var current = Wait(out var last);
        late.ForEach(static ending => ending.SetResult());
        current.IsCompleted.Should().BeFalse();
        last.SetResult();
        (await current).Should().Be(StoreWaitEnd.Ended);
    }

    [Fact]
    public async Task A_caller_who_has_gone_before_does_not_wait()
    {
        (await WaitAsync(new TaskCompletionSource().Task, new CancellationToken(canceled: true))).Should().Be(StoreWaitEnd.Cancelled);
        var next = Wait(out var ending);
        ending.SetResult();
        (await next).Should().Be(StoreWaitEnd.Ended);
    }

    [Fact]
    public async Task What_runs_out_of_time_together_does_not_wait_for_what_one_of_them_does_then()
    {
        using var gate = new ManualResetEventSlim();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        async Task Block()
        {
            await WaitAsync(new TaskCompletionSource().Task, default).ConfigureAwait(false);
            entered.TrySetResult();
            gate.Wait(TestContext.Current.CancellationToken);
        }

        var blocking = Block();
        var others = Enumerable.Range(0, 3).Select(_ => Wait(out var _)).ToArray();
        var advancing = Task.Run(() => _clock.Advance(_limit), TestContext.Current.CancellationToken);
        await entered.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        (await Task.WhenAll(others).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Should().AllBeEquivalentTo(StoreWaitEnd.TimedOut);
        gate.Set();
        await Task.WhenAll(blocking, advancing);
    }

    [Fact]
    public async Task Those_under_way_at_the_end_still_have_their_time_and_none_begins()
    {
        var under = Wait(out _);
        _waits.Dispose();
        (await Wait(out _)).Should().Be(StoreWaitEnd.TimedOut);
        under.IsCompleted.Should().BeFalse();
        _clock.Advance(_limit);
        (await under).Should().Be(StoreWaitEnd.TimedOut);
    }

    [Fact]
    public async Task One_that_nobody_else_holds_on_to_ends_in_time_all_the_same()
    {
        var ended = new TaskCompletionSource<StoreWaitEnd>(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = LoseAsync(ended);
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        (await ended.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Should().Be(StoreWaitEnd.TimedOut);

        static async Task LoseAsync(TaskCompletionSource<StoreWaitEnd> ended)
        {
            using var waits = new StoreWaits(TimeSpan.FromSeconds(1), TimeProvider.System);
            ended.SetResult(await waits.WaitAsync(ResultOf(new TaskCompletionSource().Task), TimeProvider.System.GetTimestamp(), default, out _));
        }
    }

    [Fact]
    public async Task Under_many_that_end_in_every_way_each_is_told_its_own_end()
    {
        using var waits = new StoreWaits(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        var ends = new int[3];
        await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 400; i++)
            {
                var call = new TaskCompletionSource(random.Next(2) == 0 ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously);
                using var caller = new CancellationTokenSource();
                var wait = waits.WaitAsync(ResultOf(call.Task), TimeProvider.System.GetTimestamp(), random.Next(2) == 0 ? caller.Token : default, out _);
                var chosen = random.Next(4);
                _ = chosen switch
                {
                    0 => Task.Run(() => call.TrySetResult()),
                    1 => Task.Run(caller.Cancel),
                    2 => Task.Run(() =>
                    {
                        caller.Cancel();
                        call.TrySetResult();
                    }),
                    _ => Task.CompletedTask,
                };
                var end = await wait.ConfigureAwait(false);
                if (end == StoreWaitEnd.Ended)
                {
                    call.Task.IsCompleted.Should().BeTrue();
                }
                else if (end == StoreWaitEnd.Cancelled)
                {
                    caller.IsCancellationRequested.Should().BeTrue();
                }

                Interlocked.Increment(ref ends[(int)end]);
                _ = Task.Run(() => call.TrySetResult()); // late, if it was given up
            }
        })));
        ends.Should().OnlyContain(static count => count > 0);
    }

    public void Dispose() => _waits.Dispose();

    private Task<StoreWaitEnd> Wait(out TaskCompletionSource ending)
    {
        ending = new();
        return WaitAsync(ending.Task, default).AsTask();
    }

    private ValueTask<StoreWaitEnd> WaitAsync(Task call, CancellationToken cancellationToken) =>
        _waits.WaitAsync(ResultOf(call), _clock.GetTimestamp(), cancellationToken, out _);

    private static async ValueTask<int> ResultOf(Task call)
    {
        await call.ConfigureAwait(false);
        return 0;
    }
}
