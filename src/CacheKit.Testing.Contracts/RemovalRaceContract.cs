using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>
/// The promise that sets the cache apart: once a removal or a set has returned, nobody who calls later gets an older value,
/// though factories from before it are still running.
/// </summary>
public abstract class RemovalRaceContract : CacheContract
{
    /// <summary>What makes older values invalid, and whether the entry is tagged by the call, by the factory at once, or by it at the end.</summary>
    public static TheoryData<string, string> Removals => new()
    {
        { "key", "none" }, { "many keys", "none" }, { "clear", "none" }, { "set for no time", "none" },
        { "tag", "call" }, { "tag", "early" }, { "tag", "late" },
        { "any tag", "call" }, { "any tag", "late" },
        { "all tags", "call" }, { "all tags", "early" }, { "all tags", "late" },
        { "clear", "late" }, { "expire", "none" }, { "expire tag", "call" }, { "expire tag", "late" },
    };

    [Theory]
    [MemberData(nameof(Removals))]
    public async Task The_late_value_goes_to_those_who_waited_and_is_not_stored(string way, string tagging)
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, tagging);
        var joined = cache.GetOrCreateAsync("k", older.RunAsync, OptionsOf(tagging)).AsTask();
        await RemoveAsync(cache, way);
        older.Return(1);
        (await Soon(load)).Should().Be(1);
        (await Soon(joined)).Should().Be(1);
        older.Runs.Should().Be(1);
        await ExpectMissAsync(cache, "k");
    }

    [Theory]
    [MemberData(nameof(Removals))]
    public async Task Who_comes_after_it_does_not_get_the_older_value(string way, string tagging)
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, tagging);
        await RemoveAsync(cache, way);

        // Where the factory has yet to say what its tags are, later callers can only wait and see.
        var later = Enumerable.Range(0, 3).Select(_ => Task.Run(() => CreateOrGet(cache, "k", 2, OptionsOf(tagging)))).ToArray();
        if (tagging != "late")
        {
            (await Soon(Task.WhenAll(later))).Should().OnlyContain(value => value == 2);
        }

        older.Return(1);
        (await Soon(load)).Should().Be(1);
        (await Soon(Task.WhenAll(later))).Should().OnlyContain(value => value == 2);
        await ExpectAsync(cache, "k", 2);
    }

    [Theory]
    [MemberData(nameof(Removals))]
    public async Task Who_comes_after_it_is_not_stored_over_by_the_older_value(string way, string tagging)
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, tagging);
        await RemoveAsync(cache, way);
        await cache.SetAsync("k", 2, OptionsOf(tagging));
        older.Return(1);
        (await Soon(load)).Should().Be(1);
        await ExpectAsync(cache, "k", 2);
        (await CreateOrGet(cache, "k", 3)).Should().Be(2);
    }

    [Theory]
    [MemberData(nameof(Removals))]
    public async Task It_holds_for_a_factory_of_many_too(string way, string tagging)
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var load = cache.GetOrCreateManyAsync(
            ["k", "m"],
            (held, tagging),
            static async (state, batch, token) =>
            {
                if (state.tagging == "early")
                {
                    batch.For("k").AddTags("t", "u");
                }

                var values = await state.held.RunAsync(null!, token).ConfigureAwait(false);
                if (state.tagging == "late")
                {
                    batch.For("k").AddTags("t", "u");
                }

                return values;
            },
            OptionsOf(tagging)).AsTask();
        await Soon(held.Started);
        await RemoveAsync(cache, way);
        held.Return(new Dictionary<string, int> { ["k"] = 1, ["m"] = 11 });
        (await Soon(load)).Should().BeEquivalentTo(new Dictionary<string, int> { ["k"] = 1, ["m"] = 11 });
        await ExpectMissAsync(cache, "k");
        if (way is "key" or "set for no time" or "expire" || tagging is "early" or "late" && way != "clear")
        {
            await ExpectAsync(cache, "m", 11);
        }
    }

    [Theory]
    [InlineData("t", "u")]
    [InlineData("u", "t")]
    public async Task A_removal_by_all_of_several_tags_spares_a_running_factory_that_lacks_one(string has, string lacks)
    {
        var cache = await CreateAsync();
        var older = new HeldFactory<int> { BeforeReturning = context => context.AddTags(has) };
        var load = cache.GetOrCreateAsync("k", older.RunAsync).AsTask();
        await Soon(older.Started);
        await Soon(cache.RemoveByTagsAsync([has, lacks], TagMatch.All));
        older.Return(1);
        (await Soon(load)).Should().Be(1);
        if (!RemovesMoreThanAsked)
        {
            await ExpectAsync(cache, "k", 1);
        }
    }

    [Fact]
    public async Task A_removal_by_another_tag_spares_a_running_factory_and_those_who_join_it_later()
    {
        var cache = await CreateAsync();
        var older = new HeldFactory<int> { BeforeReturning = context => context.AddTags("late") };
        var load = cache.GetOrCreateAsync("k", older.RunAsync, new() { Tags = ["call"] }).AsTask();
        await Soon(older.Started);
        await Soon(cache.RemoveByTagAsync("other"));
        var later = cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2), new CacheEntryOptions { Tags = ["call"] }).AsTask();
        older.Return(1);
        (await Soon(load)).Should().Be(1);
        (await Soon(later)).Should().Be(1, "nothing that was removed concerns this value");
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task Removing_another_key_spares_a_running_factory()
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, "none");
        for (var i = 0; i < Rounds(300); i++)
        {
            await cache.RemoveAsync($"k{i}");
        }

        older.Return(1);
        await Soon(load);
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task A_factory_that_starts_after_a_removal_is_not_touched_by_it()
    {
        var cache = await CreateAsync();
        await Soon(cache.RemoveByTagAsync("t"));
        await Soon(cache.ClearAsync());
        await Soon(cache.RemoveAsync("k"));
        await Soon(cache.RemoveByTagsAsync(["t", "u"], TagMatch.All));
        var (factory, load) = await StartAsync(cache, "late");
        factory.Return(1);
        await Soon(load);
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task A_set_during_a_factory_wins_over_its_late_value()
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, "none");
        await cache.SetAsync("k", 2);
        await ExpectAsync(cache, "k", 2);
        (await CreateOrGet(cache, "k", 3)).Should().Be(2);
        older.Return(1);
        (await Soon(load)).Should().Be(1);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task An_add_during_a_factory_wins_over_its_late_value()
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, "none");
        (await Soon(cache.TryAddAsync("k", 2))).Should().BeTrue();
        older.Return(1);
        (await Soon(load)).Should().Be(1);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task An_increment_during_a_factory_wins_over_its_late_value()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<long>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await Soon(held.Started);
        (await Soon(cache.IncrementAsync("k", 5))).Should().Be(5);
        held.Return(100);
        await Soon(load);
        await ExpectAsync(cache, "k", 5L);
    }

    [Fact]
    public async Task A_set_of_many_during_a_factory_wins_over_its_late_value()
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, "none");
        await cache.SetManyAsync<int>([new("k", 2)]);
        older.Return(1);
        await Soon(load);
        await ExpectAsync(cache, "k", 2);
    }

    [Fact]
    public async Task What_was_set_and_removed_again_during_a_factory_stays_removed()
    {
        var cache = await CreateAsync();
        var (older, load) = await StartAsync(cache, "none");
        await cache.SetAsync("k", 2);
        await cache.RemoveAsync("k");
        older.Return(1);
        await Soon(load);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task After_several_removals_only_the_newest_factory_stores_its_value_in_whatever_order_they_end()
    {
        var cache = await CreateAsync();
        foreach (var order in new[] { new[] { 0, 1, 2, 3 }, [3, 2, 1, 0], [1, 3, 0, 2] })
        {
            await cache.RemoveAsync("k");
            var factories = new HeldFactory<int>[4];
            var loads = new Task<int>[4];
            for (var i = 0; i < 4; i++)
            {
                factories[i] = new();
                loads[i] = cache.GetOrCreateAsync("k", factories[i].RunAsync, new() { Tags = ["t"] }).AsTask();
                await Soon(factories[i].Started);
                if (i < 3)
                {
                    await (i % 2 == 0 ? Soon(cache.RemoveByTagAsync("t")) : Soon(cache.RemoveAsync("k")));
                }
            }

            foreach (var i in order)
            {
                factories[i].Return(i);
                (await Soon(loads[i])).Should().Be(i);
            }

            await ExpectAsync(cache, "k", 3);
        }
    }

    [Fact]
    public async Task One_who_joined_a_factory_and_was_overtaken_several_times_gets_a_value_from_after_its_call_began()
    {
        var cache = await CreateAsync();
        var first = new HeldFactory<int> { BeforeReturning = context => context.AddTags("t") };
        var load = cache.GetOrCreateAsync("k", first.RunAsync).AsTask();
        await Soon(first.Started);
        await Soon(cache.RemoveByTagAsync("t"));

        var second = new HeldFactory<int> { BeforeReturning = context => context.AddTags("t") };
        var later = cache.GetOrCreateAsync("k", second.RunAsync).AsTask();
        first.Return(1);
        (await Soon(load)).Should().Be(1);
        await Soon(second.Started);
        await Soon(cache.RemoveByTagAsync("t"));
        second.Return(2);
        (await Soon(later)).Should().Be(2, "its own factory began after the call");
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task A_set_under_a_tag_that_is_removed_at_the_same_time_leaves_nothing_after_a_final_removal()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Tags = ["t"] };
        for (var round = 0; round < Rounds(100); round++)
        {
            using var start = new Barrier(3);
            var work = new Action[]
            {
                () => cache.Set("k", round, options),
                () => cache.GetOrCreate("k", () => round, options),
                () => cache.RemoveByTagAsync("t").AsTask().GetAwaiter().GetResult(),
            }.Select(act => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    act();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
            await Soon(Task.WhenAll(work));
            await Soon(cache.RemoveByTagAsync("t"));
            await ExpectMissAsync(cache, "k");
        }
    }

    [Fact]
    public async Task An_increment_that_meets_a_removal_by_tag_does_not_bring_the_old_count_back()
    {
        var cache = await CreateAsync();
        var options = new CacheCounterOptions { Tags = ["t"] };
        for (var round = 0; round < Rounds(100); round++)
        {
            await cache.IncrementAsync("k", 1_000, options);
            using var start = new Barrier(2);
            var work = new Action[]
            {
                () => cache.IncrementAsync("k", 1, options).AsTask().GetAwaiter().GetResult(),
                () => cache.RemoveByTagAsync("t").AsTask().GetAwaiter().GetResult(),
            }.Select(act => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    act();
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
            await Soon(Task.WhenAll(work));

            // Either the removal came last and nothing is left, or the count began anew.
            (await Soon(cache.GetAsync<long>("k"))).GetValueOrDefault(0).Should().BeOneOf(0, 1);
            await cache.RemoveAsync("k");
        }
    }

    private static async Task<(HeldFactory<int> Factory, Task<int> Load)> StartAsync(ICache cache, string tagging)
    {
        var factory = new HeldFactory<int> { BeforeReturning = tagging == "late" ? static context => context.AddTags("t", "u") : null };
        var load = cache.GetOrCreateAsync("k", factory.RunAsync, OptionsOf(tagging)).AsTask();
        await Soon(factory.Started);
        if (tagging == "early")
        {
            factory.Context!.AddTags("t", "u"); // it runs, so it was given one
        }

        return (factory, load);
    }

    private static CacheEntryOptions OptionsOf(string tagging) => new() { Tags = tagging == "call" ? ["t", "u"] : null };

    private static Task RemoveAsync(ICache cache, string way) => way switch
    {
        "key" => Soon(cache.RemoveAsync("k")),
        "many keys" => Soon(cache.RemoveManyAsync(["another", "k"])),
        "set for no time" => Soon(cache.SetAsync("k", 0, TimeSpan.Zero)),
        "tag" => Soon(cache.RemoveByTagAsync("t")),
        "any tag" => Soon(cache.RemoveByTagsAsync(["other", "t"])),
        "all tags" => Soon(cache.RemoveByTagsAsync(["u", "t"], TagMatch.All)),
        "expire" => Soon(cache.ExpireAsync("k")),
        "expire tag" => Soon(cache.ExpireByTagAsync("t")),
        _ => Soon(cache.ClearAsync()),
    };
}
