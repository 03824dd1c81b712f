using System.ComponentModel;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That the memory tier hands out the object it holds wherever that is allowed: there, a hit must cost no copy.</summary>
/// <remarks>Only for caches with a memory tier.</remarks>
public abstract class SharedValueContract : CacheContract
{
    [Fact]
    public async Task Without_isolation_every_caller_gets_the_object_that_was_stored()
    {
        var cache = await CreateAsync();
        var list = new List<int> { 1 };
        await cache.SetAsync("k", list);
        (await Soon(cache.GetAsync<List<int>>("k"))).Value.Should().BeSameAs(list);
        (await CreateOrGet(cache, "k", new List<int>())).Should().BeSameAs(list);
    }

    [Fact]
    public async Task Text_is_never_copied() => await SharedAsync(new string('x', 3), new() { Isolate = true });

    [Fact]
    public async Task A_sealed_record_of_immutable_parts_is_never_copied() => await SharedAsync(new Immutable(1, "a"), new() { Isolate = true });

    [Fact]
    public async Task A_sealed_type_marked_as_immutable_is_never_copied() => await SharedAsync(new Marked(), new() { Isolate = true });

    [Fact]
    public async Task A_type_declared_as_shared_is_never_copied() =>
        await SharedAsync(new List<int>(), options: null, setup =>
        {
            setup.Cache.Isolation.IsolateAll = true;
            setup.Cache.Isolation.Share<List<int>>();
        });

    [Fact]
    public async Task An_entry_can_opt_out_of_the_isolation_of_its_cache() =>
        await SharedAsync(new List<int>(), new() { Isolate = false }, setup => setup.Cache.Isolation.IsolateAll = true);

    [Fact]
    public async Task Types_that_can_change_are_not_taken_for_immutable()
    {
        var cache = await CreateAsync(setup => setup.Cache.Isolation.IsolateAll = true);
        await CopiedAsync(cache, new Open { Number = 1 });
        await CopiedAsync(cache, new[] { 1 });
        await CopiedAsync(cache, new RecordOfList([1]));
        await CopiedAsync(cache, new Dictionary<string, int> { ["a"] = 1 });
        await CopiedAsync<object>(cache, new Open { Number = 1 });
        await CopiedAsync<IReadOnlyList<int>>(cache, new List<int> { 1 });
    }

    private static async Task CopiedAsync<T>(ICache cache, T value)
        where T : class
    {
        await cache.SetAsync("k", value);
        var copy = (await Soon(cache.GetAsync<T>("k"))).Value;
        copy.Should().NotBeSameAs(value);
        copy.Should().BeEquivalentTo(value);
    }

    private async Task SharedAsync<T>(T value, CacheEntryOptions? options, Action<CacheContractOptions>? configure = null)
        where T : class
    {
        var cache = await CreateAsync(configure);
        await cache.SetAsync("k", value, options);
        (await Soon(cache.GetAsync<T>("k"))).Value.Should().BeSameAs(value);
        (await CreateOrGet(cache, "m", value, options)).Should().BeSameAs(value);
        (await Soon(cache.GetAsync<T>("m"))).Value.Should().BeSameAs(value);
    }

    /// <summary>Nobody can change one of these.</summary>
    public sealed record Immutable(int Number, string Text);

    /// <summary>A record, but of something that can change.</summary>
    public sealed record RecordOfList(List<int> Numbers);

    /// <summary>A class that can change.</summary>
    public sealed class Open
    {
        public int Number { get; set; }
    }

    /// <summary>Its author vouches for it.</summary>
    [ImmutableObject(true)]
    public sealed class Marked
    {
        public List<int> Numbers { get; } = [];
    }
}
