using CacheKit.Stores;
using CacheKit.Testing.Stores;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

namespace CacheKit.Tests.Tiers;

/// <summary>Adding a value where the store fails, or does not take it.</summary>
public sealed class AddFaultTests : TieredCaches
{
    [Fact]
    public async Task An_add_that_meets_one_fault_does_not_replace_what_is_there()
    {
        var faulty = FaultyStore.Wrap(Far());
        await Create(Far()).SetAsync("k", "first");
        var cache = Create(faulty);
        faulty.Inject(StoreOperations.Write, StoreFault.Fail(), times: 1);
        await cache.TryAddAsync("k", "second");
        (await Create(Far()).GetAsync<string>("k")).Value.Should().Be("first");
    }

    [Fact]
    public async Task An_add_goes_by_the_sizes_a_store_takes()
    {
        var far = Far();
        var cache = Create(hasMemory: true, static options => options.MaximumEntryBytes = 500, far);
        await cache.SetAsync("set", new string('x', 2_000));
        await cache.TryAddAsync("added", new string('x', 2_000));
        (await IsInAsync(far, "set")).Should().BeFalse();
        (await IsInAsync(far, "added")).Should().BeFalse();
    }
}
