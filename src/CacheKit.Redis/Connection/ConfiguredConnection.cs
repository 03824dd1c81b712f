using System.Net;
using System.Reflection;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Connections made from a configuration string, in the client's own syntax.</summary>
internal sealed class ConfiguredConnection : ConnectionSource
{
    private readonly ConfigurationOptions _options;
    private readonly int _defaultPort;

    /// <summary>Reads the configuration.</summary>
    /// <exception cref="ArgumentException">It cannot be read. The message shows no part of it that may be secret.</exception>
    internal ConfiguredConnection(string configuration)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(configuration);
        ConfigurationText.Check(configuration);
        try
        {
            _options = ConfigurationOptions.Parse(configuration);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            // Without the client's message, neither here nor within: it quotes what it does not understand, which may be a piece of a password with a comma.
            throw new ArgumentException(
                $"The Redis configuration cannot be read: {ConfigurationText.FindMistake(configuration)} {ConfigurationText.HowToWrite}", nameof(configuration));
        }

        if (_options.EndPoints.Count == 0)
        {
            throw new ArgumentException("The Redis configuration names no server. It begins with one, such as \"localhost:6379\".", nameof(configuration));
        }

        if (!string.IsNullOrEmpty(_options.ServiceName) && ClientVersion.Major < 2)
        {
            throw new ArgumentException(
                $"The Redis configuration names a service of Sentinel, which StackExchange.Redis {ClientVersionText} does not follow. Reference version 2 or "
                + "later in the application, or list the master and its replicas instead of the sentinels.",
                nameof(configuration));
        }

        var isEncrypted = configuration.Split(',').Any(static part => part.Replace(" ", "", StringComparison.Ordinal).Equals("ssl=true", StringComparison.OrdinalIgnoreCase));
        _defaultPort = isEncrypted ? 6380 : 6379;

        // Else the client gives up for good if the server is not there at first.
        _options.AbortOnConnectFail = false;
        _options.ClientName ??= "CacheKit";
    }

    /// <summary>The version of the client that is loaded.</summary>
    internal static Version ClientVersion { get; } = typeof(ConfigurationOptions).Assembly.GetName().Version ?? new(0, 0, 0);

    /// <summary>The same, as its package is called.</summary>
    internal static string ClientVersionText { get; } =
        typeof(ConfigurationOptions).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+', '-')[0] ?? ClientVersion.ToString(3);

    internal override bool IsOwned => true;

    // One without a port is given that by the client, when it connects.
    internal override IReadOnlyList<EndPoint> EndPoints => [.. _options.EndPoints.Select(endPoint => endPoint switch
    {
        DnsEndPoint { Port: 0 } dns => new DnsEndPoint(dns.Host, _defaultPort, dns.AddressFamily),
        IPEndPoint { Port: 0 } ip => new IPEndPoint(ip.Address, _defaultPort),
        _ => endPoint,
    })];

    internal override async Task TryConnectAsync(CancellationToken cancellationToken)
    {
        var options = _options.Clone();
        options.AbortOnConnectFail = true;
        options.ConnectRetry = 1;
        Close(await ConnectionMultiplexer.ConnectAsync(options).ConfigureAwait(false));

        static void Close(IConnectionMultiplexer connection) => Abandoned.Observe(connection.CloseAsync(allowCommandsToComplete: false));
    }

    internal override async Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(_options).ConfigureAwait(false);
        AsyncOrder.Release(connection);
        return connection;
    }
}
