using CacheKit.Redis.Connection;
using CacheKit.Redis.Gathering;
using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;

namespace CacheKit.Redis.Tests.Gathering;

/// <summary>How those who share a command go on once it has ended, and that it ends.</summary>
public sealed class GoingOnTests(SharedServers servers)
{
    private const int Callers = 4;

    [Fact]
    public async Task Callers_who_keep_the_threads_they_go_on_on_hold_up_nobody_else()
    {
        await using var store = await CreateAsync(TimeSpan.FromMinutes(1));
        var answer = new TaskCompletionSource<int>();
        var command = await BeginAsync(store, () => answer.Task);
        using var release = new ManualResetEventSlim();
        var gone = new TaskCompletionSource[Callers];
        for (var i = 0; i < Callers; i++)
        {
            var (own, keeps) = (gone[i] = new(TaskCreationOptions.RunContinuationsAsynchronously), i < 2);
            command.Waiting[i].GetAwaiter().UnsafeOnCompleted(() =>
            {
                own.SetResult();
                if (keeps)
                {
                    release.Wait();
                }
            });
        }

        // The first keeps this thread, the second the one that is to see to the rest then.
        var answering = new Thread(() => answer.SetResult(7));
        answering.Start();
        try
        {
            await Task.WhenAll(gone.Select(static one => one.Task)).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }
        finally
        {
            release.Set();
        }

        answering.Join();
        (await command.Waiting[3]).Should().Be(7);
    }

    [Fact]
    public async Task What_is_asked_for_while_callers_go_on_is_sent_though_all_of_them_keep_their_threads()
    {
        await using var store = await CreateAsync(TimeSpan.FromMinutes(1));
        var answer = new TaskCompletionSource<int>();
        var gatherer = new Sender();
        var command = await BeginAsync(store, () => answer.Task, gatherer: gatherer);
        using var release = new ManualResetEventSlim();
        using var all = new CountdownEvent(Callers);
        for (var i = 0; i < Callers; i++)
        {
            command.Waiting[i].GetAwaiter().UnsafeOnCompleted(() =>
            {
                gatherer.Add(Call.Begin(out _), 1);
                all.Signal();
                release.Wait();
            });
        }

        var answering = new Thread(() => answer.SetResult(7));
        answering.Start();
        try
        {
            all.Wait(TimeSpan.FromSeconds(30)).Should().BeTrue("each has a thread at last");
            await gatherer.AllSent.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        }
        finally
        {
            release.Set();
        }

        answering.Join();
    }

    /// <summary>Nobody else would send it.</summary>
    [Fact]
    public async Task What_has_gathered_by_the_time_the_last_has_gone_on_is_sent()
    {
        const int Rounds = 200;
        var gatherer = new Sender(Rounds);
        for (var i = 0; i < Rounds; i++)
        {
            gatherer.BeginGoingOn();
            gatherer.Add(Call.Begin(out _), 1);
            gatherer.EndGoingOn();
        }

        await gatherer.AllSent.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Once_all_have_gone_on_a_call_is_sent_alone_again()
    {
        await using var store = await CreateAsync(TimeSpan.FromMinutes(1));
        var gatherer = new Nobody();
        gatherer.TryEnterAlone().Should().BeTrue();
        gatherer.TryEnterAlone().Should().BeFalse("one is under way");
        var answer = new TaskCompletionSource<int>();
        var command = await BeginAsync(store, () => answer.Task, gatherer: gatherer);
        answer.SetResult(7);
        foreach (var waiting in command.Waiting)
        {
            (await waiting).Should().Be(7);
        }

        await Waiting.UntilAsync(gatherer.TryEnterAlone, what: "nothing is under way");
    }

    [Fact]
    public void Where_calls_came_together_a_moment_ago_the_next_is_not_sent_alone()
    {
        var gatherer = new Sender(calls: 5, mostBytes: 100);
        gatherer.TryEnterAlone().Should().BeTrue();
        gatherer.Leave();
        Send(bytes: [60, 60]);
        gatherer.TryEnterAlone().Should().BeFalse("others are likely to come with it");
        Send(bytes: [100]);
        gatherer.TryEnterAlone().Should().BeTrue("nobody came along");
        gatherer.Leave();

        void Send(int[] bytes)
        {
            gatherer.BeginGoingOn(); // so that nobody but who fills it sends it
            foreach (var one in bytes)
            {
                gatherer.Add(Call.Begin(out _), one);
            }

            gatherer.EndGoingOn();
            gatherer.Leave();
        }
    }

    [Fact]
    public void Who_fills_a_command_sends_it()
    {
        var sentBy = 0;
        var gatherer = new Sender(calls: 1, mostBytes: 100) { OnSent = () => sentBy = Environment.CurrentManagedThreadId };
        gatherer.Add(Call.Begin(out _), 100);
        sentBy.Should().Be(Environment.CurrentManagedThreadId, "it may not grow");
    }

    [Fact]
    public async Task What_is_sent_again_has_a_limit_though_the_watch_has_no_place_for_it()
    {
        await using var store = await CreateAsync(TimeSpan.FromMilliseconds(200));
        var watch = store.Connection.Watch;
        for (var misses = 0; misses < 2000;)
        {
            misses = watch.TryEnter(new Idle()) < 0 ? misses + 1 : 0;
        }

        var command = await BeginAsync(store, static () => Task.FromException<int>(new InvalidOperationException("unknown")), new TaskCompletionSource<int>().Task);
        var waiting = command.Waiting[0].AsTask();
        await FluentActions.Awaiting(() => waiting.WaitAsync(TimeSpan.FromSeconds(20))).Should().ThrowAsync<CacheKit.Stores.CacheStoreException>();
    }

    private async ValueTask<RedisStore> CreateAsync(TimeSpan limit)
    {
        RedisServer.Require();
        var prefix = servers.NextPrefix();
        var store = TestStores.Create((await servers.SingleAsync()).Configuration, configure: options => (options.KeyPrefix, options.OperationTimeout) = (prefix, limit));
        await store.CheckConnectionAsync(TestContext.Current.CancellationToken);
        return store;
    }

    private static async Task<Command> BeginAsync(RedisStore store, Func<Task<int>> send, Task<int>? again = null, CallGatherer<Call>? gatherer = null)
    {
        var link = await store.Connection.GetAsync(default);
        var waiting = new ValueTask<int>[Callers];
        var calls = new Call?[Callers];
        for (var i = 0; i < Callers; i++)
        {
            calls[i] = Call.Begin(out waiting[i]);
        }

        var command = new Command(store.Connection, link, gatherer ?? new Nobody(), calls, send, again) { Waiting = waiting };
        command.Run();
        return command;
    }

    private sealed class Idle : IWatched
    {
        public long BeganAt => long.MaxValue / 2;

        public void GiveUp()
        {
        }
    }

    private sealed class Call : GatheredCall<int>
    {
        internal static Call Begin(out ValueTask<int> waiting)
        {
            var call = new Call();
            waiting = call.Begin("k", default);
            return call;
        }

        private protected override void Recycle()
        {
        }
    }

    private sealed class Nobody() : CallGatherer<Call>(int.MaxValue)
    {
        private protected override void Send(Call?[] calls, int count)
        {
        }
    }

    private sealed class Sender(int calls = Callers, int mostBytes = int.MaxValue) : CallGatherer<Call>(mostBytes)
    {
        private readonly TaskCompletionSource _allSent = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _sent;

        internal Task AllSent => _allSent.Task;

        internal Action? OnSent { get; init; }

        private protected override void Send(Call?[] sent, int count)
        {
            OnSent?.Invoke();
            if (Interlocked.Add(ref _sent, count) == calls)
            {
                _allSent.SetResult();
            }
        }
    }

    private sealed class Command(RedisConnection connection, RedisLink link, CallGatherer<Call> gatherer, Call?[] calls, Func<Task<int>> send, Task<int>? again)
        : SharedCommand<Call, int, int>(connection, link, gatherer, calls, calls.Length)
    {
        internal ValueTask<int>[] Waiting { get; init; } = [];

        private protected override Task<int> SendAsync(RedisLink link) => send();

        private protected override Task<int>? Again(Task<int> failed) => ReferenceEquals(failed, again) || failed.Exception?.InnerException is TimeoutException ? null : again;

        private protected override bool TryGetResult(Call call, int answer, out int result)
        {
            result = answer;
            return true;
        }

        private protected override ValueTask<int> RunAloneAsync(Call call, int answer) => throw new InvalidOperationException("Nothing is done alone here.");
    }
}
