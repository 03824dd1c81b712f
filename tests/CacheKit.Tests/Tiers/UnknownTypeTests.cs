namespace CacheKit.Tests.Tiers;

/// <summary>A process may change the life of an entry whose type it has never used.</summary>
public sealed class UnknownTypeTests : TieredCaches
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_sliding_entry_gets_a_fixed_time_to_live(bool hasMemory)
    {
        var writer = Create(hasMemory: false, configure: null, Far());
        await writer.SetAsync("k", new Order("o-1", 3), new CacheEntryOptions { SlidingExpiration = TimeSpan.FromMinutes(5), Tags = ["orders"] });

        var other = Create(hasMemory, configure: null, Far());
        (await other.SetTimeToLiveAsync("k", TimeSpan.FromMinutes(2))).Should().BeTrue();
        (await writer.GetTimeToLiveAsync("k")).Should().Be(TimeSpan.FromMinutes(2));
        Clock.Advance(TimeSpan.FromMinutes(1));
        (await writer.GetAsync<Order>("k")).Value.Should().Be(new Order("o-1", 3));
        (await writer.GetTimeToLiveAsync("k")).Should().Be(TimeSpan.FromMinutes(1), "reads renew it no more");
        var reader = Create(hasMemory: true, configure: null, Far());
        (await reader.GetAsync<Order>("k")).IsHit.Should().BeTrue();
        await reader.RemoveByTagAsync("orders");
        (await reader.GetAsync<Order>("k", new CacheEntryOptions { Tiers = CacheTiers.Memory }, default)).IsHit.Should().BeFalse("it has kept its tags");
        (await writer.GetAsync<Order>("k")).IsHit.Should().BeFalse();
    }

    private sealed record Order(string Id, int Lines);
}
