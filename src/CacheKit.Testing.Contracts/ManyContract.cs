using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>The calls for many keys at a time.</summary>
public abstract class ManyContract : CacheContract
{
    [Fact]
    public async Task Getting_many_gives_a_lookup_for_every_distinct_key_misses_included()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("a", 1);
        await cache.SetAsync<int?>("null", null);
        var lookups = await Soon(cache.GetManyAsync<int?>(["a", "missing", "a", "null"]));
        lookups.Should().HaveCount(3);
        lookups["a"].Value.Should().Be(1);
        lookups["missing"].IsHit.Should().BeFalse();
        lookups["null"].IsHit.Should().BeTrue();
        lookups["null"].Value.Should().BeNull();
    }

    [Fact]
    public async Task Keys_that_come_back_are_told_apart_by_case()
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync<int>([new("a", 1), new("A", 2)]);
        var lookups = await Soon(cache.GetManyAsync<int>(["a", "A"]));
        lookups["a"].Value.Should().Be(1);
        lookups["A"].Value.Should().Be(2);
        lookups.ContainsKey("b").Should().BeFalse();
    }

    [Fact]
    public async Task Setting_many_stores_all_with_one_set_of_options_and_tells_how_many()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("b", 0);
        (await Soon(cache.SetManyAsync<int>([new("a", 1), new("b", 2), new("c", 3)], new() { Expiration = Seconds(10), Tags = ["t"] }))).Should().Be(3);
        await ExpectAsync(cache, "b", 2);
        foreach (var key in new[] { "a", "b", "c" })
        {
            (await Soon(cache.GetTimeToLiveAsync(key))).Should().Be(Seconds(10));
        }

        await cache.RemoveByTagAsync("t");
        await ExpectMissAsync(cache, "a");
        await ExpectMissAsync(cache, "c");
    }

    [Fact]
    public async Task Of_a_key_that_is_set_twice_the_last_value_counts_and_it_counts_once()
    {
        var cache = await CreateAsync();
        (await Soon(cache.SetManyAsync<int>([new("a", 1), new("a", 2)]))).Should().Be(1);
        await ExpectAsync(cache, "a", 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task Setting_many_for_no_time_removes_them_all(long ticks)
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync<int>([new("a", 1), new("b", 2)]);
        (await Soon(cache.SetManyAsync<int>([new("a", 3), new("c", 4)], new() { Expiration = TimeSpan.FromTicks(ticks) }))).Should().Be(0);
        await ExpectMissAsync(cache, "a");
        await ExpectMissAsync(cache, "c");
        await ExpectAsync(cache, "b", 2);
    }

    [Fact]
    public async Task Removing_many_tells_how_many_distinct_keys_were_there()
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync<int>([new("a", 1), new("b", 2), new("c", 3)]);
        await cache.SetAsync("expired", 1, Seconds(1));
        Clock.Advance(Seconds(1));
        (await Soon(cache.RemoveManyAsync(["a", "b", "a", "missing", "expired"]))).Should().Be(2);
        await ExpectMissAsync(cache, "a");
        await ExpectMissAsync(cache, "b");
        await ExpectAsync(cache, "c", 3);
    }

    [Fact]
    public async Task None_is_an_empty_result_and_no_factory_runs()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        (await Soon(cache.GetManyAsync<int>([]))).Should().BeEmpty();
        (await Soon(cache.SetManyAsync<int>([]))).Should().Be(0);
        (await Soon(cache.RemoveManyAsync([]))).Should().Be(0);
        var runs = 0;
        (await Soon(cache.GetOrCreateManyAsync<int>([], (_, _) => throw new FormatException($"{++runs}")))).Should().BeEmpty();
        runs.Should().Be(0);
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task A_null_collection_is_an_ArgumentNullException()
    {
        var cache = await CreateAsync();
        Func<Task>[] calls =
        [
            async () => await cache.GetManyAsync<int>(null!),
            async () => await cache.SetManyAsync<int>(null!),
            async () => await cache.RemoveManyAsync(null!),
            async () => await cache.GetOrCreateManyAsync(null!, CacheOperations.MakeOnes),
        ];
        foreach (var call in calls)
        {
            await call.Should().ThrowAsync<ArgumentNullException>();
        }
    }

    [Fact]
    public async Task Ten_thousand_keys_are_no_trouble()
    {
        var cache = await CreateAsync();
        string[] keys = [.. Enumerable.Range(0, 10_000).Select(i => $"k{i}")];
        (await Soon(cache.SetManyAsync(keys.Take(5_000).Select(key => KeyValuePair.Create(key, 0))))).Should().Be(5_000);
        var asked = 0;
        var values = await Soon(cache.GetOrCreateManyAsync(keys, (missing, token) =>
        {
            asked = missing.Count;
            return CacheOperations.MakeOnes(missing, token);
        }));
        asked.Should().Be(5_000);
        values.Should().HaveCount(10_000);
        values["k4999"].Should().Be(0);
        values["k5000"].Should().Be(1);
        (await Soon(cache.GetManyAsync<int>(keys))).Values.Should().OnlyContain(lookup => lookup.IsHit);
        (await Soon(cache.RemoveManyAsync(keys))).Should().Be(10_000);
    }

    [Fact]
    public async Task One_factory_call_makes_just_the_missing_values_and_they_are_stored()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("b", 20);
        var asked = new List<string>();
        var values = await Soon(cache.GetOrCreateManyAsync(["a", "b", "c", "a"], (keys, _) =>
        {
            asked.AddRange(keys);
            return Made(("a", 1), ("c", 3));
        }));
        asked.Should().BeEquivalentTo("a", "c");
        values.Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1, ["b"] = 20, ["c"] = 3 });
        await ExpectAsync(cache, "a", 1);
        await ExpectAsync(cache, "c", 3);
    }

    [Fact]
    public async Task When_all_are_there_no_factory_runs()
    {
        var cache = await CreateAsync();
        await cache.SetManyAsync<int>([new("a", 1), new("b", 2)]);
        var runs = 0;
        var values = await Soon(cache.GetOrCreateManyAsync<int>(["a", "b"], (_, _) => throw new FormatException($"{++runs}")));
        values.Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 });
        runs.Should().Be(0);
    }

    [Fact]
    public async Task A_factory_may_leave_keys_out_which_are_then_absent_and_asked_for_again_the_next_time()
    {
        var cache = await CreateAsync();
        var runs = 0;
        for (var i = 0; i < 2; i++)
        {
            var values = await Soon(cache.GetOrCreateManyAsync(["a", "b"], (_, _) =>
            {
                runs++;
                return Made(("a", 1));
            }));
            values.Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1 });
        }

        runs.Should().Be(2);
        await ExpectMissAsync(cache, "b");
    }

    [Fact]
    public async Task A_null_that_a_factory_made_for_a_key_is_a_value()
    {
        var cache = await CreateAsync();
        var values = await Soon(cache.GetOrCreateManyAsync(["a"], (_, _) =>
            ValueTask.FromResult<IReadOnlyDictionary<string, string?>>(new Dictionary<string, string?> { ["a"] = null })));
        values.Should().ContainKey("a");
        (await Soon(cache.GetAsync<string?>("a"))).IsHit.Should().BeTrue();
    }

    [Fact]
    public async Task What_a_factory_makes_beyond_what_it_was_asked_for_is_ignored()
    {
        var cache = await CreateAsync();
        var values = await Soon(cache.GetOrCreateManyAsync(["a"], (_, _) => Made(("a", 1), ("extra", 2)), new() { Expiration = Seconds(10), Tags = ["t"] }));
        values.Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1 });
        await ExpectMissAsync(cache, "extra");
    }

    [Fact]
    public async Task What_a_factory_makes_beyond_what_it_was_asked_for_does_not_replace_a_value()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("extra", 1);
        await Soon(cache.GetOrCreateManyAsync(["a"], (_, _) => Made(("a", 1), ("extra", 2))));
        await ExpectAsync(cache, "extra", 1);
    }

    [Theory]
    [InlineData("key")]
    [InlineData("tag")]
    [InlineData("clear")]
    [InlineData("set and remove")]
    public async Task What_a_factory_makes_beyond_what_it_was_asked_for_is_not_stored_if_it_was_removed_meanwhile(string way)
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var load = cache.GetOrCreateManyAsync(
            ["a"], held, static (held, _, token) => held.RunAsync(null!, token), new() { Tags = ["t"] }).AsTask();
        await Soon(held.Started);
        switch (way)
        {
            case "key":
                await cache.RemoveAsync("extra");
                break;
            case "tag":
                await cache.RemoveByTagAsync("t");
                break;
            case "clear":
                await cache.ClearAsync();
                break;
            default:
                await cache.SetAsync("extra", 7);
                await cache.RemoveAsync("extra");
                break;
        }

        held.Return(new Dictionary<string, int> { ["a"] = 1, ["extra"] = 2 });
        (await Soon(load))["a"].Should().Be(1);
        await ExpectMissAsync(cache, "extra");
    }

    [Fact]
    public async Task Bad_keys_that_a_factory_makes_up_are_not_stored_and_harm_nothing()
    {
        var cache = await CreateAsync();
        var values = await Soon(cache.GetOrCreateManyAsync(["a"], (_, _) => Made(("a", 1), ("", 2), ("\ud800", 3))));
        values.Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1 });
        await ExpectAsync(cache, "a", 1);
    }

    [Fact]
    public async Task A_factory_may_say_for_each_key_how_it_is_stored()
    {
        var cache = await CreateAsync();
        await Soon(cache.GetOrCreateManyAsync(
            ["short", "tagged", "skipped", "usual"],
            0,
            (_, batch, token) =>
            {
                batch.Keys.Should().BeEquivalentTo("short", "tagged", "skipped", "usual");
                batch.For("short").Expiration = Seconds(1);
                batch.For("tagged").AddTags("t");
                batch.For("skipped").SkipStoring();
                batch.For("usual").Key.Should().Be("usual");
                return CacheOperations.MakeOnes(batch.Keys, token);
            },
            new() { Expiration = Seconds(10) }));
        (await Soon(cache.GetTimeToLiveAsync("short"))).Should().Be(Seconds(1));
        (await Soon(cache.GetTimeToLiveAsync("usual"))).Should().Be(Seconds(10));
        await ExpectMissAsync(cache, "skipped");
        await cache.RemoveByTagAsync("t");
        await ExpectMissAsync(cache, "tagged");
        await ExpectAsync(cache, "usual", 1);
    }

    [Fact]
    public async Task Two_calls_that_overlap_make_each_value_once()
    {
        var cache = await CreateAsync();
        var first = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var one = cache.GetOrCreateManyAsync(["a", "b"], first, static (held, _, token) => held.RunAsync(null!, token)).AsTask();
        await Soon(first.Started);
        var second = new HeldFactory<IReadOnlyDictionary<string, int>>();
        string[]? asked = null;
        var other = cache.GetOrCreateManyAsync(["b", "c"], (keys, token) =>
        {
            asked = [.. keys];
            return second.RunAsync(null!, token);
        }).AsTask();
        await Soon(second.Started);
        asked.Should().Equal("c");
        second.Return(new Dictionary<string, int> { ["c"] = 3 });
        first.Return(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 });
        (await Soon(one)).Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 });
        (await Soon(other)).Should().BeEquivalentTo(new Dictionary<string, int> { ["b"] = 2, ["c"] = 3 });
    }

    [Fact]
    public async Task Single_calls_and_calls_for_many_join_each_others_factories()
    {
        var cache = await CreateAsync();
        var single = new HeldFactory<int>();
        var many = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var a = cache.GetOrCreateAsync("a", single.RunAsync).AsTask();
        await Soon(single.Started);
        var both = cache.GetOrCreateManyAsync(["a", "b"], many, static (held, _, token) => held.RunAsync(null!, token)).AsTask();
        await Soon(many.Started);
        var b = cache.GetOrCreateAsync("b", _ => ValueTask.FromResult(-1)).AsTask();
        single.Return(1);
        many.Return(new Dictionary<string, int> { ["b"] = 2 });
        (await Soon(a)).Should().Be(1);
        (await Soon(b)).Should().Be(2);
        (await Soon(both)).Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 });
    }

    [Fact]
    public async Task One_who_waits_for_a_key_that_a_factory_of_many_leaves_out_runs_its_own()
    {
        var cache = await CreateAsync();
        var many = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var both = cache.GetOrCreateManyAsync(["a", "b"], many, static (held, _, token) => held.RunAsync(null!, token)).AsTask();
        await Soon(many.Started);
        var b = cache.GetOrCreateAsync("b", _ => ValueTask.FromResult(22)).AsTask();
        var others = cache.GetOrCreateManyAsync(["b", "c"], CacheOperations.MakeOnes).AsTask();
        many.Return(new Dictionary<string, int> { ["a"] = 1 });
        (await Soon(both)).Should().BeEquivalentTo(new Dictionary<string, int> { ["a"] = 1 });
        var made = await Soon(b);
        made.Should().BeOneOf(22, 1);
        (await Soon(others)).Should().BeEquivalentTo(new Dictionary<string, int> { ["b"] = made, ["c"] = 1 });
    }

    [Fact]
    public async Task A_failure_reaches_all_who_wait_and_is_not_cached()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<IReadOnlyDictionary<string, int>>();
        var many = cache.GetOrCreateManyAsync(["a", "b"], held, static (held, _, token) => held.RunAsync(null!, token)).AsTask();
        await Soon(held.Started);
        var one = cache.GetOrCreateAsync("a", _ => ValueTask.FromResult(-1)).AsTask();
        var failure = new FormatException("down");
        held.Fail(failure);
        foreach (var load in new Task[] { many, one })
        {
            var act = () => Soon(load);
            (await act.Should().ThrowAsync<FormatException>()).Which.Should().BeSameAs(failure);
        }

        (await Soon(cache.GetOrCreateManyAsync(["a", "b"], CacheOperations.MakeOnes))).Should().HaveCount(2);
    }

    [Fact]
    public async Task A_factory_that_returns_no_dictionary_is_an_error()
    {
        var cache = await CreateAsync();
        var act = () => Soon(cache.GetOrCreateManyAsync(["a"], (_, _) => ValueTask.FromResult<IReadOnlyDictionary<string, int>>(null!)));
        (await act.Should().ThrowAsync<InvalidOperationException>()).WithMessage("*null*");
        (await CreateOrGet(cache, "a", 1)).Should().Be(1);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task A_factory_of_many_that_asks_for_one_of_its_own_keys_gets_an_error_instead_of_waiting_for_itself(string key)
    {
        var cache = await CreateAsync();
        var act = () => Soon(Task.Run(() => cache.GetOrCreateManyAsync(["a", "b"], async (_, _) =>
        {
            await cache.GetOrCreateAsync(key, _ => ValueTask.FromResult(1));
            return await Made();
        }).AsTask()));
        await act.Should().ThrowAsync<InvalidOperationException>();
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task A_factory_of_many_that_asks_for_its_own_key_through_another_factory_gets_an_error(string key)
    {
        var cache = await CreateAsync();
        var act = () => Soon(Task.Run(() => cache.GetOrCreateManyAsync(["a", "b"], async (_, _) =>
        {
            await cache.GetOrCreateAsync("between", _ => cache.GetOrCreateAsync(key, _ => ValueTask.FromResult(1)));
            return await Made();
        }).AsTask()));
        await act.Should().ThrowAsync<InvalidOperationException>();
    }

    [Fact]
    public async Task A_single_factory_may_use_a_call_for_many_that_includes_others_but_not_its_own_key()
    {
        var cache = await CreateAsync();
        (await Soon(Task.Run(() => cache.GetOrCreateAsync(
            "sum", async _ => (await cache.GetOrCreateManyAsync(["a", "b"], CacheOperations.MakeOnes)).Values.Sum()).AsTask()))).Should().Be(2);
        var act = () => Soon(Task.Run(() => cache.GetOrCreateAsync(
            "own", async _ => (await cache.GetOrCreateManyAsync(["a", "own", "c"], CacheOperations.MakeOnes)).Values.Sum()).AsTask()));
        await act.Should().ThrowAsync<InvalidOperationException>();
        (await CreateOrGet(cache, "c", 3)).Should().BeOneOf(1, 3);
    }

    private static ValueTask<IReadOnlyDictionary<string, int>> Made(params (string Key, int Value)[] values) =>
        new(values.ToDictionary(made => made.Key, made => made.Value));
}
