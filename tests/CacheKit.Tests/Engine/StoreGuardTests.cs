using System.Buffers;
using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing;
using CacheKit.Tests.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Engine;

/// <summary>Whatever a store does, and whenever, its caller gets an answer or none, in time.</summary>
public sealed class StoreGuardTests : IAsyncDisposable
{
    private static readonly TimeSpan _tick = TimeSpan.FromTicks(1);

    private readonly ManualTimeProvider _clock = new();
    private readonly ScriptedStore _store = new();
    private readonly RecordingLogger _logger = new();
    private readonly RecordingListener _listener = new();
    private readonly CacheStoreOptions _options = new();

    public ValueTask DisposeAsync()
    {
        _store.Disposal = static () => default;
        return _store.DisposeAsync();
    }

    [Fact]
    public async Task Every_operation_gets_its_answer()
    {
        await using var guard = Create();
        (await guard.ReadAsync("k", default, default)).Result.LoadStamp.Should().Be(1);
        (await guard.WriteAsync("k", default, default, default)).Result.IsStored.Should().BeTrue();
        (await guard.InvalidateAsync("k", default, default)).Result.WasFresh.Should().BeTrue();
        (await guard.InvalidateTagsAsync(["t"], default, default, default)).Result.Should().Be(3);
        (await guard.ClearAsync(default)).Result.Should().Be(3);
        (await guard.SetExpirationAsync("k", 1, default, default, default)).Result.Should().BeTrue();
        _logger.Messages.Should().BeEmpty();
    }

    [Theory]
    [InlineData(StoreAnswerStatus.Failed, StoreFailure.Unavailable)]
    [InlineData(StoreAnswerStatus.Failed, StoreFailure.Transient)]
    [InlineData(StoreAnswerStatus.Denied, StoreFailure.Permanent)]
    public async Task What_a_store_throws_at_once_or_later_is_no_answer(object status, StoreFailure failure)
    {
        await using var guard = Create();
        var exception = new CacheStoreException("no", failure);
        _store.Reads = _ => throw exception;
        (await guard.ReadAsync("k", default, default)).Status.Should().Be((StoreAnswerStatus)status);
        _store.Reads = _ => ValueTask.FromException<StoreLookup>(exception);
        (await guard.ReadAsync("k", default, default)).Status.Should().Be((StoreAnswerStatus)status);
        var gate = new TaskCompletionSource<StoreLookup>();
        _store.Reads = _ => new(gate.Task);
        var read = guard.ReadAsync("k", default, default);
        gate.SetException(exception);
        (await read).Status.Should().Be((StoreAnswerStatus)status);
        guard.Snapshot().Failures.Should().Be(3);
    }

    [Theory]
    [InlineData(StoreFailure.Unavailable)]
    [InlineData(StoreFailure.Permanent)]
    public async Task Failures_in_a_row_are_counted_until_the_store_does_what_it_is_asked_for(StoreFailure failure)
    {
        await using var guard = Create();
        _store.Reads = _ => throw new CacheStoreException("no", failure);
        await guard.ReadAsync("k", default, default);
        await guard.ReadAsync("k", default, default);
        _store.Writes = _ => new(new TaskCompletionSource<StoreWriteResult>().Task);
        var write = guard.WriteAsync("k", default, default, default);
        _clock.Advance(_options.WriteTimeout);
        await write;
        guard.Snapshot().FailuresInARow.Should().Be(3);
        guard.Snapshot().LastFailure.Should().Be($"it took longer than {_options.WriteTimeout}");

        await guard.ClearAsync(default);
        guard.Snapshot().FailuresInARow.Should().Be(0);
        guard.Snapshot().LastFailure.Should().BeNull();
        await guard.ReadAsync("k", default, default);
        guard.Snapshot().FailuresInARow.Should().Be(1);
        guard.Snapshot().LastFailure.Should().Be("no");
        guard.Snapshot().Failures.Should().Be(3);
    }

    [Fact]
    public async Task A_store_that_cancels_of_its_own_accord_has_failed()
    {
        await using var guard = Create();
        _store.Reads = _ => ValueTask.FromCanceled<StoreLookup>(new CancellationToken(canceled: true));
        (await guard.ReadAsync("k", default, default)).Status.Should().Be(StoreAnswerStatus.Failed);
        _store.Reads = _ => throw new OperationCanceledException();
        (await guard.ReadAsync("k", default, default)).Status.Should().Be(StoreAnswerStatus.Failed);
        _store.Reads = async _ =>
        {
            await Task.Yield();
            throw new OperationCanceledException();
        };
        (await guard.ReadAsync("k", default, default)).Status.Should().Be(StoreAnswerStatus.Failed);
    }

    [Fact]
    public async Task A_read_and_a_write_have_each_their_own_time_and_not_a_tick_more()
    {
        await using var guard = Create();
        _store.Reads = _ => new(new TaskCompletionSource<StoreLookup>().Task);
        _store.Writes = _ => new(new TaskCompletionSource<StoreWriteResult>().Task);
        var read = guard.ReadAsync("k", default, default);
        var write = guard.WriteAsync("k", default, default, default);
        _clock.Advance(_options.ReadTimeout - _tick);
        read.IsCompleted.Should().BeFalse();
        _clock.Advance(_tick);
        (await read).Status.Should().Be(StoreAnswerStatus.TimedOut);
        _clock.Advance(_options.WriteTimeout - _options.ReadTimeout - _tick);
        write.IsCompleted.Should().BeFalse();
        _clock.Advance(_tick);
        var written = await write;
        written.Status.Should().Be(StoreAnswerStatus.TimedOut);
        written.MayTakeEffect.Should().BeTrue();
        guard.Snapshot().Timeouts.Should().Be(2);
    }

    [Fact]
    public async Task Without_a_limit_a_call_takes_as_long_as_it_takes()
    {
        _options.ReadTimeout = Timeout.InfiniteTimeSpan;
        await using var guard = Create();
        var gate = new TaskCompletionSource<StoreLookup>();
        _store.Reads = _ => new(gate.Task);
        var read = guard.ReadAsync("k", default, default);
        _clock.Advance(TimeSpan.FromDays(100));
        read.IsCompleted.Should().BeFalse();
        gate.SetResult(StoreLookup.Missing(7));
        (await read).Result.LoadStamp.Should().Be(7);
    }

    [Fact]
    public async Task A_read_is_waited_for_as_long_as_parts_keep_coming()
    {
        await using var guard = Create();
        var gate = new TaskCompletionSource<StoreLookup>();
        _store.Reads = _ => new(gate.Task);
        var read = guard.ReadAsync("k", default, default).AsTask();
        for (var part = 0; part < 5; part++)
        {
            _store.LastRead.Progress!.Report(); // a guard always asks
            _clock.Advance(_options.ReadTimeout);
            read.IsCompleted.Should().BeFalse();
        }

        _clock.Advance(_options.ReadTimeout - _tick);
        read.IsCompleted.Should().BeFalse();
        _clock.Advance(_tick);
        (await read).Status.Should().Be(StoreAnswerStatus.TimedOut);
        gate.SetResult(default);
    }

    [Fact]
    public async Task A_call_that_takes_too_long_is_told_to_stop_but_not_waited_for()
    {
        await using var guard = Create();
        var gate = new TaskCompletionSource<StoreLookup>();
        var toldToStop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _store.Reads = token =>
        {
            token.Register(() =>
            {
                toldToStop.SetResult();
                throw new InvalidOperationException("This callback is broken.");
            });
            return new(gate.Task);
        };
        var read = guard.ReadAsync("k", default, default);
        _clock.Advance(_options.ReadTimeout);
        read.IsCompleted.Should().BeTrue();
        (await read).IsAnswered.Should().BeFalse();
        await toldToStop.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task The_bytes_of_a_late_answer_are_given_back()
    {
        await using var guard = Create();
        var gates = new Queue<TaskCompletionSource<StoreLookup>>();
        _store.Reads = _ =>
        {
            gates.Enqueue(new());
            return new(gates.Last().Task);
        };
        var owners = new[] { new RecordingOwner(), new RecordingOwner(), new RecordingOwner() };
        using var caller = new CancellationTokenSource();
        var slow = guard.ReadAsync("k", default, default);
        var many = guard.RunAsync(StoreOperation.Read, null, 0, static (store, _, token) => ((IBatchStore)store).ReadManyAsync(["k"], default, token), default);
        var left = guard.ReadAsync("k", default, caller.Token);
        caller.Cancel();
        _clock.Advance(_options.ReadTimeout);
        (await slow).IsAnswered.Should().BeFalse();
        (await many).IsAnswered.Should().BeFalse();
        await left.Invoking(async read => await read).Should().ThrowAsync<OperationCanceledException>();

        foreach (var owner in owners)
        {
            gates.Dequeue().SetResult(StoreLookup.Found(1, 1, owner.Memory, default, default, owner));
        }

        foreach (var owner in owners)
        {
            await owner.Disposed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        }
    }

    [Fact]
    public async Task A_lock_that_comes_too_late_is_released()
    {
        await using var guard = Create();
        var gate = new TaskCompletionSource<IStoreLock?>();
        var lease = new RecordingLock();
        var call = guard.RunAsync(StoreOperation.Lock, "k", gate, static (_, gate, _) => new ValueTask<IStoreLock?>(gate.Task), default);
        _clock.Advance(_options.WriteTimeout);
        (await call).IsAnswered.Should().BeFalse();
        gate.SetResult(lease);
        await lease.Released.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_caller_that_leaves_gets_its_own_cancellation_and_the_store_is_not_blamed()
    {
        _options.FailuresToOpen = 1;
        await using var guard = Create();
        var gate = new TaskCompletionSource<StoreWriteResult>();
        CancellationToken seen = default;
        _store.Writes = token =>
        {
            seen = token;
            return new(gate.Task);
        };
        using var caller = new CancellationTokenSource();
        var write = guard.WriteAsync("k", default, default, caller.Token);
        caller.Cancel();
        (await write.Invoking(async task => await task).Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(caller.Token);
        seen.IsCancellationRequested.Should().BeTrue();
        gate.SetCanceled(seen);

        guard.Circuit.Should().Be(CircuitState.Closed);
        guard.Snapshot().Should().BeEquivalentTo(new CacheTierStatistics { Name = "scripted" });
        _logger.Messages.Should().BeEmpty();
    }

    [Fact]
    public async Task A_caller_that_has_left_before_does_not_reach_the_store()
    {
        await using var guard = Create();
        await guard.Invoking(async it => await it.ReadAsync("k", default, new CancellationToken(canceled: true))).Should().ThrowAsync<OperationCanceledException>();
        _store.Calls.Should().Be(0);
    }

    [Fact]
    public async Task A_token_is_not_shared_with_a_later_call()
    {
        await using var guard = Create();
        var tokens = new List<CancellationToken>();
        var gate = new TaskCompletionSource<StoreLookup>();
        _store.Reads = token =>
        {
            tokens.Add(token);
            return new(gate.Task);
        };
        var slow = guard.ReadAsync("k", default, default);
        _store.Reads = token =>
        {
            tokens.Add(token);
            return new(StoreLookup.Missing(1));
        };
        await guard.ReadAsync("k", default, default);
        _clock.Advance(_options.ReadTimeout);
        await slow;
        await guard.ReadAsync("k", default, default);
        tokens[0].IsCancellationRequested.Should().BeTrue();
        tokens[1..].Should().OnlyContain(token => token.CanBeCanceled && !token.IsCancellationRequested);
    }

    [Fact]
    public async Task A_call_completed_at_once_allocates_nothing()
    {
        await using var guard = new StoreGuard("test", _store, _options, TimeProvider.System, NullLogger.Instance);
        Use(guard, 100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Use(guard, 1000);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        static void Use(StoreGuard guard, int times)
        {
            for (var i = 0; i < times; i++)
            {
                guard.ReadAsync("k", default, default).Result.Result.Dispose();
                _ = guard.WriteAsync("k", default, default, default).Result.IsAnswered;
                _ = guard.InvalidateAsync("k", default, default).Result.IsAnswered;
            }
        }
    }

    [Fact]
    public async Task What_the_store_does_is_counted()
    {
        await using var guard = Create();
        await guard.ReadAsync("k", default, default);
        _store.Reads = async _ =>
        {
            _clock.Advance(TimeSpan.FromMilliseconds(30));
            await Task.Yield();
            return StoreLookup.Found(1, 1, default, default, default);
        };
        await guard.ReadAsync("k", default, default);
        await guard.RunAsync(StoreOperation.Read, null, 0, static (store, _, token) => ((IBatchStore)store).ReadManyAsync(["a", "b"], default, token), default);
        await guard.WriteAsync("k", default, default, default);
        await guard.RunAsync(StoreOperation.Write, new[] { "a", "b" }, 0, static (_, _, _) => new ValueTask<int>(0), default);
        await guard.InvalidateAsync("k", default, default);
        await guard.InvalidateTagsAsync(["s", "t"], default, default, default);
        await guard.ClearAsync(default);

        guard.Snapshot(pendingRecoveries: 9).Should().BeEquivalentTo(new CacheTierStatistics
        {
            Name = "scripted",
            Hits = 3,
            Misses = 1,
            Writes = 3,
            Removals = 3,
            ReadTime = TimeSpan.FromMilliseconds(90),
            PendingRecoveries = 9,
        });
    }

    [Fact]
    public async Task A_failure_is_told_in_a_line_and_the_exception_at_debug()
    {
        await using var guard = Create();
        var exception = new CacheStoreException($"It cannot be reached.\r\nIts state: {new string('x', 2000)}");
        _store.Reads = _ => throw exception;
        await guard.ReadAsync("k", default, default);
        await guard.RunAsync<int, int>(StoreOperation.Probe, null, 0, (_, _, _) => throw exception, default);
        var (_, _, told, inside) = _logger.Messages.Should().ContainSingle(message => message.Level > LogLevel.Debug).Which;
        told.Should().Be("Cache 'test': the store 'scripted' failed and the cache went on without it (read, Unavailable): It cannot be reached.");
        inside.Should().BeNull();
        _logger.Messages.Where(message => message.Level == LogLevel.Debug).Should().OnlyContain(message => message.Exception == exception).And.HaveCount(2);
        guard.Snapshot().LastFailure.Should().Be("It cannot be reached.");

        _store.Reads = static _ => throw new CacheStoreException(new string('x', 2000), StoreFailure.Permanent);
        await guard.ReadAsync("k", default, default);
        _logger.Messages.Last(message => message.Level > LogLevel.Debug).Message.Length.Should().BeLessThan(450);
    }

    [Fact]
    public async Task A_store_that_refuses_writes_for_now_is_read_on()
    {
        _options.FailuresToOpen = 2;
        await using var guard = Create();
        _store.Writes = static _ => throw new CacheStoreException("It is full.", StoreFailure.WritesRefused);
        for (var i = 0; i < 100; i++)
        {
            (await guard.WriteAsync("k", default, default, default)).Status.Should().Be(StoreAnswerStatus.Failed, "it is worth another try");
        }

        guard.Circuit.Should().Be(CircuitState.Closed);
        (await guard.ReadAsync("k", default, default)).IsAnswered.Should().BeTrue();
        Logged().Should().Equal(20);
    }

    [Fact]
    public async Task What_no_store_is_to_throw_is_told_with_its_stack()
    {
        await using var guard = Create();
        _store.Reads = static _ => throw new InvalidCastException("It is of another type.");
        await guard.ReadAsync("k", default, default);
        _logger.Messages.Should().ContainSingle(message => message.Id == 20).Which.Exception.Should().BeOfType<InvalidCastException>();
    }

    [Fact]
    public async Task An_outage_that_the_store_logs_itself_is_told_at_debug_alone_and_so_is_its_end()
    {
        _options.FailuresToOpen = 2;
        _store.LogsOutages = true;
        await using var guard = Create();
        _store.Reads = static _ => throw new CacheStoreException("It cannot be reached.");
        await guard.ReadAsync("k", default, default);
        await guard.ReadAsync("k", default, default);
        guard.Circuit.Should().Be(CircuitState.Open);
        _store.Reads = static _ => new(StoreLookup.Missing(1));
        _clock.Advance(_options.OpenFor);
        await guard.ReadAsync("k", default, default);
        guard.Circuit.Should().Be(CircuitState.Closed);
        guard.Reporter.Recovered(5);
        Logged().Should().BeEmpty();
        _logger.Messages.Select(message => message.Id).Should().Equal(24, 24, 22, 23, 32);

        guard.Reporter.Recovered(5);
        _store.Reads = static _ => throw new CacheStoreException("It is full.", StoreFailure.Transient);
        await guard.ReadAsync("k", default, default);
        Logged().Should().Equal([32, 20], "that is no outage");
        _clock.Advance(TimeSpan.FromSeconds(5));
        guard.Reporter.TimedOut("read", null, TimeSpan.FromSeconds(1));
        _store.Trouble = "It cannot be reached.";
        _clock.Advance(TimeSpan.FromHours(1));
        guard.Reporter.TimedOut("read", null, TimeSpan.FromSeconds(1));
        Logged().Should().Equal([32, 20, 21], "being slow is told unless it is known to be an outage");
    }

    [Fact]
    public async Task What_a_store_that_logs_its_outages_has_not_logged_in_time_is_told_all_the_same()
    {
        _options.FailuresToOpen = int.MaxValue;
        _options.FailureShareToOpen = 1;
        _store.LogsOutages = true;
        await using var guard = Create();
        _store.Reads = static _ => throw new CacheStoreException("It cannot be reached.");
        await FailAsync();
        _clock.Advance(TimeSpan.FromSeconds(4));
        await FailAsync();
        Logged().Should().BeEmpty();
        _clock.Advance(TimeSpan.FromSeconds(2));
        await FailAsync();
        Logged().Should().Equal(20);

        // It has been told for a while; and after that, long before the next.
        _store.Trouble = "It cannot be reached.";
        _clock.Advance(TimeSpan.FromMinutes(2));
        await FailAsync();
        _store.Trouble = null;
        await FailAsync();
        Logged().Should().Equal(20);
        _clock.Advance(TimeSpan.FromHours(1));
        await FailAsync();
        Logged().Should().Equal(20);
        _clock.Advance(TimeSpan.FromSeconds(6));
        await FailAsync();
        Logged().Should().Equal(20, 20);

        async Task FailAsync() => await guard.ReadAsync("k", default, default);
    }

    [Fact]
    public async Task What_no_store_is_to_throw_is_told_also_of_one_that_logs_its_outages()
    {
        _store.LogsOutages = true;
        await using var guard = Create();
        _store.Reads = static _ => throw new InvalidCastException("It is of another type.");
        await guard.ReadAsync("k", default, default);
        Logged().Should().Equal(20);
    }

    [Fact]
    public async Task A_failure_of_each_kind_is_logged_once_a_minute_and_names_keys_only_at_debug()
    {
        _options.FailuresToOpen = int.MaxValue;
        _options.FailureShareToOpen = 1;
        await using var guard = Create();
        foreach (var failure in new[] { StoreFailure.Transient, StoreFailure.Permanent, StoreFailure.Transient })
        {
            await guard.ReadAsync("answered", default, default);
            _store.Writes = _ => throw new CacheStoreException("no", failure);
            await guard.WriteAsync("secret", default, default, default);
        }

        Logged().Should().Equal(20, 20);
        _logger.Messages.Where(message => message.Message.Contains("secret", StringComparison.Ordinal)).Should().HaveCount(3)
            .And.OnlyContain(message => message.Level == LogLevel.Debug && message.Id == 24);
        _clock.Advance(TimeSpan.FromMinutes(1));
        await guard.WriteAsync("secret", default, default, default);
        Logged().Should().Equal(20, 20, 20);
        _logger.Messages.Last(message => message.Level == LogLevel.Warning).Message.Should().Contain("1 earlier message like this");
    }

    [Fact]
    public async Task While_the_circuit_is_open_the_store_is_left_alone_and_then_tried_by_one()
    {
        await using var guard = Create();
        await FailAsync(guard, times: 5);
        guard.Circuit.Should().Be(CircuitState.Open);
        _listener.Events.Should().Equal("opened");
        var calls = _store.Calls;
        (await guard.ReadAsync("k", default, default)).Status.Should().Be(StoreAnswerStatus.Refused);
        (await guard.WriteAsync("k", default, default, default)).MayTakeEffect.Should().BeFalse();
        _store.Calls.Should().Be(calls);

        _clock.Advance(_options.OpenFor);
        var gate = new TaskCompletionSource<StoreLookup>();
        _store.Reads = _ => new(gate.Task);
        var tried = guard.ReadAsync("k", default, default);
        guard.Circuit.Should().Be(CircuitState.HalfOpen);
        (await guard.ReadAsync("k", default, default)).Status.Should().Be(StoreAnswerStatus.Refused);
        gate.SetResult(StoreLookup.Missing(1));
        (await tried).IsAnswered.Should().BeTrue();
        guard.Circuit.Should().Be(CircuitState.Closed);
        _listener.Events.Should().Equal("opened", "reachable");
        guard.Snapshot().Refusals.Should().Be(3);
        Logged().Should().Equal(20, 22, 23);
    }

    [Fact]
    public async Task The_caller_that_tries_may_leave_and_the_next_one_tries()
    {
        await using var guard = Create();
        await FailAsync(guard, times: 5);
        _clock.Advance(_options.OpenFor);
        _store.Reads = _ => new(new TaskCompletionSource<StoreLookup>().Task);
        using var caller = new CancellationTokenSource();
        var tried = guard.ReadAsync("k", default, caller.Token);
        caller.Cancel();
        await tried.Invoking(async task => await task).Should().ThrowAsync<OperationCanceledException>();
        _store.Reads = _ => new(StoreLookup.Missing(1));
        (await guard.ReadAsync("k", default, default)).IsAnswered.Should().BeTrue();
        guard.Circuit.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public async Task Of_many_that_fail_together_the_first_few_open_the_circuit_and_it_is_logged_once()
    {
        await using var guard = Create();
        _store.Reads = _ => new(new TaskCompletionSource<StoreLookup>().Task);
        var reads = Enumerable.Range(0, 100).Select(_ => guard.ReadAsync("k", default, default).AsTask()).ToArray();
        _clock.Advance(_options.ReadTimeout);
        (await Task.WhenAll(reads)).Should().OnlyContain(answer => answer.Status == StoreAnswerStatus.TimedOut);
        Logged().Should().BeEquivalentTo([21, 22], "they fail on several threads, and one may open the circuit while the first still logs");
        _listener.Events.Should().Equal("opened");
    }

    [Fact]
    public async Task Word_that_the_store_can_be_reached_ends_the_wait_for_the_next_try()
    {
        await using var guard = Create();
        guard.TryAgain();
        await FailAsync(guard, times: 5);
        _store.Reads = _ => new(StoreLookup.Missing(1));
        (await guard.ReadAsync("k", default, default)).IsAnswered.Should().BeFalse();
        guard.TryAgain();
        _clock.Advance(TimeSpan.Zero);
        _listener.Events.Should().Equal("opened", "reachable");
        guard.Circuit.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public async Task A_probe_finds_out_that_the_store_answers_again_without_any_caller()
    {
        await using var guard = Create();
        await FailAsync(guard, times: 5);
        guard.RequestProbe();
        _clock.Advance(_options.OpenFor);
        guard.Circuit.Should().Be(CircuitState.Open, "it has failed again");
        _store.Reads = _ => new(StoreLookup.Missing(1));
        _clock.Advance((2 * _options.OpenFor) - _tick);
        _listener.Events.Should().Equal("opened");
        _clock.Advance(_tick);
        _listener.Events.Should().Equal("opened", "reachable");
        guard.Circuit.Should().Be(CircuitState.Closed);
        guard.Snapshot().Misses.Should().Be(0, "a probe is not a look-up");

        var calls = _store.Calls;
        _clock.Advance(TimeSpan.FromHours(1));
        _store.Calls.Should().Be(calls, "nobody has asked for another");
    }

    [Fact]
    public async Task Nobody_is_probed_for_whom_nobody_waits()
    {
        await using var guard = Create();
        await FailAsync(guard, times: 5);
        _clock.Advance(TimeSpan.FromHours(1));
        _store.Calls.Should().Be(5);
    }

    [Fact]
    public async Task A_probe_asked_for_while_the_circuit_is_closed_waits_longer_each_time()
    {
        await using var guard = Create();
        guard.RequestProbe();
        _clock.Advance(_options.OpenFor);
        _listener.Events.Should().Equal("reachable");
        guard.RequestProbe(attempt: 2);
        _clock.Advance((4 * _options.OpenFor) - _tick);
        _listener.Events.Should().Equal("reachable");
        _clock.Advance(_tick);
        _listener.Events.Should().Equal("reachable", "reachable");
        guard.RequestProbe(attempt: 1000);
        _clock.Advance(_options.MaximumOpenFor);
        _listener.Events.Should().HaveCount(3);
    }

    [Fact]
    public async Task A_probe_asked_for_before_the_circuit_opens_is_not_forgotten()
    {
        await using var guard = Create();
        guard.RequestProbe();
        await FailAsync(guard, times: 5);
        _store.Reads = _ => new(StoreLookup.Missing(1));
        _clock.Advance(_options.OpenFor);
        _listener.Events.Should().Equal("opened", "reachable");
    }

    [Fact]
    public async Task A_listener_that_throws_breaks_no_call()
    {
        await using var guard = Create();
        _listener.Throws = true;
        await FailAsync(guard, times: 5);
        guard.Circuit.Should().Be(CircuitState.Open);
        Logged().Should().Equal(20, 22, 8);
    }

    [Fact]
    public async Task A_disposed_guard_refuses_and_what_still_ends_counts_as_nothing()
    {
        var guard = Create();
        var gate = new TaskCompletionSource<StoreLookup>();
        _store.Reads = _ => new(gate.Task);
        var read = guard.ReadAsync("k", default, default);
        await guard.DisposeAsync();
        await guard.DisposeAsync();
        gate.SetException(new ObjectDisposedException("store"));
        (await read).Status.Should().Be(StoreAnswerStatus.Refused);
        (await guard.ReadAsync("k", default, default)).Status.Should().Be(StoreAnswerStatus.Refused);
        guard.RequestProbe();
        _clock.Advance(TimeSpan.FromHours(1));
        _store.Calls.Should().Be(1);
        _logger.Messages.Should().BeEmpty();
    }

    [Fact]
    public async Task A_store_that_does_not_close_does_not_keep_the_application()
    {
        var guard = Create();
        _store.Disposal = static () => new(new TaskCompletionSource().Task);
        var disposal = guard.DisposeAsync();
        disposal.IsCompleted.Should().BeFalse();
        _clock.Advance(StoreGuard.DisposalPatience);
        await disposal;
        Logged().Should().Equal(25);

        var other = Create();
        _store.Disposal = static () => throw new IOException();
        await other.DisposeAsync();
        Logged().Should().Equal(25, 25);
    }

    [Fact]
    public async Task Exactly_one_of_many_threads_tries_an_open_circuit()
    {
        await using var guard = Create();
        for (var round = 0; round < 50; round++)
        {
            await FailAsync(guard, times: 5);
            _clock.Advance(_options.OpenFor);
            var gate = new TaskCompletionSource<StoreLookup>(TaskCreationOptions.RunContinuationsAsynchronously);
            var calls = _store.Calls;
            _store.Reads = _ => new(gate.Task);
            using var start = new Barrier(4);
            var reads = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
            {
                start.SignalAndWait();
                return new[] { guard.ReadAsync("k", default, default).AsTask() };
            })));
            _store.Calls.Should().Be(calls + 1);
            gate.SetResult(StoreLookup.Missing(1));
            (await Task.WhenAll(reads.SelectMany(read => read))).Count(answer => answer.IsAnswered).Should().Be(1);
            guard.Circuit.Should().Be(CircuitState.Closed);
        }
    }

    private StoreGuard Create() => new("test", _store, _options, _clock, _logger) { Listener = _listener };

    private async Task FailAsync(StoreGuard guard, int times)
    {
        _store.Reads = _ => throw new IOException();
        for (var i = 0; i < times; i++)
        {
            await guard.ReadAsync("k", default, default);
        }
    }

    /// <summary>The ids of what was logged for operators.</summary>
    private IEnumerable<int> Logged() => _logger.Messages.Where(message => message.Level > LogLevel.Debug).Select(message => message.Id);

    private sealed class RecordingListener : IStoreGuardListener
    {
        internal List<string> Events { get; } = [];

        internal bool Throws { get; set; }

        public void OnOpened(StoreGuard guard) => Add("opened");

        public void OnReachable(StoreGuard guard) => Add("reachable");

        private void Add(string happened)
        {
            lock (Events)
            {
                Events.Add(happened);
            }

            if (Throws)
            {
                throw new InvalidOperationException("This listener is broken.");
            }
        }
    }

    private sealed class RecordingOwner : IMemoryOwner<byte>
    {
        internal TaskCompletionSource Disposed { get; } = new();

        public Memory<byte> Memory { get; } = new byte[1];

        public void Dispose() => Disposed.TrySetResult();
    }

    private sealed class RecordingLock : IStoreLock
    {
        internal TaskCompletionSource Released { get; } = new();

        public ValueTask<bool> ExtendAsync(TimeSpan lease, CancellationToken cancellationToken) => new(false);

        public ValueTask DisposeAsync()
        {
            Released.TrySetResult();
            return default;
        }
    }
}
