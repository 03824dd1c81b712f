using CacheKit.Engine;

namespace CacheKit.Tests.Consistency;

/// <summary>Factories that ask the cache: for other keys they may; for what could never end they get an error, and nobody hangs.</summary>
public sealed class NestedLoadTests : IDisposable
{
    /// <summary>Before a test that hangs fails.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    private readonly Cache _cache = TestCache.Create();

    public void Dispose() => TestCache.End(_cache);

    [Fact]
    public async Task A_factory_may_get_other_keys()
    {
        var value = await Create("a", async () => await Create("b", async () =>
        {
            await Task.Yield();
            return await CreateMany(["c", "d"], () => Task.FromResult(1L)) + 1;
        }) + 1);
        value.Should().Be(3);
        (await _cache.GetAsync<long>("b")).Value.Should().Be(2);
    }

    [Fact]
    public async Task A_factory_that_gets_its_own_key_gets_an_error() => await Fails(Create("a", () => Create("a", One)));

    [Fact]
    public async Task A_factory_that_gets_its_own_key_after_an_await_gets_an_error() =>
        await Fails(Create("a", async () =>
        {
            await Task.Yield();
            return await Create("a", One);
        }));

    [Fact]
    public async Task A_factory_that_blocks_on_its_own_key_gets_an_error() => await Fails(OnThread(() => Block("a", () => Block("a", () => 1))));

    [Fact]
    public async Task A_factory_that_gets_its_own_key_through_another_gets_an_error() =>
        await Fails(Create("a", () => Create("b", () => Create("a", One))));

    [Fact]
    public async Task A_factory_that_blocks_on_its_own_key_through_another_gets_an_error() =>
        await Fails(OnThread(() => Block("a", () => Block("b", () => Block("a", () => 1)))));

    [Fact]
    public async Task A_factory_that_blocks_on_its_own_key_through_two_others_gets_an_error() =>
        await Fails(OnThread(() => Block("a", () => Block("b", () => Block("c", () => Block("a", () => 1))))));

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    [InlineData("c")]
    public async Task The_factory_of_a_batch_that_gets_one_of_its_keys_gets_an_error(string own) =>
        await Fails(CreateMany(["a", "b", "c"], () => Create(own, One)));

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task The_factory_of_a_batch_that_gets_one_of_its_keys_through_another_gets_an_error(string own) =>
        await Fails(CreateMany(["a", "b"], () => CreateMany(["x", "y"], () => Create(own, One))));

    [Fact]
    public async Task The_factory_of_a_batch_that_blocks_on_one_of_its_keys_gets_an_error() =>
        await Fails(OnThread(() => CreateMany(["a", "b"], () => Task.FromResult(Block("c", () => Block("b", () => 1)))).GetAwaiter().GetResult()));

    [Fact]
    public async Task Two_callers_whose_factories_want_each_others_key_do_not_hang()
    {
        var (oneBegun, otherBegun) = (new TaskCompletionSource(), new TaskCompletionSource());
        var one = Create("a", () => Meet(oneBegun, otherBegun, "b"));
        var other = Create("b", () => Meet(otherBegun, oneBegun, "a"));
        await Fails(one);
        await Fails(other);
    }

    [Fact]
    public async Task Two_batches_whose_factories_want_each_others_last_key_do_not_hang()
    {
        var (oneBegun, otherBegun) = (new TaskCompletionSource(), new TaskCompletionSource());
        var one = CreateMany(["a", "b"], () => Meet(oneBegun, otherBegun, "d"));
        var other = CreateMany(["c", "d"], () => Meet(otherBegun, oneBegun, "b"));
        await Fails(one);
        await Fails(other);
    }

    [Fact]
    public async Task Two_threads_whose_factories_block_on_each_others_key_do_not_hang()
    {
        using var both = new Barrier(2);
        var one = OnThread(() => Block("a", () => Meet() + Block("b", () => 1)));
        var other = OnThread(() => Block("b", () => Meet() + Block("a", () => 1)));
        await Fails(one);
        await Fails(other);

        long Meet() => both.SignalAndWait(_patience) ? 0 : throw new TimeoutException();
    }

    [Fact]
    public async Task A_factory_may_get_its_own_key_anew_once_it_was_removed()
    {
        // The flight it is in is then not the key's any more.
        var outer = await Create("a", async () =>
        {
            await _cache.RemoveAsync("a");
            return await Create("a", One) + 1;
        });
        outer.Should().Be(2);
        (await _cache.GetAsync<long>("a")).Value.Should().Be(1);
    }

    [Fact]
    public async Task What_a_factory_leaves_running_may_get_its_key_later()
    {
        Task<long>? left = null;
        var ended = new TaskCompletionSource();
        await Create("a", () =>
        {
            left = Task.Run(async () =>
            {
                await ended.Task;
                return await Create("a", () => Task.FromResult(0L));
            });
            return One();
        });
        ended.SetResult();
        (await left!.WaitAsync(_patience)).Should().Be(1); // the factory has set it
    }

    private static Task<long> One() => Task.FromResult(1L);

    private static async Task<long> AfterMeeting(TaskCompletionSource arrive, TaskCompletionSource arrived)
    {
        arrive.SetResult();
        await arrived.Task;
        return 0;
    }

    private async Task<long> Meet(TaskCompletionSource arrive, TaskCompletionSource arrived, string wanted) =>
        await AfterMeeting(arrive, arrived) + await Create(wanted, One);

    private Task<long> Create(string key, Func<Task<long>> factory) => _cache.GetOrCreateAsync(key, _ => factory()).AsTask();

    private long Block(string key, Func<long> factory) => _cache.GetOrCreate(key, factory);

    private async Task<long> CreateMany(string[] keys, Func<Task<long>> factory) =>
        (await _cache.GetOrCreateManyAsync(keys, async (missing, _) =>
        {
            var value = await factory();
            return (IReadOnlyDictionary<string, long>)missing.ToDictionary(static key => key, _ => value);
        })).Values.First();

    private static Task<long> OnThread(Func<long> act) =>
        Task.Factory.StartNew(act, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static async Task Fails(Task<long> pending) =>
        (await pending.WaitAsync(_patience).Invoking(it => it).Should().ThrowAsync<InvalidOperationException>())
            .Which.Message.Should().Contain("its own key");
}
