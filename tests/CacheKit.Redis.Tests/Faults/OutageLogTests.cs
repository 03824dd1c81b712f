using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Faults;

/// <summary>An operator reads one warning when Redis goes, and one message when it is back, whatever the application does meanwhile.</summary>
public sealed class OutageLogTests
{
    private const int IsLost = 1;
    private const int AnswersAgain = 2;
    private const int ValuesLost = 34;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_outage_is_one_warning_and_its_end_one_message(bool hasTraffic)
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        using var logger = new RecordingLogger();
        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(logger);
        services.AddCacheKit(cache => cache.UseMemory().UseRedis(server.Configuration, redis =>
        {
            redis.Store.OpenFor = TimeSpan.FromMilliseconds(500);
            redis.Store.ReadTimeout = redis.Store.WriteTimeout = TimeSpan.FromSeconds(1); // so that nothing but the outage takes too long
        }));
        await using var provider = services.BuildServiceProvider();
        var cache = provider.GetRequiredService<ICache>();
        await Waiting.UntilAsync(
            async () =>
            {
                await cache.SetAsync("k", 1, new CacheEntryOptions { Tags = ["t"] });
                return cache.GetStatistics().Tiers[0].Writes > 0;
            }, what: "Redis is used");
        using var end = new CancellationTokenSource();
        var traffic = hasTraffic ? Task.WhenAll(Enumerable.Range(0, 4).Select(worker => WorkAsync(cache, worker, end.Token))) : Task.CompletedTask;
        logger.Clear();

        await server.KillAsync();
        await Waiting.UntilAsync(() => logger.Count(IsLost) > 0, what: "it is told");
        if (hasTraffic)
        {
            await Waiting.UntilAsync(() => cache.GetStatistics().Tiers[0] is { Circuit: not CircuitState.Closed, PendingRecoveries: > 0 }, what: "the circuit is open");
        }

        await server.LaunchAsync();
        await Waiting.UntilAsync(
            () => logger.Count(AnswersAgain) > 0 && cache.GetStatistics().Tiers[0] is { Trouble: null, Circuit: CircuitState.Closed, FailuresInARow: 0, PendingRecoveries: 0 }, what: "it is used again");
        await Waiting.UntilAsync(() => logger.Count(7) > 0, what: "messages arrive again");
        await end.CancelAsync();
        await traffic;

        // The server comes back empty, so that some of what was set meanwhile cannot be stored: that is another message.
        logger.Told.Where(message => message.Id != ValuesLost).Select(message => (message.Level, message.Id)).Should().Equal([(LogLevel.Warning, IsLost), (LogLevel.Information, AnswersAgain)], "{0}", string.Join(Environment.NewLine, logger.Told));
        var (_, text, _, exception) = logger.Told[0];
        text.Should().Contain($"127.0.0.1:{server.Port}: ").And.Contain("goes on without it").And.NotContain("\n");
        text.Length.Should().BeLessThan(300);
        exception.Should().BeNull();
        logger.Messages.Should().Contain(message => message.Level == LogLevel.Debug && message.Exception != null, "who looks for it finds all that the client says");
    }

    [Fact]
    public async Task It_is_told_though_nobody_calls()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        using var logger = new RecordingLogger();
        await using var store = TestStores.Create(server.Configuration, TestStores.Context(loggers: logger));
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "connected");
        await server.KillAsync();
        await Waiting.UntilAsync(() => logger.Count(IsLost) == 1, what: "it is told");
        store.Trouble.Should().StartWith("Redis does not answer");
        await server.LaunchAsync();
        await Waiting.UntilAsync(() => logger.Count(AnswersAgain) == 1 && store.Trouble is null, what: "and that it is over");
        logger.Told.Should().HaveCount(2);
    }

    private static async Task WorkAsync(ICache cache, int worker, CancellationToken end)
    {
        for (var i = 0; !end.IsCancellationRequested; i++)
        {
            var key = $"{worker}:{i % 20}";
            await cache.GetOrCreateAsync(key, static _ => new ValueTask<int>(1), new CacheEntryOptions { Tags = ["t"] }, CancellationToken.None);
            await cache.SetAsync(key, i, cancellationToken: CancellationToken.None);
            await cache.RemoveAsync(key, CancellationToken.None);
            await cache.RemoveByTagAsync("t", CancellationToken.None);
            await Task.Yield();
        }
    }
}
