using CacheKit.Stores;
using CacheKit.Testing.Stores;

namespace CacheKit.Tests.Tiers;

/// <summary>What a node holds in memory follows what others change, and is doubted when that may have gone unheard.</summary>
public sealed class NodeMessageTests : TieredCaches
{
    [Fact]
    public async Task A_removal_on_one_node_ends_what_the_other_holds()
    {
        var (one, other) = (Create(Far()), Create(Near(), Far()));
        await one.SetAsync("k", 1);
        (await other.GetAsync<int>("k")).Value.Should().Be(1);
        await one.RemoveAsync("k");
        (await other.GetAsync<int>("k")).IsHit.Should().BeFalse();
    }

    [Theory]
    [InlineData("tag")]
    [InlineData("set")]
    [InlineData("clear")]
    [InlineData("expire")]
    public async Task So_does_every_other_change(string way)
    {
        var (one, other) = (Create(Far()), Create(Near(), Far()));
        await one.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] });
        (await other.GetAsync<int>("k")).Value.Should().Be(1);
        switch (way)
        {
            case "tag":
                await one.RemoveByTagAsync("t");
                break;
            case "set":
                await one.SetAsync("k", 2);
                break;
            case "clear":
                await one.ClearAsync();
                break;
            default:
                await one.ExpireAsync("k");
                break;
        }

        var lookup = await other.GetAsync<int>("k");
        (lookup.IsHit ? lookup.Value : 0).Should().Be(way == "set" ? 2 : 0);
    }

    [Fact]
    public async Task After_an_interruption_what_was_held_is_compared_and_kept_if_it_still_stands()
    {
        var handle = Far();
        var (one, other) = (Create(Far()), Create(handle));
        await one.SetAsync("kept", new List<int> { 1 });
        await one.SetAsync("gone", 1);
        var kept = (await other.GetAsync<List<int>>("kept")).Value;
        (await other.GetAsync<int>("gone")).IsHit.Should().BeTrue();
        handle.Feed.Interrupt();
        await one.RemoveAsync("gone");
        handle.Feed.Reconnect(isComplete: false);
        (await other.GetAsync<int>("gone")).IsHit.Should().BeFalse();
        (await other.GetAsync<List<int>>("kept")).Value.Should().BeSameAs(kept);
    }

    [Fact]
    public async Task A_near_store_does_not_serve_what_was_removed_while_its_process_was_down()
    {
        var disk = new InMemoryStoreState();
        var before = Create(new InMemoryStore(disk, Clock) { Name = "near" }, Far());
        await before.GetOrCreateAsync("gone", _ => Make(1));
        await before.GetOrCreateAsync("kept", _ => Make(1));
        await before.DisposeAsync();
        await Create(Far()).RemoveAsync("gone");
        var after = Create(new InMemoryStore(disk, Clock) { Name = "near" }, Far());
        (await after.GetAsync<int>("gone")).IsHit.Should().BeFalse();
        (await after.GetAsync<int>("kept")).IsHit.Should().BeTrue();
        after.GetStatistics().Tiers[0].Hits.Should().Be(2, "both were read from the near store, and compared");
    }

    [Fact]
    public async Task Without_messages_a_change_is_noticed_within_the_bound()
    {
        var (one, other) = (Create(new PlainStore(Far())), Create(new PlainStore(Far())));
        await one.SetAsync("k", 1);
        (await other.GetAsync<int>("k")).Value.Should().Be(1);
        await one.SetAsync("k", 2);
        (await other.GetAsync<int>("k")).Value.Should().Be(1, "nobody has told");
        Clock.Advance(new CacheStoreOptions().MaximumStalenessWhenDisconnected);
        (await other.GetAsync<int>("k")).Value.Should().Be(2);
    }

    [Fact]
    public async Task One_node_makes_a_value_and_the_others_wait_for_it()
    {
        static void Lock(CacheStoreOptions options) => options.UseDistributedLock = true;
        var (one, other) = (Create(hasMemory: true, Lock, Far()), Create(hasMemory: true, Lock, Far()));
        var gate = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = one.GetOrCreateAsync("k", async _ => await gate.Task).AsTask();
        var second = other.GetOrCreateAsync("k", _ => Make(2)).AsTask();
        second.IsCompleted.Should().BeFalse();
        gate.SetResult(1);
        (await first).Should().Be(1);
        Clock.Advance(TimeSpan.FromSeconds(1));
        (await second.WaitAsync(TimeSpan.FromSeconds(30))).Should().Be(1);
        other.GetStatistics().FactoryRuns.Should().Be(0);
    }

    [Fact]
    public async Task A_node_that_died_with_the_lock_blocks_nobody_for_longer_than_its_lease()
    {
        static void Lock(CacheStoreOptions options) => options.UseDistributedLock = true;
        var dead = Far();
        (await ((ILockStore)dead).TryLockAsync("k", TimeSpan.FromSeconds(30), default)).Should().NotBeNull();
        var cache = Create(hasMemory: true, Lock, Far());
        var waiting = cache.GetOrCreateAsync("k", _ => Make(1)).AsTask();
        for (var i = 0; i < 1_000 && !waiting.IsCompleted; i++)
        {
            Clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        (await waiting.WaitAsync(TimeSpan.FromSeconds(30))).Should().Be(1);
    }
}
