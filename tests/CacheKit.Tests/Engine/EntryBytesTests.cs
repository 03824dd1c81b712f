using CacheKit.Engine;
using CacheKit.Engine.Tiers;
using CacheKit.Memory;
using CacheKit.Stores;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Engine;

/// <summary>What an entry has beside its value counts against a bound in bytes.</summary>
public sealed class EntryBytesTests
{
    private static readonly CacheEntryOptions _defaults = new();

    public static TheoryData<CacheEntryOptions, bool> Kinds { get; } = new()
    {
        { new() { Tags = ["a", "b"] }, false },
        { new() { SlidingExpiration = TimeSpan.FromMinutes(1) }, false },
        { new() { SlidingExpiration = TimeSpan.FromMinutes(1) }, true },
        { new() { SlidingExpiration = TimeSpan.FromMinutes(1), Expiration = TimeSpan.FromHours(1) }, false },
        { new() { StaleFor = TimeSpan.FromMinutes(1), Expiration = TimeSpan.FromHours(1), Tags = ["a"] }, false },
        { new() { RefreshAheadThreshold = 0.5, Expiration = TimeSpan.FromHours(1) }, false },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Details_count_as_what_they_take(CacheEntryOptions options, bool hasStores)
    {
        Allocated(options, hasStores, out _); // what is made once for all
        var taken = Allocated(options, hasStores, out var details) - Allocated(_defaults, hasStores: false, out _);
        details!.Bytes.Should().Be(taken); // these have them
    }

    [Fact]
    public async Task They_weigh_against_the_bound_unless_the_caller_says_what_an_entry_weighs()
    {
        (await WeightAsync(new() { Tags = ["a"] }) - await WeightAsync(_defaults)).Should().Be(64);
        (await WeightAsync(new() { Tags = ["a"], StaleFor = TimeSpan.FromHours(1) }) - await WeightAsync(_defaults)).Should().Be(120);
        (await WeightAsync(new() { Tags = ["a"], Size = 10 })).Should().Be(10);
        (await WeightAsync(new() { Tags = ["a"] }, static (_, _) => 20)).Should().Be(20);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task So_does_what_an_entry_of_a_store_has(bool isMade)
    {
        // An object with the stamp of the store, beside that of the details.
        (await WeightAsync(_defaults, null, isMade, new InMemoryStore(TimeProvider.System)) - await WeightAsync(_defaults)).Should().Be(64 + 56);
    }

    private static async Task<long> WeightAsync(CacheEntryOptions options, Func<string, object?, long>? sizeOf = null, bool isMade = false, params ICacheStore[] stores)
    {
        await using var cache = new Cache(
            "test", new(), new() { MaximumBytes = 10_000, SizeOf = sizeOf }, TimeProvider.System, NullLogger.Instance, [], meters: null,
            stores: [.. stores.Select(static store => new StoreSetup(store, new CacheStoreOptions()))]);
        _ = isMade ? await cache.GetOrCreateAsync("k", static _ => ValueTask.FromResult("value"), options) : "";
        await (isMade ? default : cache.SetAsync("k", "value", options));
        cache.Verify();
        return cache.GetStatistics().Weight;
    }

    private static long Allocated(CacheEntryOptions options, bool hasStores, out EntryDetails? details)
    {
        var settings = EntrySettings.For(options, _defaults);
        var before = GC.GetAllocatedBytesForCurrentThread();
        MemoryEntry entry = settings.NeedsDetails ? new DetailedEntry<string>("k", "value") : new MemoryEntry<string>("k", "value");
        settings.Apply(entry, CacheClock.System, hasStores);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        details = entry.Details;
        return allocated;
    }
}
