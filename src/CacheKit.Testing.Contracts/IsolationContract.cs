using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That an isolated value cannot be changed through any reference a caller holds, nor a shared one be copied in vain.</summary>
public abstract class IsolationContract : CacheContract
{
    private static readonly CacheEntryOptions _isolated = new() { Isolate = true };

    [Fact]
    public async Task Changing_what_was_stored_changes_no_later_read()
    {
        var cache = await CreateAsync();
        var list = new List<int> { 1 };
        await cache.SetAsync("k", list, _isolated);
        list.Add(2);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task Changing_what_was_read_changes_no_later_read()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", new List<int> { 1 }, _isolated);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Add(2);
        (await CreateOrGet(cache, "k", new List<int>())).Add(3);
        (await Soon(cache.GetManyAsync<List<int>>(["k"])))["k"].Value.Add(4);
        (await Soon(cache.GetOrCreateManyAsync(["k"], NoLists)))["k"].Add(5);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task Changing_what_a_factory_made_changes_no_later_read()
    {
        var cache = await CreateAsync();
        var made = new List<int> { 1 };
        (await CreateOrGet(cache, "k", made, _isolated)).Add(2);
        made.Add(3);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task Callers_who_waited_for_one_factory_get_a_copy_each()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<List<int>>();
        var loads = Enumerable.Range(0, 4).Select(_ => cache.GetOrCreateAsync("k", held.RunAsync, _isolated).AsTask()).ToArray();
        await Soon(held.Started);
        held.Return([1]);

        var lists = await Soon(Task.WhenAll(loads));
        lists.Distinct(ReferenceEqualityComparer.Instance).Should().HaveCount(4);
        lists[0].Add(2);
        lists[1].Should().Equal(1);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task A_stale_value_that_stands_in_is_a_copy_too()
    {
        var cache = await CreateAsync();
        var options = new CacheEntryOptions { Isolate = true, Expiration = Seconds(1), StaleFor = Seconds(100) };
        await cache.SetAsync("k", new List<int> { 1 }, options);
        Clock.Advance(Seconds(2));
        for (var i = 0; i < 3; i++)
        {
            var list = await Soon(cache.GetOrCreateAsync<List<int>>("k", _ => throw new InvalidOperationException("down"), options));
            list.Should().Equal(1);
            list.Add(2);
        }
    }

    [Fact]
    public async Task Bytes_are_isolated_from_the_array_they_came_in_and_went_out_in()
    {
        var cache = await CreateAsync();
        byte[] bytes = [1, 2, 3];
        await cache.SetAsync("k", bytes, _isolated);
        bytes[0] = 9;
        (await Soon(cache.GetAsync<byte[]>("k"))).Value[1] = 9;
        (await Soon(cache.GetAsync<byte[]>("k"))).Value.Should().Equal(1, 2, 3);
    }

    [Fact]
    public async Task Isolation_reaches_the_depths_of_an_object()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", new Dictionary<string, List<int>> { ["a"] = [1] }, _isolated);
        (await Soon(cache.GetAsync<Dictionary<string, List<int>>>("k"))).Value["a"].Add(2);
        (await Soon(cache.GetAsync<Dictionary<string, List<int>>>("k"))).Value["a"].Should().Equal(1);
    }

    [Fact]
    public async Task Copies_lose_no_fields_tuples_or_recursion()
    {
        var cache = await CreateAsync();
        var value = new WithFields { Number = 1, Pair = (2, "three"), Next = new() { Number = 4 }, Table = new() { ["k"] = [5] } };
        await cache.SetAsync("k", value, _isolated);
        (await Soon(cache.GetAsync<WithFields>("k"))).Value.Should().BeEquivalentTo(value);

        await cache.SetAsync("t", Tuple.Create(1, new List<int> { 2 }), _isolated);
        (await Soon(cache.GetAsync<Tuple<int, List<int>>>("t"))).Value.Should().BeEquivalentTo(Tuple.Create(1, new List<int> { 2 }));
    }

    [Fact]
    public async Task A_cache_can_isolate_everything()
    {
        var cache = await CreateAsync(options => options.Cache.Isolation.IsolateAll = true);
        await cache.SetAsync("k", new List<int> { 1 });
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Add(2);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task A_cache_can_isolate_one_type()
    {
        var cache = await CreateAsync(options => options.Cache.Isolation.Isolate<List<int>>());
        await cache.SetAsync("k", new List<int> { 1 });
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Add(2);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task Copies_are_made_with_the_function_given_for_the_type()
    {
        var cache = await CreateAsync(options => options.Cache.Isolation.CopyWith<Uncopyable>(value => new(new MemoryStream(), value.Id)));
        await cache.SetAsync("k", new Uncopyable(new MemoryStream(), 7), new CacheEntryOptions { Tiers = CacheTiers.Memory });
        if (!HasMemory)
        {
            await ExpectMissAsync(cache, "k"); // what no store can hold
            return;
        }

        var one = (await Soon(cache.GetAsync<Uncopyable>("k"))).Value;
        var other = (await Soon(cache.GetAsync<Uncopyable>("k"))).Value;
        other.Should().NotBeSameAs(one);
        other.Id.Should().Be(7);
    }

    [Fact]
    public async Task A_value_that_cannot_be_copied_is_an_error_of_the_set_and_leaves_the_old_one()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        var act = () => Soon(cache.SetAsync("k", new Uncopyable(new MemoryStream(), 7), _isolated));
        (await act.Should().ThrowAsync<InvalidOperationException>()).WithMessage("*Uncopyable*CopyWith*");
        await ExpectAsync(cache, "k", 1);
    }

    [Fact]
    public async Task A_value_that_cannot_be_copied_is_an_error_of_the_get_or_create_after_one_run()
    {
        var cache = await CreateAsync();
        var runs = 0;
        var act = () => Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(new Uncopyable(new MemoryStream(), ++runs)), _isolated));
        await act.Should().ThrowAsync<InvalidOperationException>();
        runs.Should().Be(1);
        await ExpectMissAsync(cache, "k");
    }

    [Fact]
    public async Task One_value_of_many_that_cannot_be_copied_fails_the_call_but_the_others_are_stored()
    {
        var cache = await CreateAsync();
        var act = () => Soon(cache.GetOrCreateManyAsync(
            ["bad", "good"],
            (_, _) => ValueTask.FromResult<IReadOnlyDictionary<string, object>>(
                new Dictionary<string, object> { ["bad"] = new Uncopyable(new MemoryStream(), 1), ["good"] = new List<int> { 1 } }),
            _isolated));
        await act.Should().ThrowAsync<InvalidOperationException>();
        await ExpectMissAsync(cache, "bad");
        (await Soon(cache.GetAsync<List<int>>("good"))).Value.Should().Equal(1);
    }

    [Fact]
    public async Task Null_needs_no_copy()
    {
        var cache = await CreateAsync();
        await cache.SetAsync<List<int>?>("k", null, _isolated);
        await ExpectAsync<List<int>?>(cache, "k", null);
    }

    private static ValueTask<IReadOnlyDictionary<string, List<int>>> NoLists(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
        new(new Dictionary<string, List<int>>());

    /// <summary>A type whose state is in fields.</summary>
    public sealed class WithFields
    {
#pragma warning disable CA1051 // that its fields are visible is what the test is about
        public int Number;
        public (int, string) Pair;
        public WithFields? Next;
        public Dictionary<string, int[]>? Table;
#pragma warning restore CA1051
    }

    /// <summary>A type that no serializer can copy.</summary>
    public sealed class Uncopyable(Stream stream, int id)
    {
        public Stream Stream => stream;

        public int Id => id;
    }
}
