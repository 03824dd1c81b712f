using System.Diagnostics;
using CacheKit.Engine;

namespace CacheKit.Tests.Consistency;

/// <summary>Factories that are done when they return: nobody has to wait for them, and all that is promised of others holds of them.</summary>
public sealed class PromptFactoryTests : IDisposable
{
    private readonly Cache _cache = TestCache.Create(TimeProvider.System);

    public void Dispose() => TestCache.End(_cache);

    [Fact]
    public void What_the_factory_sets_of_its_context_does_not_flow_back()
    {
        var local = new AsyncLocal<string?> { Value = "caller" };
        var synchronization = new SynchronizationContext();
        SynchronizationContext.SetSynchronizationContext(synchronization);
        using var activity = new Activity("caller").Start();
        var call = _cache.GetOrCreateAsync("k", _ =>
        {
            local.Value = "factory";
            SynchronizationContext.SetSynchronizationContext(null);
            Activity.Current = null;
            return new ValueTask<int>(1);
        });
        call.IsCompletedSuccessfully.Should().BeTrue();
        local.Value.Should().Be("caller");
        SynchronizationContext.Current.Should().BeSameAs(synchronization);
        Activity.Current.Should().BeSameAs(activity);
        SynchronizationContext.SetSynchronizationContext(null);
    }

    [Fact]
    public async Task It_runs_where_the_flow_of_the_context_is_suppressed()
    {
        ValueTask<int> call;
        using (ExecutionContext.SuppressFlow())
        {
            call = _cache.GetOrCreateAsync("k", static _ => new ValueTask<int>(1));
            ExecutionContext.IsFlowSuppressed().Should().BeTrue();
        }

        (await call).Should().Be(1);
        (await _cache.GetAsync<int>("k")).Value.Should().Be(1);
    }

    [Fact]
    public async Task What_it_throws_at_once_fails_the_call_that_was_returned()
    {
        var call = _cache.GetOrCreateAsync<int>("k", static _ => throw new InvalidTimeZoneException("no"));
        (await call.AsTask().Invoking(static task => task).Should().ThrowAsync<InvalidTimeZoneException>()).WithMessage("no");
        (await _cache.GetOrCreateAsync("k", static _ => new ValueTask<int>(2))).Should().Be(2, "a failure is not kept");
        var statistics = _cache.GetStatistics();
        (statistics.FactoryRuns, statistics.FactoryFailures, statistics.Misses).Should().Be((2, 1, 2));
    }

    [Fact]
    public async Task Who_comes_while_it_runs_waits_for_it()
    {
        Task<int>? joined = null;
        (await _cache.GetOrCreateAsync("k", _ =>
        {
            // A thread that has nothing of this one's context, for which it would be a factory that waits for itself.
            var other = new Thread(() => joined = _cache.GetOrCreateAsync("k", static _ => new ValueTask<int>(2)).AsTask());
            other.UnsafeStart();
            other.Join();
            joined!.IsCompleted.Should().BeFalse(); // it has just been set
            return new ValueTask<int>(1);
        })).Should().Be(1);
        (await joined!).Should().Be(1); // as above
        var statistics = _cache.GetStatistics();
        (statistics.FactoryRuns, statistics.Misses, statistics.Joins).Should().Be((1, 1, 1));
    }

    [Fact]
    public async Task Who_waits_for_it_when_it_fails_gets_its_failure()
    {
        Task<int>? joined = null;
        var call = _cache.GetOrCreateAsync<int>("k", _ =>
        {
            var other = new Thread(() => joined = _cache.GetOrCreateAsync("k", static _ => new ValueTask<int>(2)).AsTask()); // as above
            other.UnsafeStart();
            other.Join();
            throw new InvalidTimeZoneException();
        });
        await call.AsTask().Invoking(static task => task).Should().ThrowAsync<InvalidTimeZoneException>();
        await joined!.Invoking(static task => task).Should().ThrowAsync<InvalidTimeZoneException>(); // as above
    }

    [Fact]
    public async Task Its_value_is_not_stored_if_the_key_was_removed_meanwhile()
    {
        (await _cache.GetOrCreateAsync("k", async token =>
        {
            await _cache.RemoveAsync("k", token);
            return 1;
        })).Should().Be(1);
        (await _cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
        _cache.GetStatistics().DiscardedResults.Should().Be(1);
    }

    [Fact]
    public async Task Very_many_may_be_under_way_at_once_and_each_is_found_by_those_who_come_later()
    {
        var gate = new TaskCompletionSource();
        var calls = Enumerable.Range(0, 5000).Select(number => Get(number)).ToList();
        var joined = Enumerable.Range(0, 5000).Select(number => Get(number)).ToList();
        gate.SetResult();
        (await Task.WhenAll(calls)).Should().Equal(Enumerable.Range(0, 5000));
        (await Task.WhenAll(joined)).Should().Equal(Enumerable.Range(0, 5000));
        _cache.GetStatistics().FactoryRuns.Should().Be(5000);

        Task<int> Get(int number) => _cache.GetOrCreateAsync($"k{number}", async _ =>
        {
            await gate.Task;
            return number;
        }).AsTask();
    }
}
