using CacheKit.Redis.Connection;
using CacheKit.Redis.Protocol;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using StackExchange.Redis;

namespace CacheKit.Redis.Tests.Protocol;

/// <summary>Somebody removes what was in the way before it is found out which key it was.</summary>
public sealed class ForeignKeyTests(SharedServers servers)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wrong_type_that_nothing_has_any_more_fails_the_call_once_and_for_good(bool isWatched)
    {
        RedisServer.Require();
        var ct = TestContext.Current.CancellationToken;
        var server = await servers.SingleAsync();
        var prefix = servers.NextPrefix();
        await using var store = TestStores.Create(server.Configuration, configure: options => (options.KeyPrefix, options.OperationTimeout) = (prefix, TimeSpan.FromSeconds(5)));
        var link = await store.Connection.GetAsync(ct);
        RedisKey key = store.Layout.Entry("k");
        await server.SendAsync("RPUSH", key.ToString(), "x");
        var wrong = (await FluentActions.Awaiting(() => link.Database.StringGetAsync(key)).Should().ThrowAsync<RedisServerException>()).Which;
        await server.SendAsync("DEL", key.ToString());

        var failed = Task.FromException<RedisResult>(wrong);
        var waiting = isWatched
            ? WatchedScript.TryBegin(store.Connection, store.Connection.Watch, link, failed, "k", Scripts.Release, [key], ["token"], ct)!.Value.AsTask()
            : Scripts.Release.OrInFullAsync(failed, link.Database, [key], ["token"]);
        (await FluentActions.Awaiting(() => waiting).Should().ThrowAsync<CacheStoreException>()).Which.Failure.Should().Be(StoreFailure.Permanent, "and not that there was no answer in time");
    }
}
