using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Faults;

/// <summary>Where Sentinel lets a replica take the master's place, a store that knows of both goes on there.</summary>
public sealed class SentinelTests
{
    [Fact]
    public async Task After_a_fail_over_the_new_master_is_used_and_what_was_removed_stays_removed()
    {
        RedisServer.Require();
        await using var master = await RedisServer.StartAsync();
        await using var replica = await RedisServer.StartAsync(["--replicaof", "127.0.0.1", $"{master.Port}", "--repl-diskless-sync-delay", "0"]);
        await using var sentinel = await RedisServer.StartSentinelAsync(master);
        await Waiting.UntilAsync(async () => await ReplicasAsync(sentinel) == 1, what: "the sentinel knows of the replica");
        await using var store = TestStores.Create(
            $"127.0.0.1:{master.Port},127.0.0.1:{replica.Port},connectTimeout=1000", configure: options => options.OperationTimeout = TimeSpan.FromSeconds(1));
        await store.SetAsync("kept", Entry("1", "t"));
        await store.SetAsync("removed", Entry("1", "u"));
        await store.RemoveByTagAsync("u");

        // What the replica has not heard of would be lost with the master: that is Redis's promise, and not what is tested here.
        await Waiting.UntilAsync(async () => (long)(await master.SendAsync("WAIT", 1, 1000))! == 1, what: "the replica has all");
        await master.KillAsync();

        await Waiting.UntilAsync(async () => (await store.WriteAsync("new", Entry("2"), StoreCondition.Always, default)).IsStored, what: "the replica has taken over");
        (await AnswerAsync("new")).Should().Be("2");
        (await AnswerAsync("kept")).Should().Be("1");
        (await AnswerAsync("removed")).Should().BeNull();

        // The client may still be leaving the old master, and then some calls fail.
        async Task<string?> AnswerAsync(string key)
        {
            string? value = null;
            await Waiting.UntilAsync(
                async () =>
                {
                    value = await store.GetAsync(key);
                    return true;
                },
                what: "the new master answers");
            return value;
        }
    }

    private static async Task<long> ReplicasAsync(RedisServer sentinel)
    {
        var fields = (object?[])(await sentinel.SendAsync("SENTINEL", "MASTER", "mymaster"))!; // an array, of names and values
        return long.Parse((string)fields[Array.IndexOf(fields, "num-slaves") + 1]!, System.Globalization.CultureInfo.InvariantCulture);
    }
}
