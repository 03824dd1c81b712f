using CacheKit.Stores;

namespace CacheKit.Tests.Tiers;

/// <summary>Which tiers an entry is read from and written to: by the call, by its size, by its lifetimes.</summary>
public sealed class TierChoiceTests : TieredCaches
{
    [Fact]
    public async Task A_value_goes_to_every_tier()
    {
        var (near, far) = (Near(), Far());
        var cache = Create(near, far);
        await cache.GetOrCreateAsync("k", _ => Make(1));
        (await IsInAsync(near, "k")).Should().BeTrue();
        (await IsInAsync(far, "k")).Should().BeTrue();
        cache.GetStatistics().Entries.Should().Be(1);
    }

    [Fact]
    public async Task What_another_node_has_stored_is_found_and_fills_the_nearer_tiers()
    {
        var near = Near();
        await Create(Far()).SetAsync("k", 1);
        var cache = Create(near, Far());
        (await cache.GetOrCreateAsync("k", _ => Make(2))).Should().Be(1);
        (await IsInAsync(near, "k")).Should().BeTrue();
        cache.GetStatistics().Hits.Should().Be(1);
        cache.GetStatistics().FactoryRuns.Should().Be(0);
    }

    [Theory]
    [InlineData(CacheTiers.All & ~CacheTiers.WriteMemory, false, true, true)]
    [InlineData(CacheTiers.All & ~CacheTiers.WriteNear, true, false, true)]
    [InlineData(CacheTiers.All & ~CacheTiers.WriteFar, true, true, false)]
    [InlineData(CacheTiers.Memory, true, false, false)]
    [InlineData(CacheTiers.None, false, false, false)]
    public async Task A_call_chooses_the_tiers_it_writes(CacheTiers tiers, bool memory, bool inNear, bool inFar)
    {
        var (near, far) = (Near(), Far());
        var cache = Create(near, far);
        (await cache.GetOrCreateAsync("k", _ => Make(1), new CacheEntryOptions { Tiers = tiers })).Should().Be(1);
        cache.GetStatistics().Entries.Should().Be(memory ? 1 : 0);
        (await IsInAsync(near, "k")).Should().Be(inNear);
        (await IsInAsync(far, "k")).Should().Be(inFar);
    }

    [Fact]
    public async Task A_call_chooses_the_tiers_it_reads()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", 1);
        (await cache.GetOrCreateAsync("k", _ => Make(2), new CacheEntryOptions { Tiers = CacheTiers.None })).Should().Be(2);
        (await cache.GetAsync<int>("k", new CacheEntryOptions { Tiers = CacheTiers.Stores }, default)).Value.Should().Be(1);
        (await cache.GetAsync<int>("k")).Value.Should().Be(1);
    }

    [Fact]
    public async Task What_is_set_in_memory_alone_leaves_nothing_older_in_the_stores()
    {
        var (near, far) = (Near(), Far());
        var cache = Create(near, far);
        await cache.GetOrCreateAsync("k", _ => Make(1));
        await cache.SetAsync("k", 2, new CacheEntryOptions { Tiers = CacheTiers.Memory });
        (await IsInAsync(near, "k")).Should().BeFalse();
        (await IsInAsync(far, "k")).Should().BeFalse();
        (await cache.GetAsync<int>("k")).Value.Should().Be(2);
    }

    [Fact]
    public async Task Calls_that_want_different_tiers_do_not_share_a_factory()
    {
        var cache = Create(Far());
        var gate = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var stored = cache.GetOrCreateAsync("k", async _ => await gate.Task).AsTask();
        var passing = await cache.GetOrCreateAsync("k", _ => Make(2), new CacheEntryOptions { Tiers = CacheTiers.None });
        passing.Should().Be(2);
        gate.SetResult(1);
        (await stored).Should().Be(1);
        (await cache.GetAsync<int>("k")).Value.Should().Be(1);
    }

    [Fact]
    public async Task A_store_takes_only_what_fits_it()
    {
        var (near, far) = (Near(), Far());
        var cache = Create(hasMemory: true, options => options.MaximumEntryBytes = 2_000, near, far);
        await cache.GetOrCreateAsync("small", _ => ValueTask.FromResult(new byte[100]));
        (await cache.GetOrCreateAsync("large", _ => ValueTask.FromResult(new byte[5_000]), new CacheEntryOptions { Compress = false })).Should().HaveCount(5_000);
        (await IsInAsync(far, "small")).Should().BeTrue();
        (await IsInAsync(far, "large")).Should().BeFalse();
        (await cache.GetAsync<byte[]>("large")).IsHit.Should().BeTrue();
        await cache.SetAsync("small", new byte[5_000], new CacheEntryOptions { Compress = false });
        (await IsInAsync(far, "small")).Should().BeFalse("what was there before is out of date");
    }

    [Fact]
    public async Task What_a_token_ends_is_kept_in_memory_alone()
    {
        var far = Far();
        var cache = Create(far);
        using var source = new CancellationTokenSource();
        var token = new Microsoft.Extensions.Primitives.CancellationChangeToken(source.Token);
        await cache.SetAsync("k", 1, new CacheEntryOptions { ExpirationTokens = [token] });
        (await IsInAsync(far, "k")).Should().BeFalse();
        await source.CancelAsync();
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Memory_lives_no_longer_than_the_last_store_says()
    {
        await Create(Far()).SetAsync("k", 1, TimeSpan.FromSeconds(30));
        Clock.Advance(TimeSpan.FromSeconds(20));
        var cache = Create(Far());
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
        Clock.Advance(TimeSpan.FromSeconds(10));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task Memory_asks_again_after_its_own_time_and_does_not_read_what_has_not_changed()
    {
        var far = Far();
        var cache = Create(far);
        var options = new CacheEntryOptions { MemoryExpiration = TimeSpan.FromSeconds(5), Expiration = TimeSpan.FromMinutes(1) };
        var value = await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(new List<int> { 1 }), options);
        Clock.Advance(TimeSpan.FromSeconds(5));
        (await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(new List<int>()), options)).Should().BeSameAs(value, "the store has confirmed it by its stamp");
        (await cache.GetTimeToLiveAsync("k")).Should().Be(TimeSpan.FromSeconds(55));
        Clock.Advance(TimeSpan.FromSeconds(5));
        await far.InvalidateAsync("k", InvalidationKind.Remove, default);
        (await cache.GetAsync<List<int>>("k")).IsHit.Should().BeFalse();
    }

    [Fact]
    public async Task A_store_may_keep_entries_for_a_shorter_time()
    {
        var far = Far();
        var cache = Create(hasMemory: false, options => options.MaximumExpiration = TimeSpan.FromSeconds(10), far);
        await cache.SetAsync("k", 1, TimeSpan.FromMinutes(1));
        Clock.Advance(TimeSpan.FromSeconds(9));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeTrue();
        Clock.Advance(TimeSpan.FromSeconds(1));
        (await cache.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }
}
