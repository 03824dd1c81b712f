using CacheKit.Redis.Tests.Rig;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace CacheKit.Redis.Tests.Faults;

/// <summary>What a monitor is told of Redis is what the log says of it, though nobody asks the cache for anything.</summary>
public sealed class HealthTests
{
    private const int IsLost = 1;
    private const int AnswersAgain = 2;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cache_that_nobody_uses_knows_whether_redis_is_there(bool isOwnedByTheApplication)
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        using var logger = new RecordingLogger();
        using var connection = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync(server.Configuration + ",abortConnect=false");
        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(logger);
        services.AddLogging();
        services.AddCacheKit(cache => cache.UseMemory().UseRedis(server.Configuration, redis =>
        {
            redis.Store.HeartbeatInterval = TimeSpan.FromHours(1); // which would find it out as well, some time
            redis.Store.FailuresToOpen = 1000;
            if (isOwnedByTheApplication)
            {
                redis.UseConnection(connection);
            }
        }));
        services.AddHealthChecks().AddCacheKit();
        await using var provider = services.BuildServiceProvider();
        var health = provider.GetRequiredService<HealthCheckService>();
        var cache = provider.GetRequiredService<ICache>();
        await Waiting.UntilAsync(
            async () =>
            {
                await cache.SetAsync("k", 1);
                return cache.GetStatistics().Tiers[0].Writes > 0;
            }, what: "Redis is used");
        await Waiting.UntilAsync(() => IsAsync(HealthStatus.Healthy), what: "all is well");

        await server.KillAsync();
        await Waiting.UntilAsync(() => logger.Count(IsLost) > 0, what: "it is logged");
        (await IsAsync(HealthStatus.Degraded)).Should().BeTrue("what is logged is told");
        cache.GetStatistics().Tiers[0].Trouble.Should().StartWith("Redis does not answer at 127.0.0.1");

        await server.LaunchAsync();
        await Waiting.UntilAsync(() => IsAsync(HealthStatus.Healthy), what: "it is told that it is back");
        await Waiting.UntilAsync(() => logger.Count(AnswersAgain) > 0, what: "and logged");
        cache.GetStatistics().Tiers[0].Trouble.Should().BeNull();
        (logger.Count(IsLost), logger.Count(AnswersAgain)).Should().Be((1, 1), "one outage is told once: {0}", logger.Messages);

        async Task<bool> IsAsync(HealthStatus status) => (await health.CheckHealthAsync()).Status == status;
    }
}
