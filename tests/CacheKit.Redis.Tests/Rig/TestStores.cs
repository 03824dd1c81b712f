using System.Security.Cryptography.X509Certificates;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Store;
using CacheKit.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Makes stores on the tests' servers.</summary>
internal static class TestStores
{
    /// <summary>Long enough for a machine that has other things to do. Who wants a command to be given up says when.</summary>
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(10);

    internal static async ValueTask<RedisStore> CreateAsync(SharedServers servers, Topology topology, string prefix, StoreContext context)
    {
        RedisServer.Require();
        switch (topology)
        {
            case Topology.Cluster:
                return Create((await servers.ClusterAsync()).Configuration, context, options => options.KeyPrefix = prefix);
            case Topology.Secure:
                var server = await servers.SecureAsync();
                var options = new RedisOptions { KeyPrefix = prefix, OperationTimeout = _limit };
                options.ConnectWith(async (_, _) => await ConnectionMultiplexer.ConnectAsync(Secure(server, servers.Thumbprint)));
                return new RedisStore(options, context);
            default:
                return Create((await servers.SingleAsync()).Configuration, context, options => options.KeyPrefix = prefix);
        }
    }

    internal static RedisStore Create(
        string configuration, StoreContext? context = null, Action<RedisOptions>? configure = null, TimeSpan? silenceToReplace = null)
    {
        var options = new RedisOptions { OperationTimeout = _limit };
        options.Use(new ConfiguredConnection(configuration));
        configure?.Invoke(options);
        options.FindMistakes().Should().BeEmpty();
        return new RedisStore(options, context ?? Context(), silenceToReplace);
    }

    internal static StoreContext Context(TimeProvider? timeProvider = null, ILoggerFactory? loggers = null, string name = "test") =>
        new(name, timeProvider ?? TimeProvider.System, loggers ?? NullLoggerFactory.Instance, NoServices.Instance);

    internal static ConfigurationOptions Secure(RedisServer server, string thumbprint)
    {
        var options = ConfigurationOptions.Parse(server.Configuration + ",ssl=true,sslHost=localhost,abortConnect=false");
        options.CertificateValidation += (_, certificate, _, _) => certificate is X509Certificate2 known && known.Thumbprint == thumbprint;
        return options;
    }

    private sealed class NoServices : IServiceProvider
    {
        internal static readonly NoServices Instance = new();

        public object? GetService(Type serviceType) => null;
    }
}
