using CacheKit.Engine;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Nodes that take turns to create a value.</summary>
public sealed class TurnTests : TieredCaches
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_lock_is_given_back_if_all_callers_leave_while_the_store_is_asked_under_it()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(hasMemory: true, static options => options.UseDistributedLock = true, faulty);
        var hang = StoreFault.Hang();
        var gate = faulty.Inject(StoreOperations.TryLock, StoreFault.AnswerLate(), times: 1);
        using var leave = new CancellationTokenSource();
        var call = cache.GetOrCreateAsync("k", _ => Make(1), cancellationToken: leave.Token).AsTask();
        await gate.Reached.WaitAsync(_patience);
        faulty.Inject(StoreOperations.Read, hang, times: 1);
        gate.Release();
        await hang.Reached.WaitAsync(_patience); // the second look, with the lock held
        await leave.CancelAsync();
        var waiting = () => call;
        await waiting.Should().ThrowAsync<OperationCanceledException>();
        IStoreLock? free = null;
        for (var i = 0; i < 2_000 && free is null; i++)
        {
            await Task.Delay(1);
            free = await ((ILockStore)Far()).TryLockAsync("k", TimeSpan.FromSeconds(30), default);
        }

        free.Should().NotBeNull("nobody makes a value, and the lease has not ended: the clock stands still");
    }

    [Fact]
    public async Task Of_those_who_have_waited_since_the_holder_died_one_makes_the_value()
    {
        var lease = new CacheStoreOptions().LockLease;
        (await ((ILockStore)Far()).TryLockAsync("k", lease, default)).Should().NotBeNull();
        var (runs, gate) = (0, new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously));
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var nodes = Enumerable.Range(0, 3).Select(_ => Create(hasMemory: true, static options => options.UseDistributedLock = true, Far())).ToArray();
        var calls = Array.ConvertAll(nodes, node => node.GetOrCreateAsync("k", async _ =>
        {
            Interlocked.Increment(ref runs);
            begun.TrySetResult();
            return await gate.Task;
        }).AsTask());
        var all = Task.WhenAll(calls);
        Clock.Advance(lease);
        for (var passed = TimeSpan.Zero; passed < lease / 3 && !all.IsCompleted; passed += TimeSpan.FromMilliseconds(10))
        {
            Clock.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(1);
            if (passed > TimeSpan.FromSeconds(1) && begun.Task.IsCompleted)
            {
                gate.TrySetResult(1); // all have had the time to give up waiting
            }
        }

        (await all.WaitAsync(_patience)).Should().OnlyContain(value => value == 1);
        runs.Should().Be(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Turns_that_no_lock_can_grant_are_a_mistake_told_at_once(bool isNear)
    {
        var create = () => new Cache(
            "turns", new CacheKitOptions(), new MemoryOptions(), Clock, NullLogger.Instance, [], meters: null,
            stores: [new(isNear ? Near() : new PlainStore(Far()), new CacheStoreOptions { UseDistributedLock = true }), new(Far(), new CacheStoreOptions())]);
        create.Should().Throw<InvalidOperationException>().WithMessage("*turns*UseDistributedLock*");
        var alone = () => Create(hasMemory: true, static options => options.UseDistributedLock = true, new PlainStore(Far()));
        alone.Should().Throw<InvalidOperationException>().WithMessage("*has no locks*");
    }
}
