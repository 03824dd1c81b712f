using System.Globalization;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Feed;

/// <summary>Anybody who may write to the channel may write anything to it.</summary>
public sealed class ForeignMessageTests : IAsyncLifetime
{
    private RedisServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        RedisServer.Require();
        _server = await RedisServer.StartAsync();
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? default;

    /// <summary>Before its first call a process knows no time with which to compare what it hears.</summary>
    [Theory]
    [InlineData("hello, this is a text that somebody has published by hand")]
    [InlineData("- CKF\u000112345678zzzzzzzz\u0002 of our kind, with a time of its own")]
    public async Task What_is_foreign_on_the_channel_does_not_put_the_clock_out_of_order(string text)
    {
        await using (var idle = TestStores.Create(_server.Configuration))
        {
            var receiver = new RecordingReceiver();
            await using var subscription = await idle.SubscribeAsync(receiver, default);
            await Waiting.UntilAsync(() => receiver.Connections.Count > 0, what: "it is connected");
            await _server.SendAsync("PUBLISH", idle.Layout.Prefix + "feed", text);

            // Messages come in order: after this one the other has been heard.
            await using var sender = TestStores.Create(_server.Configuration);
            await sender.PublishAsync("message"u8.ToArray(), default);
            await Waiting.UntilAsync(() => receiver.Messages.Contains("message"), what: "messages arrive");
            idle.Clock.Latest.Should().Be(0, "it has not seen the clock itself, with which it could be compared");
            await idle.GetAsync("first");
        }

        await using var store = TestStores.Create(_server.Configuration);
        var time = double.Parse((string)(await _server.SendAsync("ZSCORE", store.Layout.Clock.ToString(), "z"))!, CultureInfo.InvariantCulture) / 1e6;
        time.Should().BeApproximately(DateTimeOffset.UtcNow.ToUnixTimeSeconds(), 120);
        await store.SetAsync("k", Entry("removed", "t"));
        await store.RemoveByTagAsync("t");
        (await store.GetAsync("k")).Should().BeNull();
    }

    /// <summary>A process that knows an absurd time, from wherever, does not bring it to the clock.</summary>
    [Theory]
    [InlineData("look")]
    [InlineData("remove")]
    public async Task The_clock_takes_no_absurd_time_from_anybody(string call)
    {
        await using var store = TestStores.Create(_server.Configuration);
        await store.SetAsync("other", Entry("value"));
        await using var misled = TestStores.Create(_server.Configuration);
        misled.Clock.Advance(7_000_000_000_000_000_000);

        _ = call == "look" ? await misled.LoadStampAsync("k") : await misled.RemoveByTagAsync("t");

        await store.SetAsync("k", Entry("removed", "t"));
        await store.RemoveByTagAsync("t");
        (await store.GetAsync("k")).Should().BeNull();
    }
}
