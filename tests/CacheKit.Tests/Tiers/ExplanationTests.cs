using System.Text.Json;
using CacheKit.Engine;
using CacheKit.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;
using StoreOperations = CacheKit.Testing.Stores.StoreOperations;

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
    public async Task What_memory_has_refused_is_told_apart_from_what_was_never_there()
    {
        await using var cache = new Cache(
            "small", new CacheKitOptions(), new MemoryOptions { MaximumBytes = 1024, MemoryPressureShare = 1 }, Clock, NullLogger.Instance, [], meters: null);
        await cache.SetAsync("heavy", 1, new CacheEntryOptions { Size = 10 });
        await cache.SetAsync("heavy", 2, new CacheEntryOptions { Size = 5000 });
        Clock.Advance(TimeSpan.FromSeconds(4));
        var explanation = await cache.ExplainAsync("heavy");
        explanation.RefusedByMemoryAgo.Should().Be(TimeSpan.FromSeconds(4));
        explanation.LeftMemoryBecause.Should().BeNull("what came last explains why there is nothing");
        explanation.LeftMemoryAgo.Should().BeNull();
        explanation.ToString().Should().Contain("refused by memory 00:00:04 ago");
        (await cache.ExplainAsync("other")).RefusedByMemoryAgo.Should().BeNull();
        await cache.SetAsync("heavy", 3, new CacheEntryOptions { Size = 10 });
        (await cache.ExplainAsync("heavy")).RefusedByMemoryAgo.Should().BeNull();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task How_long_a_factory_that_has_failed_is_left_alone_is_told(bool withoutMemory)
    {
        var cache = Create(hasMemory: !withoutMemory, configure: null, Far());
        var options = new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), RefreshAheadThreshold = 0.5, RetryAfterFailure = TimeSpan.FromSeconds(30) };
        await cache.SetAsync("k", 1, options);
        (await cache.ExplainAsync("k")).RetryIn.Should().BeNull();
        Clock.Advance(TimeSpan.FromSeconds(40));
        await cache.GetOrCreateAsync<int>("k", _ => throw new InvalidOperationException("no"), options);
        await Waiting.UntilAsync(async () => (await cache.ExplainAsync("k")).RetryIn is not null, what: "it fails in the background");
        Clock.Advance(TimeSpan.FromSeconds(10));
        var explanation = await cache.ExplainAsync("k");
        explanation.RetryIn.Should().Be(TimeSpan.FromSeconds(20));
        explanation.ToString().Should().Contain("tried again in 00:00:20");
    }

    [Fact]
    public async Task A_value_that_stands_in_is_said_to()
    {
        var cache = Create(Far());
        var options = new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(1), RetryAfterFailure = TimeSpan.FromSeconds(30) };
        await cache.SetAsync("k", 1, options);
        Clock.Advance(TimeSpan.FromMinutes(2));
        (await cache.ExplainAsync("k")).ToString().Should().StartWith($"miss{Environment.NewLine}", "the next caller's factory is called");
        (await cache.GetOrCreateAsync<int>("k", _ => throw new InvalidOperationException("no"), options)).Should().Be(1);
        (await cache.ExplainAsync("k")).ToString().Should().StartWith("miss, but a value past its time stands in");
    }

    [Fact]
    public async Task What_memory_alone_was_given_is_told()
    {
        var cache = Create(Far());
        await cache.SetAsync("alone", 1, new CacheEntryOptions { Tiers = CacheTiers.Memory });
        await cache.SetAsync("both", 1);
        var explanation = await cache.ExplainAsync("alone");
        explanation.Tiers[0].IsOfMemoryAlone.Should().BeTrue();
        explanation.Tiers[1].IsOfMemoryAlone.Should().BeFalse();
        explanation.ToString().Should().Contain("memory: Fresh, never expires").And.Contain("stored in no other tier").And.Contain("far: Missing");
        (await cache.ExplainAsync("both")).Tiers.Should().OnlyContain(tier => !tier.IsOfMemoryAlone);
    }

    [Fact]
    public async Task A_change_that_a_store_could_not_be_told_yet_is_told()
    {
        var faulty = FaultyStore.Wrap(Far());
        var cache = Create(faulty);
        await cache.SetAsync("k", 1);
        faulty.Inject(StoreOperations.All, StoreFault.Fail());
        await cache.SetAsync("k", 2);
        var during = await cache.ExplainAsync("k");
        during.Tiers[1].Finding.Should().Be(CacheTierFinding.Unreachable);
        during.Tiers[1].IsChangePending.Should().BeTrue();
        during.ToString().Should().Contain("a change of the key is still to be sent");
        (await cache.ExplainAsync("other")).Tiers[1].IsChangePending.Should().BeFalse();
    }

    [Fact]
    public async Task It_reads_as_sentences_do()
    {
        var cache = Create(Far());
        await cache.RemoveByTagAsync("t");
        Clock.Advance(TimeSpan.FromSeconds(90));
        await cache.SetAsync("k", 1, new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(1), StaleFor = TimeSpan.FromHours(1), Tags = ["t"] });
        Clock.Advance(TimeSpan.FromMilliseconds(1500));
        var text = (await cache.ExplainAsync("k")).ToString();
        text.Should().Contain("memory: Fresh, expires in 00:00:58.5").And.Contain("far: Fresh, made 00:00:01.5 ago, expires in 00:00:58.5");
        text.Should().Contain("tag 't', last removed or expired 00:01:31 ago, before the entry was made");
        Clock.Advance(TimeSpan.FromMinutes(3));
        (await cache.ExplainAsync("k")).ToString().Should().Contain("memory: Stale, expired 00:02:01 ago");
        await cache.SetAsync("k", 1);
        (await cache.ExplainAsync("k")).ToString().Should().Contain("memory: Fresh, never expires");
        await cache.SetAsync("k", 1, TimeSpan.FromSeconds(1));
        Clock.Advance(TimeSpan.FromSeconds(3));
        (await cache.ExplainAsync("k")).ToString().Should().Contain("memory: Missing, expired 00:00:02 ago");
        await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] });
        await cache.RemoveByTagAsync("t");
        (await cache.ExplainAsync("k")).ToString().Should().Contain($"memory: Missing{Environment.NewLine}");
    }

    [Fact]
    public async Task It_can_be_read_as_json_too()
    {
        var cache = Create(Far());
        await cache.SetAsync("k", 1);
        await cache.RemoveAsync("k");
        JsonSerializer.Serialize(await cache.ExplainAsync("k")).Should().Contain("\"Finding\":\"Missing\"").And.Contain("\"LeftMemoryBecause\":\"Removed\"");
        JsonSerializer.Serialize(cache.GetStatistics()).Should().Contain("\"Circuit\":\"Closed\"");
    }

    [Fact]
    public async Task What_is_there_and_cannot_be_read_is_no_hit_and_says_why()
    {
        var writer = Create(hasMemory: false, configure: null, Far());
        await writer.SetAsync("k", new Pair(1, 2));
        await writer.SetAsync<Pair?>("null", null);

        // As in another version of the program: the members have other names.
        var renamed = new CacheKitOptions();
        renamed.Serialization.JsonSerializerOptions = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseUpper };
        await using var reader = Reading(renamed);
        (await reader.ExplainAsync("k")).IsHit.Should().BeTrue("it does not know the type yet");
        (await reader.GetAsync<Pair>("k")).IsHit.Should().BeFalse();
        var explanation = await reader.ExplainAsync("k");
        explanation.IsHit.Should().BeFalse();
        explanation.Tiers[0].Finding.Should().Be(CacheTierFinding.Unreadable);
        explanation.Tiers[0].UnreadableBecause.Should().Be("its type has another shape now than when it was stored");
        explanation.ToString().Should().StartWith("miss").And.Contain("far: Unreadable").And.Contain("another shape");
        (await reader.ExplainAsync("null")).IsHit.Should().BeTrue("a null has no shape");

        var custom = new CacheKitOptions();
        custom.Serialization.UseFor<Pair>("mine", static (_, _) => { }, static _ => new(0, 0));
        await using var other = Reading(custom);
        (await other.ExplainAsync("k")).Tiers[0].UnreadableBecause.Should().Contain("another serializer");

        var encrypted = new CacheKitOptions();
        encrypted.Serialization.Encryption = new("key", new byte[32]);
        await using var secret = Reading(encrypted);
        (await secret.ExplainAsync("k")).Tiers[0].UnreadableBecause.Should().Contain("not encrypted");
        await secret.SetAsync("secret", 1);
        (await secret.ExplainAsync("secret")).IsHit.Should().BeTrue();
        var rotated = new CacheKitOptions();
        rotated.Serialization.Encryption = new("another", new byte[32]);
        await using var next = Reading(rotated);
        (await next.ExplainAsync("secret")).Tiers[0].UnreadableBecause.Should().Contain("a key that is not there");

        (await writer.ExplainAsync("k")).IsHit.Should().BeTrue();
        (await writer.ExplainAsync("k")).Tiers[0].UnreadableBecause.Should().BeNull();

        Cache Reading(CacheKitOptions options) => new(
            "tiers", options, new MemoryOptions(), Clock, NullLogger.Instance, [], meters: null, stores: [new(Far(), new CacheStoreOptions())], hasMemory: false);
    }

    private sealed record Pair(int FirstOne, int SecondOne);

    [Fact]
    public async Task A_key_never_seen_is_missing_everywhere()
    {
        var explanation = await Create(Far()).ExplainAsync("never");
        explanation.Tiers.Should().OnlyContain(tier => tier.Finding == CacheTierFinding.Missing);
        explanation.LeftMemoryBecause.Should().BeNull();
        explanation.IsBeingCreated.Should().BeFalse();
    }
}
