namespace CacheKit.Tests.Tiers;

/// <summary>What a cache tells of a key, and that telling changes nothing.</summary>
public sealed class ExplanationTests : TieredCaches
{
    [Fact]
    public async Task Every_tier_tells_what_it_has()
    {
        var cache = Create(Near(), Far());
        await cache.GetOrCreateAsync("k", _ => Make(1), new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), Tags = ["t"] });
        Clock.Advance(TimeSpan.FromSeconds(10));
        var explanation = await cache.ExplainAsync("k");
        explanation.IsHit.Should().BeTrue();
        explanation.Tiers.Select(tier => tier.Name).Should().Equal("memory", "near", "far");
        explanation.Tiers.Should().OnlyContain(tier => tier.Finding == CacheTierFinding.Fresh && tier.TimeToLive == TimeSpan.FromSeconds(50));
        explanation.Tiers[2].Age.Should().Be(TimeSpan.FromSeconds(10));
        explanation.Tiers[2].TypeName.Should().Contain("Int32");
        explanation.Tags.Should().ContainSingle();
        explanation.Tags["t"].Should().BeNull();
        cache.GetStatistics().Hits.Should().Be(0);
    }

    [Fact]
    public async Task Why_memory_does_not_hold_it_any_more_is_told()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", 1);
        await cache.RemoveAsync("k");
        Clock.Advance(TimeSpan.FromSeconds(3));
        var explanation = await cache.ExplainAsync("k");
        explanation.IsHit.Should().BeFalse();
        explanation.LeftMemoryBecause.Should().Be(CacheEntryEndReason.Removed);
        explanation.LeftMemoryAgo.Should().Be(TimeSpan.FromSeconds(3));
        explanation.ToString().Should().Contain("Removed").And.Contain("far: Missing");
    }

    [Fact]
    public async Task When_a_tag_was_removed_last_is_told()
    {
        var cache = Create(Far());
        await cache.RemoveByTagAsync("t");
        Clock.Advance(TimeSpan.FromSeconds(5));
        await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] });
        (await cache.ExplainAsync("k")).Tags["t"].Should().Be(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task What_was_expired_on_request_has_no_time_left_and_not_less_than_since_then()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(1) });
        await cache.ExpireAsync("k");
        Clock.Advance(TimeSpan.FromSeconds(5));
        var explanation = await cache.ExplainAsync("k");
        explanation.Tiers.Should().OnlyContain(tier => tier.Finding == CacheTierFinding.Stale && tier.TimeToLive <= TimeSpan.Zero && tier.TimeToLive >= TimeSpan.FromSeconds(-5));
    }

    [Fact]
    public async Task A_key_never_seen_is_missing_everywhere()
    {
        var explanation = await Create(Far()).ExplainAsync("never");
        explanation.Tiers.Should().OnlyContain(tier => tier.Finding == CacheTierFinding.Missing);
        explanation.LeftMemoryBecause.Should().BeNull();
        explanation.IsBeingCreated.Should().BeFalse();
    }
}
