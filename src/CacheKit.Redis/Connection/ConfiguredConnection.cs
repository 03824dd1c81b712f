using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Connections made from a configuration string, in the client's own syntax.</summary>
internal sealed class ConfiguredConnection : ConnectionSource
{
    private readonly ConfigurationOptions _options;

    /// <summary>Reads the configuration.</summary>
    /// <exception cref="ArgumentException">It cannot be read. The message shows no part of it that may be secret.</exception>
    internal ConfiguredConnection(string configuration)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(configuration);
        try
        {
            _options = ConfigurationOptions.Parse(configuration);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            throw new ArgumentException(
                $"The Redis configuration cannot be read: {exception.Message} It is a list such as \"server:6379,password=…,ssl=true\", in the syntax of "
                + $"StackExchange.Redis {ClientVersion.ToString(3)}, which is the version loaded. Options of later versions, such as 'user', need a later "
                + "version: reference it in the application.",
                nameof(configuration), exception);
        }

        if (_options.EndPoints.Count == 0)
        {
            throw new ArgumentException("The Redis configuration names no server. It begins with one, such as \"localhost:6379\".", nameof(configuration));
        }

        if (!string.IsNullOrEmpty(_options.ServiceName) && ClientVersion.Major < 2)
        {
            throw new ArgumentException(
                $"The Redis configuration names a service of Sentinel, which StackExchange.Redis {ClientVersion.ToString(3)} does not follow. Reference version 2 or "
                + "later in the application, or list the master and its replicas instead of the sentinels.",
                nameof(configuration));
        }

        // Else the client gives up for good if the server is not there at first.
        _options.AbortOnConnectFail = false;
        _options.ClientName ??= "CacheKit";
    }

    /// <summary>The version of the client that is loaded.</summary>
    internal static Version ClientVersion { get; } = typeof(ConfigurationOptions).Assembly.GetName().Version ?? new(0, 0, 0);

    internal override bool IsOwned => true;

    internal override async Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(_options).ConfigureAwait(false);
        AsyncOrder.Release(connection);
        return connection;
    }
}
