using CacheKit.Redis.DependencyInjection;
using CacheKit.Redis.Tests.Rig;
using CacheKit.Stores;
using CacheKit.Tests.Tiers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;
using static CacheKit.Redis.Tests.Rig.StoreCalls;

namespace CacheKit.Redis.Tests.Connection;

/// <summary>Mistakes are told at once, by name; a server that is not there is none.</summary>
public sealed class ConfigurationTests
{
    private static IConfigurationSection Section(params IEnumerable<(string Key, string Value)> values) => new ConfigurationBuilder()
        .AddInMemoryCollection(values.ToDictionary(value => value.Key, value => (string?)value.Value)).Build().GetSection("Cache");

    [Theory]
    [InlineData("", "*empty*")]
    [InlineData("password=secret", "*names no server*")]
    [InlineData("localhost,sillyoption=secret", "*cannot be read*")]
    [InlineData("localhost,ssl=perhaps", "*cannot be read*'ssl'*")]
    [InlineData("redis://user:secret@localhost:6379", "*URL*\"server:6379,password=…,ssl=true\"*")]
    [InlineData("user:secret@localhost:6379", "*Part 1*not a server*")]
    [InlineData("cache.example.org:6380,AbCsecretXyz0=,ssl=true", "*One of its parts is not understood*password=*")]
    [InlineData("localhost:6379,sec/ret+secret,ssl=true", "*Part 2*not a server*")]
    [InlineData("localhost:secret", "*Part 1*not a server*")]
    [InlineData("localhost:65536", "*Part 1*not a server*")]
    [InlineData("local host", "*Part 1*not a server*")]
    [InlineData("[::1]x:6379", "*Part 1*not a server*")]
    [InlineData("localhost,password=ab,secret=ef", "*after the password*ConnectWith*")]
    [InlineData("localhost,password=ab,secret", "*After the password*ConnectWith*")]
    [InlineData("localhost,password=ab,secret/x", "*After the password*ConnectWith*")]
    [InlineData("password=ab,secret/x,localhost", "*After the password*")]
    public void A_configuration_that_cannot_be_read_is_an_error_at_once(string configuration, string message)
    {
        var services = new ServiceCollection();
        var add = () => services.AddCacheKit(cache => cache.UseRedis(configuration));
        add.Should().Throw<ArgumentException>().WithMessage(message).Which.ToString().Should().NotContain("secret");
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("cache_1:6379,cache-2.example.org:6380,password=a=b==,ssl=true")]
    [InlineData("127.0.0.1:6379, ::1 ,[::1]:6380")]
    [InlineData("password=x,localhost")]
    public void Servers_are_names_and_addresses(string configuration)
    {
        var services = new ServiceCollection();
        var add = () => services.AddCacheKit(cache => cache.UseRedis(configuration));
        add.Should().NotThrow();
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
    public void Options_out_of_range_are_named_all_at_once()
    {
        using var provider = new ServiceCollection().AddCacheKit("shop", cache => cache.UseRedis("localhost", options =>
        {
            options.KeyPrefix = "a/b";
            options.OperationTimeout = TimeSpan.Zero;
            options.MaximumLoadTime = TimeSpan.FromDays(2);
            options.MessageLogLength = -1;
        })).BuildServiceProvider();
        var resolve = () => provider.GetRequiredKeyedService<ICache>("shop");
        resolve.Should().Throw<OptionsValidationException>().Which.Failures.Should().SatisfyRespectively(
            prefix => prefix.Should().Be("Cache 'shop': RedisOptions.KeyPrefix must not be empty nor contain '/', but is 'a/b'."),
            timeout => timeout.Should().Match("*OperationTimeout*00:00:00*"),
            load => load.Should().Match("*MaximumLoadTime*2.00:00:00*"),
            log => log.Should().Match("*MessageLogLength*-1*"));
    }

    [Fact]
    public async Task Options_come_from_the_configuration_and_from_code_in_the_order_of_the_calls()
    {
        var section = Section(
            ("Cache:Redis:KeyPrefix", "shop"), ("Cache:Redis:OperationTimeout", "00:00:03"), ("Cache:Redis:MaximumLoadTime", "00:01:00"),
            ("Cache:redis:messageLogLength", "5"), ("Cache:Redis:RequireConnectionAtStart", "true"));
        await using var provider = new ServiceCollection()
            .AddCacheKit(section, cache => cache.UseRedis("localhost", options => options.MaximumLoadTime = TimeSpan.FromMinutes(5)))
            .Configure<RedisOptions>(options => options.OperationTimeout = TimeSpan.FromSeconds(4))
            .BuildServiceProvider();
        var options = provider.GetRequiredService<IOptions<RedisOptions>>().Value;
        options.KeyPrefix.Should().Be("shop");
        options.MessageLogLength.Should().Be(5);
        options.RequireConnectionAtStart.Should().BeTrue();
        options.OperationTimeout.Should().Be(TimeSpan.FromSeconds(4));
        options.MaximumLoadTime.Should().Be(TimeSpan.FromMinutes(5));
        provider.GetRequiredService<ICache>().Should().NotBeNull();
    }

    [Theory]
    [InlineData("KeyPrefx", "shop", "*'Cache:Redis:KeyPrefx'*Did you mean 'KeyPrefix'*")]
    [InlineData("OperationTimeout", "3", "*'Cache:Redis:OperationTimeout' is '3'*hh:mm:ss*")]
    [InlineData("MessageLogLength", "-1", "*'Cache:Redis:MessageLogLength' is '-1'*from 0*")]
    [InlineData("Store", "x", "*'Cache:Redis:Store'*only be set in code*")]
    public void A_mistake_in_the_configuration_is_told_with_its_path(string name, string value, string message)
    {
        using var provider = new ServiceCollection()
            .AddCacheKit(Section(($"Cache:Redis:{name}", value)), cache => cache.UseRedis("localhost")).BuildServiceProvider();
        var resolve = () => provider.GetRequiredService<ICache>();
        resolve.Should().Throw<OptionsValidationException>().WithMessage(message);
    }

    [Fact]
    public void A_section_that_nobody_reads_is_a_mistake()
    {
        using var provider = new ServiceCollection().AddCacheKit(Section(("Cache:Redis:KeyPrefix", "shop"))).BuildServiceProvider();
        var resolve = () => provider.GetRequiredService<ICache>();
        resolve.Should().Throw<OptionsValidationException>().WithMessage("*'Cache:Redis'*no option of this name*");
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
        await Waiting.UntilAsync(async () => await store.GetAsync("k") is null, what: "the server is there");
    }

    [Fact]
    public async Task An_application_that_requires_the_connection_does_not_start_without()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        var port = RedisServer.FreePort();
        var nowhere = $"127.0.0.1:{port},connectTimeout=500,password=secret";
        builder.Services.AddCacheKit(cache => cache.UseRedis(nowhere, options => options.RequireConnectionAtStart = true));
        using var host = builder.Build();
        await using var store = host.Services.GetRequiredKeyedService<ConnectionCheck>("default").Remember(
            TestStores.Create(nowhere, configure: options => options.OperationTimeout = TimeSpan.FromSeconds(2)));
        var start = () => host.StartAsync();
        (await start.Should().ThrowAsync<InvalidOperationException>().WithMessage($"*'default' requires Redis*127.0.0.1:{port} cannot be reached: {Refused}"))
            .Which.ToString().Should().NotContain("secret");
    }

    [Fact]
    public async Task A_start_that_has_failed_leaves_nothing_behind_that_goes_on_logging()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        await server.KillAsync();
        using var logger = new RecordingLogger();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<ILoggerFactory>(logger);
        builder.Services.AddCacheKit("required", cache => cache.UseMemory().UseRedis(server.Configuration, options => options.RequireConnectionAtStart = true));
        builder.Services.AddCacheKit("other", cache => cache.UseMemory().UseRedis(server.Configuration));
        using var host = builder.Build();
        var other = host.Services.GetRequiredKeyedService<ICache>("other");
        var start = () => host.StartAsync();
        await start.Should().ThrowAsync<InvalidOperationException>().WithMessage("*'required' requires Redis at the start, but cannot use it*");
        var told = Told("'required'");

        // What the other one is told of meanwhile the first would be as well.
        await server.LaunchAsync();
        await SetUntilAsync(static tier => tier.Writes > 0, "the other cache uses the server");
        var connected = Told("'other': messages of other nodes arrive").Count;
        await server.KillAsync();
        await SetUntilAsync(static tier => tier.FailuresInARow > 0, "the other cache notices");
        await server.LaunchAsync();
        await Waiting.UntilAsync(() => Told("'other': messages of other nodes arrive").Count > connected, what: "the other cache is connected again");

        Told("'required'").Should().Equal(told);

        // By now it can be started.
        await Waiting.UntilAsync(async () => await TryAsync(start), what: "the host starts");
        var cache = host.Services.GetRequiredKeyedService<ICache>("required");
        await cache.SetAsync("k", 3);
        cache.GetStatistics().Tiers[0].Writes.Should().Be(1);
        await host.StopAsync();

        static async Task<bool> TryAsync(Func<Task> act)
        {
            try
            {
                await act();
                return true;
            }
            catch (InvalidOperationException)
            {
                return false;
            }
        }

        Task SetUntilAsync(Func<CacheTierStatistics, bool> condition, string what) => Waiting.UntilAsync(
            async () =>
            {
                await other.SetAsync("k", 1);
                return condition(other.GetStatistics().Tiers[0]);
            }, what: what);

        IReadOnlyList<string> Told(string text) => [.. logger.Messages.Select(message => message.Text).Where(message => message.Contains(text, StringComparison.Ordinal))];
    }

    [Fact]
    public async Task A_host_that_requires_the_connection_starts_nothing_without_and_can_be_started_again_though_somebody_has_the_cache()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        await server.KillAsync();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddHostedService<Holder>(); // before the cache
        builder.Services.AddCacheKit(cache => cache.UseRedis(server.Configuration, options => options.RequireConnectionAtStart = true));
        using var host = builder.Build();
        await host.Awaiting(it => it.StartAsync()).Should().ThrowAsync<InvalidOperationException>().WithMessage("*'default' requires Redis*");
        var holder = host.Services.GetServices<IHostedService>().OfType<Holder>().Single();
        holder.IsStarted.Should().BeFalse();
        (await holder.Cache.GetOrCreateAsync("k", _ => new ValueTask<int>(1))).Should().Be(1, "it is not closed");

        await server.LaunchAsync();
        await Waiting.UntilAsync(
            async () =>
            {
                try
                {
                    await host.StartAsync();
                }
                catch (InvalidOperationException)
                {
                    // Not yet connected.
                }

                return holder.IsStarted;
            }, what: "the host starts");
        await Waiting.UntilAsync(
            async () =>
            {
                await holder.Cache.SetAsync("k", 2);
                return holder.Cache.GetStatistics().Tiers[0].Writes > 0;
            }, what: "Redis is used");
    }

    private sealed class Holder(ICache cache) : IHostedService
    {
        internal ICache Cache => cache;

        internal bool IsStarted { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken)
        {
            IsStarted = true;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Fact]
    public async Task An_application_that_requires_the_connection_is_told_of_a_wrong_password()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync(password: "right");
        await using var store = TestStores.Create(
            $"127.0.0.1:{server.Port},password=wrong-one,connectTimeout=1000", configure: options => options.OperationTimeout = TimeSpan.FromSeconds(2));
        var check = () => store.CheckConnectionAsync(default);
        (await check.Should().ThrowAsync<CacheStoreException>().WithMessage($"Redis at 127.0.0.1:{server.Port} does not let this application in*"))
            .Which.ToString().Should().NotContain("wrong-one");
    }

    [Fact]
    public async Task A_wrong_password_is_told()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync(password: "right");
        foreach (var configuration in new[] { $"127.0.0.1:{server.Port},password=wrong-one,connectTimeout=30000", $"127.0.0.1:{server.Port},connectTimeout=30000" })
        {
            using var logger = new RecordingLogger();
            await using var store = Impatient(configuration, logger);
            var read = () => store.GetAsync("k");
            var thrown = (await read.Should().ThrowAsync<CacheStoreException>()).Which;
            thrown.Failure.Should().Be(StoreFailure.Unavailable, "it is right again as soon as somebody changes it");
            await Waiting.UntilAsync(() => logger.Count(10) == 1, what: "it is told");
            logger.Messages.Should().ContainSingle(message => message.Id == 10).Which.Text.Should().Contain($"127.0.0.1:{server.Port}").And.Contain("does not let this application in");
            logger.Messages.Should().NotContain(message => message.Text.Contains("wrong-one", StringComparison.Ordinal));
            await read.Should().ThrowAsync<CacheStoreException>().WithMessage($"*127.0.0.1:{server.Port} does not let this application in*");
        }
    }

    [Fact]
    public async Task Where_nobody_listens_it_is_told()
    {
        using var logger = new RecordingLogger();
        var port = RedisServer.FreePort();
        await using var store = Impatient($"127.0.0.1:{port},connectTimeout=1000,password=secret", logger);
        await ReadInVainAsync(store);
        await Waiting.UntilAsync(() => logger.Count(1) == 1, what: "it is told");
        logger.Messages.Should().ContainSingle(message => message.Id == 1).Which.Text.Should().Match($"*does not answer at 127.0.0.1:{port}: {Refused}. The cache goes on without it*");
        logger.Messages.Should().NotContain(message => message.Text.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Why_no_messages_arrive_is_told_as_well()
    {
        using var logger = new RecordingLogger();
        var port = RedisServer.FreePort();
        await using var store = Impatient($"127.0.0.1:{port},connectTimeout=5000", logger);
        await using var subscription = await store.SubscribeAsync(new RecordingReceiver(), default);
        await Waiting.UntilAsync(() => logger.Count(6) == 1, what: "it is told");
        logger.Messages.Should().ContainSingle(message => message.Id == 6).Which.Text.Should().Match($"*do not arrive: Redis at 127.0.0.1:{port} cannot be reached: {Refused}");
    }

    [Fact]
    public async Task A_server_of_an_unknown_name_is_told()
    {
        using var logger = new RecordingLogger();
        await using var store = Impatient("nowhere.invalid:7000,connectTimeout=1000", logger);
        await ReadInVainAsync(store);
        await Waiting.UntilAsync(() => logger.Count(1) == 1, what: "it is told");
        logger.Messages.Should().ContainSingle(message => message.Id == 1).Which.Text.Should().Match("*nowhere.invalid:7000: *");
    }

    // What the system says, in the language it speaks.
    private static string Refused => new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionRefused).Message;

    private static CacheKit.Redis.Store.RedisStore Impatient(string configuration, RecordingLogger logger) =>
        TestStores.Create(configuration, TestStores.Context(loggers: logger), options => options.OperationTimeout = TimeSpan.FromMilliseconds(200));

    private static async Task ReadInVainAsync(CacheKit.Redis.Store.RedisStore store)
    {
        var read = () => store.GetAsync("k");
        await read.Should().ThrowAsync<CacheStoreException>();
    }
}
