using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That the numbers match the calls made.</summary>
public abstract class StatisticsContract : CacheContract
{
    [Fact]
    public async Task A_new_cache_has_done_nothing()
    {
        var cache = await CreateAsync();
        cache.GetStatistics().Should().BeEquivalentTo(new CacheStatistics(), options => options.Excluding(statistics => statistics.Tiers));
        cache.GetStatistics().HitRatio.Should().Be(0);
    }

    [Fact]
    public async Task Hits_and_misses_are_counted_by_every_way_of_looking_up()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        await Soon(cache.GetAsync<int>("k"));
        await Soon(cache.GetAsync<long>("k"));
        await Soon(cache.GetAsync<int>("k", new CacheEntryOptions(), default));
        cache.Get<int>("k");
        await CreateOrGet(cache, "k", 2);
        cache.GetOrCreate("k", () => 2);
        await Soon(cache.GetManyAsync<int>(["k", "missing"]));
        await Soon(cache.GetOrCreateManyAsync(["k", "new"], CacheOperations.MakeOnes));
        await Soon(cache.GetAsync<int>("missing"));
        await CreateOrGet(cache, "new too", 2);
        var statistics = cache.GetStatistics();
        statistics.Hits.Should().Be(8);
        statistics.Misses.Should().Be(4);
        statistics.Joins.Should().Be(0);
        statistics.FactoryRuns.Should().Be(2);
        statistics.HitRatio.Should().BeApproximately(8.0 / 12, 1e-9);
    }

    [Fact]
    public async Task Asking_without_looking_up_counts_nothing()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        await Soon(cache.ExistsAsync("k"));
        await Soon(cache.ExistsAsync("missing"));
        await Soon(cache.TouchAsync("k"));
        await Soon(cache.GetTimeToLiveAsync("k"));
        await Soon(cache.SetTimeToLiveAsync("k", Seconds(10)));
        var statistics = cache.GetStatistics();
        statistics.Hits.Should().Be(0);
        statistics.Misses.Should().Be(0);
    }

    [Fact]
    public async Task Those_who_wait_for_somebody_elses_factory_are_joins_and_not_as_many_misses()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<int>();
        var loads = Enumerable.Range(0, 10).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync).AsTask()).ToArray();
        await Soon(held.Started);
        held.Return(1);
        await Soon(Task.WhenAll(loads));
        var statistics = cache.GetStatistics();
        statistics.FactoryRuns.Should().Be(1);
        statistics.Misses.Should().Be(1);
        statistics.Joins.Should().Be(9);
        statistics.Hits.Should().Be(0);
        statistics.HitRatio.Should().Be(0);
    }

    [Fact]
    public async Task A_caller_who_has_to_start_over_is_counted_once()
    {
        var cache = await CreateAsync();
        var older = new HeldFactory<int> { BeforeReturning = context => context.AddTags("t") };
        var load = cache.GetOrCreateAsync("k", older.RunAsync).AsTask();
        await Soon(older.Started);
        await Soon(cache.RemoveByTagAsync("t"));
        var later = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2)).AsTask();
        older.Return(1);
        await Soon(load);
        (await Soon(later)).Should().Be(2);
        var statistics = cache.GetStatistics();
        statistics.Misses.Should().Be(1);
        statistics.Joins.Should().Be(1);
        statistics.FactoryRuns.Should().Be(2);
        statistics.DiscardedResults.Should().Be(1);
    }

    [Fact]
    public async Task A_stale_value_served_is_counted_as_such_and_is_no_hit()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Expiration = Seconds(1), StaleFor = Seconds(100) };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(Seconds(1));
        await Soon(cache.GetAsync<int>("k", new CacheEntryOptions { AllowStale = true }, default));
        cache.GetStatistics().StaleHits.Should().Be(1);

        await Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down"), options)); // fails
        await Soon(cache.GetOrCreateAsync<int>("k", _ => throw new FormatException("down"), options)); // is not tried
        cache.GetStatistics().StaleHits.Should().Be(3);
        cache.GetStatistics().FactoryFailures.Should().Be(1);
        await Soon(cache.GetAsync<int>("k"));
        cache.GetStatistics().StaleHits.Should().Be(3, "this one did not ask for it");
        cache.GetStatistics().Misses.Should().Be(4);
        cache.GetStatistics().HitRatio.Should().Be(0);
    }

    [Fact]
    public async Task Factories_are_counted_with_their_failures_and_their_time()
    {
        var cache = await CreateAsync();
        var good = new HeldFactory<int>();
        var bad = new HeldFactory<int>();
        var loads = new[] { cache.GetOrCreateAsync("good", good.RunAsync).AsTask(), cache.GetOrCreateAsync("bad", bad.RunAsync).AsTask() };
        await Soon(good.Started);
        await Soon(bad.Started);
        Clock.Advance(Seconds(2));
        good.Return(1);
        await Soon(loads[0]);
        Clock.Advance(Seconds(3));
        bad.Fail(new FormatException("down"));
        await loads[1].ContinueWith(_ => { }, TaskScheduler.Default);
        var statistics = cache.GetStatistics();
        statistics.FactoryRuns.Should().Be(2);
        statistics.FactoryFailures.Should().Be(1);
        statistics.FactoryTime.Should().Be(Seconds(2 + 5));
    }

    [Fact]
    public async Task A_result_that_a_removal_or_a_set_has_overtaken_is_counted_as_discarded()
    {
        var cache = await CreateAsync();
        foreach (var isSet in new[] { true, false })
        {
            var held = new HeldFactory<int>();
            var load = cache.GetOrCreateAsync($"k{isSet}", held.RunAsync).AsTask();
            await Soon(held.Started);
            await (isSet ? Soon(cache.SetAsync($"k{isSet}", 2)) : Soon(cache.ClearAsync()));
            held.Return(1);
            await Soon(load);
        }

        cache.GetStatistics().DiscardedResults.Should().Be(2);
    }

    [Fact]
    public async Task A_factory_of_many_is_one_run()
    {
        var cache = await CreateAsync();
        await Soon(cache.GetOrCreateManyAsync(["a", "b", "c"], CacheOperations.MakeOnes));
        var statistics = cache.GetStatistics();
        statistics.FactoryRuns.Should().Be(1);
        statistics.Misses.Should().Be(3);
        statistics.Entries.Should().Be(HasMemory ? 3 : 0);
        statistics.Sets.Should().Be(0, "what a factory makes is not a set");
    }

    [Fact]
    public async Task What_is_stored_is_counted_by_the_value()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("a", 1);
        await cache.SetManyAsync<int>([new("b", 1), new("c", 1)]);
        await cache.TryAddAsync("d", 1);
        await cache.TryAddAsync("d", 2);
        await cache.IncrementAsync("e");
        await cache.IncrementAsync("e");
        await cache.SetAsync("f", 1, TimeSpan.Zero);
        cache.GetStatistics().Sets.Should().Be(6);
        cache.GetStatistics().Entries.Should().Be(HasMemory ? HasStores ? 4 : 5 : 0, "a store keeps its counters to itself");
    }

    [Fact]
    public async Task An_increment_that_is_refused_is_not_counted_as_stored()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", "text");
        var act = () => Soon(cache.IncrementAsync("k"));
        await act.Should().ThrowAsync<CacheTypeMismatchException>();
        cache.GetStatistics().Sets.Should().Be(1);
    }

    [Fact]
    public async Task Removals_are_counted_by_the_call_and_of_many_by_the_key()
    {
        var cache = await CreateAsync();
        await cache.RemoveAsync("k");
        await cache.RemoveByTagAsync("t");
        await cache.RemoveByTagsAsync(["t", "u"]);
        await cache.ExpireAsync("k");
        await cache.ExpireByTagAsync("t");
        await cache.ClearAsync();
        await cache.RemoveManyAsync(["a", "b", "a"]);
        cache.GetStatistics().Removals.Should().Be(8);
    }

    [Fact]
    public async Task Why_entries_left_is_counted()
    {
        var cache = await CreateAsync();
        var token = new ManualChangeToken();
        await cache.SetAsync("a", 1);
        await cache.SetAsync("a", 2);
        await cache.SetAsync("b", 1, Seconds(1));
        await cache.SetAsync("c", 1, new CacheEntryOptions { ExpirationTokens = [token] });
        Clock.Advance(Seconds(1));
        await ExpectMissAsync(cache, "b");
        token.Change();
        var statistics = cache.GetStatistics();
        statistics.Replacements.Should().Be(HasMemory ? 1 : 0);
        statistics.Expirations.Should().Be(HasMemory ? 1 : 0);
        statistics.TokenExpirations.Should().Be(HasMemory ? 1 : 0);
        statistics.Evictions.Should().Be(0);
        statistics.Entries.Should().Be(HasMemory ? 1 : 0);
    }

    [Fact]
    public async Task Calls_at_once_are_all_counted()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        using var start = new Barrier(4);
        var work = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                for (var i = 0; i < Rounds(5_000); i++)
                {
                    cache.Get<int>("k");
                    cache.Get<int>("missing");
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        await Soon(Task.WhenAll(work));
        cache.GetStatistics().Hits.Should().Be(4 * Rounds(5_000));
        cache.GetStatistics().Misses.Should().Be(4 * Rounds(5_000));
    }
}
