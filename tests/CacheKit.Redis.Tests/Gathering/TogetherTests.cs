using CacheKit.Redis.Store;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Gathering;

/// <summary>Calls that come at about the same time share commands on a single server; in a cluster each has its own. The callers cannot tell.</summary>
public abstract class TogetherTests(SharedServers servers, Topology topology)
{
    [Fact]
    public async Task Every_caller_gets_the_entry_of_his_own_key()
    {
        await using var store = await CreateAsync();
        for (var i = 0; i < 200; i += 2)
        {
            await store.SetAsync($"k{i}", Entry($"v{i}", Tags(i)));
        }

        await store.RemoveByTagAsync("t3");
        await Task.WhenAll(Enumerable.Range(0, 48).Select(caller => Task.Run(async () =>
        {
            for (var n = 0; n < 100; n++)
            {
                var i = ((caller * 37) + n) % 200;
                (await store.GetAsync($"k{i}")).Should().Be(i % 2 == 1 || Tags(i).Contains("t3") ? null : $"v{i}");
            }
        })));
    }

    [Fact]
    public async Task A_read_that_begins_after_a_set_has_returned_gives_what_was_set()
    {
        await using var store = await CreateAsync();
        await Task.WhenAll(Enumerable.Range(0, 32).Select(caller => Task.Run(async () =>
        {
            for (var n = 0; n < 50; n++)
            {
                await store.SetAsync($"k{caller}", Entry($"{caller} {n}", Tags(n)));
                (await store.GetAsync($"k{caller}")).Should().Be($"{caller} {n}");
                if (n % 10 == 9)
                {
                    await store.RemoveAsync($"k{caller}");
                    (await store.GetAsync($"k{caller}")).Should().BeNull();
                }
            }
        })));
    }

    [Fact]
    public async Task What_is_removed_by_tag_is_gone_for_all_who_read_at_the_same_time()
    {
        await using var store = await CreateAsync();
        var removed = 0L;
        await Task.WhenAll(Enumerable.Range(0, 24).Select(caller => Task.Run(async () =>
        {
            for (var n = 0; n < 40; n++)
            {
                if (caller == 0)
                {
                    var stamp = await store.RemoveByTagAsync("all");
                    Volatile.Write(ref removed, stamp);
                    continue;
                }

                var before = Volatile.Read(ref removed);
                using (var lookup = await store.ReadAsync($"k{n % 8}", default, default))
                {
                    lookup.Stamp.Should().Match(stamp => stamp == 0 || stamp >= before);
                    if (lookup.IsFound)
                    {
                        continue;
                    }

                    await store.PopulateAsync($"k{n % 8}", Entry("v", "all", $"t{n % 3}"), lookup.LoadStamp);
                }
            }
        })));
    }

    [Fact]
    public async Task Several_sets_of_one_key_leave_the_one_with_the_latest_stamp()
    {
        await using var store = await CreateAsync();
        for (var round = 0; round < 10; round++)
        {
            var stamps = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => store.SetAsync("k", Entry($"{i}"))));
            stamps.Should().OnlyHaveUniqueItems();
            using (var lookup = await store.ReadAsync("k", default, default))
            {
                lookup.Stamp.Should().Be(stamps.Max());
            }

            (await store.GetAsync("k")).Should().Be($"{Array.IndexOf(stamps, stamps.Max())}");
        }
    }

    [Fact]
    public async Task A_value_from_before_sets_that_came_together_is_refused()
    {
        await using var store = await CreateAsync();
        var loadStamps = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => store.LoadStampAsync($"k{i}")));
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => store.SetAsync($"k{i}", Entry($"set {i}"))));
        var populated = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => store.PopulateAsync($"k{i}", Entry("old"), loadStamps[i])));
        populated.Should().AllBeEquivalentTo(false);
        (await store.GetAsync("k7")).Should().Be("set 7");
    }

    private static string[] Tags(int i) => (i % 4) switch
    {
        0 => [],
        1 => ["all"],
        2 => ["all", $"t{i % 5}"],
        _ => [$"t{i % 5}", $"u{i}"],
    };

    private ValueTask<RedisStore> CreateAsync() => TestStores.CreateAsync(servers, topology, servers.NextPrefix(), TestStores.Context());

    public sealed class OnSingleServer(SharedServers servers) : TogetherTests(servers, Topology.OneServer);

    public sealed class OnCluster(SharedServers servers) : TogetherTests(servers, Topology.Cluster);
}
