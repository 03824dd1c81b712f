using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Calls with many keys reach a store that takes many at once in few calls; one that cannot, or fails, loses nothing by it.</summary>
public sealed class ManyKeysTests : TieredCaches
{
    private static readonly string[] _keys = [.. Enumerable.Range(0, 600).Select(i => $"k{i}")];

    [Fact]
    public async Task Values_set_at_once_go_to_the_store_at_once()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        faulty.Inject(StoreOperations.Write | StoreOperations.Invalidate, StoreFault.Fail());
        (await cache.SetManyAsync(_keys.Select((key, i) => KeyValuePair.Create(key, i)))).Should().Be(_keys.Length);
        cache.GetStatistics().Tiers[0].Failures.Should().Be(0);
        cache.GetStatistics().Sets.Should().Be(_keys.Length);
        var found = await Create(Far()).GetManyAsync<int>(_keys);
        found["k0"].Value.Should().Be(0);
        found["k599"].Value.Should().Be(599);

        (await cache.RemoveManyAsync(_keys)).Should().Be(_keys.Length);
        cache.GetStatistics().Tiers[0].Failures.Should().Be(0);
        (await Create(Far()).GetManyAsync<int>(_keys)).Values.Should().OnlyContain(lookup => !lookup.IsHit);
    }

    [Fact]
    public async Task What_is_too_large_for_the_store_leaves_nothing_older_there()
    {
        var cache = Create(hasMemory: true, options => options.MaximumEntryBytes = 1000, Far());
        await cache.SetAsync("large", "before");
        (await cache.SetManyAsync([KeyValuePair.Create("large", new string('x', 5000)), KeyValuePair.Create("small", "s")])).Should().Be(2);
        (await IsInAsync(Far(), "large")).Should().BeFalse();
        (await IsInAsync(Far(), "small")).Should().BeTrue();
        (await cache.GetAsync<string>("large")).Value.Should().HaveLength(5000);
    }

    [Fact]
    public async Task Near_stores_forget_what_was_set_or_removed()
    {
        var (near, far) = (Near(), Far());
        var cache = Create(near, far);
        await cache.GetOrCreateAsync("a", _ => Make(1));
        await cache.GetOrCreateAsync("b", _ => Make(1));
        await cache.SetManyAsync([KeyValuePair.Create("a", 2), KeyValuePair.Create("c", 2)]);
        (await IsInAsync(near, "a")).Should().BeFalse();
        (await cache.RemoveManyAsync(["b", "nothing"])).Should().Be(1);
        (await IsInAsync(near, "b")).Should().BeFalse();
        (await Create(near, Far()).GetAsync<int>("a")).Value.Should().Be(2);
    }

    [Fact]
    public async Task What_could_not_be_sent_at_once_is_sent_later()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.SetManyAsync([KeyValuePair.Create("a", 1), KeyValuePair.Create("b", 1)]);
        faulty.Inject(StoreOperations.All, StoreFault.Fail());
        (await cache.SetManyAsync([KeyValuePair.Create("a", 2), KeyValuePair.Create("c", 2)])).Should().Be(2);
        (await cache.RemoveManyAsync(["b", "nothing"])).Should().Be(1);
        (await cache.GetAsync<int>("a")).Value.Should().Be(2);
        faulty.Heal();
        await Waiting.UntilAsync(() => cache.GetStatistics().Tiers[0].PendingRecoveries == 0, () => Clock.Advance(TimeSpan.FromSeconds(1)));

        var other = Create(Far());
        (await other.GetAsync<int>("a")).Value.Should().Be(2);
        (await other.GetAsync<int>("b")).IsHit.Should().BeFalse();
        (await other.GetAsync<int>("c")).Value.Should().Be(2);
    }

    [Fact]
    public async Task One_value_that_cannot_be_stored_leaves_all_as_it_was()
    {
        var cache = Create(Far());
        await cache.SetAsync<object>("a", "before");
        var set = () => cache.SetManyAsync<object>([KeyValuePair.Create<string, object>("a", "after"), KeyValuePair.Create<string, object>("b", new Action(() => { }))]).AsTask();
        await set.Should().ThrowAsync<CacheSerializationException>();
        (await cache.GetAsync<object>("a")).Value.Should().Be("before");
        (await cache.ExistsAsync("b")).Should().BeFalse();
    }
}
