using CacheKit.Redis.DependencyInjection;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Connection;

/// <summary>Mistakes are told at once, by name; a server that is not there is none.</summary>
public sealed class ConfigurationTests
{
    [Theory]
    [InlineData("", "*empty*")]
    [InlineData("password=secret", "*names no server*")]
    [InlineData("localhost,sillyoption=secret", "*cannot be read*")]
    [InlineData("localhost,ssl=perhaps", "*cannot be read*")]
    public void A_configuration_that_cannot_be_read_is_an_error_at_once(string configuration, string message)
    {
        var services = new ServiceCollection();
        var add = () => services.AddCacheKit(cache => cache.UseRedis(configuration));
        add.Should().Throw<ArgumentException>().WithMessage(message).Which.Message.Should().NotContain("secret");
    }

    [Fact]
    public void What_a_later_client_would_understand_is_told_so()
    {
        var services = new ServiceCollection();
        var add = () => services.AddCacheKit(cache => cache.UseRedis("localhost:26379,serviceName=mymaster"));
        Assert.SkipWhen(typeof(ConfigurationOptions).Assembly.GetName().Version!.Major >= 2, "This client follows Sentinel.");
        add.Should().Throw<ArgumentException>().WithMessage("*Sentinel*version 2*");
        var withUser = () => services.AddCacheKit(cache => cache.UseRedis("localhost,user=app"));
        withUser.Should().Throw<ArgumentException>().WithMessage("*'user'*later version*");
    }

    [Fact]
    public void Options_out_of_range_are_named()
    {
        var services = new ServiceCollection();
        var prefix = () => services.AddCacheKit(cache => cache.UseRedis("localhost", options => options.KeyPrefix = "a/b"));
        prefix.Should().Throw<ArgumentException>().WithMessage("*KeyPrefix*'a/b'*");
        var timeout = () => services.AddCacheKit(cache => cache.UseRedis("localhost", options => options.OperationTimeout = TimeSpan.Zero));
        timeout.Should().Throw<ArgumentException>().WithMessage("*OperationTimeout*00:00:00*");
        var load = () => services.AddCacheKit(cache => cache.UseRedis("localhost", options => options.MaximumLoadTime = TimeSpan.FromDays(2)));
        load.Should().Throw<ArgumentException>().WithMessage("*MaximumLoadTime*");
        var log = () => services.AddCacheKit(cache => cache.UseRedis("localhost", options => options.MessageLogLength = -1));
        log.Should().Throw<ArgumentException>().WithMessage("*MessageLogLength*-1*");
    }

    [Fact]
    public void A_connection_must_be_one()
    {
        var options = new RedisOptions();
        var use = () => options.UseConnection("localhost");
        use.Should().Throw<ArgumentException>().WithMessage("*IConnectionMultiplexer*System.String*");
    }

    [Fact]
    public void A_cache_uses_redis_once()
    {
        var services = new ServiceCollection();
        services.AddCacheKit(cache => cache.UseRedis("localhost"));
        services.AddCacheKit("other", cache => cache.UseRedis("localhost"));
        var again = () => services.AddCacheKit(cache => cache.UseRedis("localhost"));
        again.Should().Throw<InvalidOperationException>().WithMessage("*'default'*already*");
    }

    [Fact]
    public void Every_option_of_a_store_reaches_the_cache()
    {
        var redis = new RedisOptions();
        var properties = typeof(CacheStoreOptions).GetProperties().Where(property => property.CanWrite).ToList();
        foreach (var property in properties)
        {
            property.SetValue(redis.Store, Another(property.GetValue(redis.Store), property.PropertyType));
        }

        var target = new CacheStoreOptions();
        redis.CopyStoreOptions(target);
        foreach (var property in properties)
        {
            property.GetValue(target).Should().Be(property.GetValue(redis.Store), property.Name);
        }

        static object Another(object? value, Type type) => (Nullable.GetUnderlyingType(type) ?? type).Name switch
        {
            nameof(Boolean) => !(bool)value!,
            nameof(Int32) => (int)value! + 1,
            nameof(Double) => (double)value! / 2,
            _ => TimeSpan.FromSeconds(77),
        };
    }

    [Fact]
    public async Task The_connection_that_is_registered_is_used_and_stays_open()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        using var multiplexer = await ConnectionMultiplexer.ConnectAsync(server.Configuration);
        var options = new RedisOptions();
        var services = new ServiceCollection().AddSingleton<IConnectionMultiplexer>(multiplexer).BuildServiceProvider();
        var context = new StoreContext("test", TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, services);
        await using (var store = new CacheKit.Redis.Store.RedisStore(options, context))
        {
            await store.SetAsync("k", Entry("1"));
        }

        multiplexer.GetDatabase().KeyExists("cachekit/test/e:k").Should().BeTrue();
    }

    [Fact]
    public void Without_a_registered_connection_it_is_told_what_to_do()
    {
        var create = () => new CacheKit.Redis.Store.RedisStore(new RedisOptions(), TestStores.Context());
        create.Should().Throw<InvalidOperationException>().WithMessage("*IConnectionMultiplexer*registered*UseRedis(\"localhost:6379\")*");
    }

    [Fact]
    public async Task A_server_that_is_not_there_at_the_start_is_used_when_it_comes()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        await server.KillAsync();
        await using var store = TestStores.Create(server.Configuration, configure: options => options.OperationTimeout = TimeSpan.FromMilliseconds(200));
        var read = () => store.GetAsync("k");
        (await read.Should().ThrowAsync<CacheStoreException>()).Which.Failure.Should().Be(StoreFailure.Unavailable);
        await server.LaunchAsync();
        await EventuallyAsync(async () => await store.GetAsync("k") is null, "the server is there");
    }

    [Fact]
    public async Task An_application_that_requires_the_connection_does_not_start_without()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        var nowhere = $"127.0.0.1:{RedisServer.FreePort()},connectTimeout=500";
        builder.Services.AddCacheKit(cache => cache.UseRedis(nowhere, options => options.RequireConnectionAtStart = true));
        using var host = builder.Build();
        await using var store = host.Services.GetRequiredKeyedService<ConnectionCheck>("default").Remember(TestStores.Create(nowhere));
        var start = () => host.StartAsync();
        await start.Should().ThrowAsync<InvalidOperationException>().WithMessage("*'default' requires Redis*");
    }

    [Fact]
    public async Task A_wrong_password_is_told()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync(password: "right");
        foreach (var configuration in new[] { $"127.0.0.1:{server.Port},password=wrong-one,connectTimeout=1000", $"127.0.0.1:{server.Port},connectTimeout=1000" })
        {
            await using var store = TestStores.Create(configuration);
            var read = () => store.GetAsync("k");
            var thrown = (await read.Should().ThrowAsync<CacheStoreException>()).Which;
            thrown.Message.Should().NotContain("wrong-one");
        }
    }
}
