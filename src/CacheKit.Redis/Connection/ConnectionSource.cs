using System.Net;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Where the connection comes from.</summary>
internal abstract class ConnectionSource
{
    /// <summary>Whether what is made is the cache's: to be closed in the end, and replaced when it hangs.</summary>
    internal abstract bool IsOwned { get; }

    /// <summary>Makes a connection, or gives the one there is.</summary>
    internal abstract Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken);

    /// <summary>The servers, where they are known before there is a connection.</summary>
    internal virtual IReadOnlyList<EndPoint> EndPoints => [];

    /// <summary>Connects for a moment, where that is possible, to learn what it fails with.</summary>
    internal virtual Task TryConnectAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Takes an object for a connection.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    private protected static IConnectionMultiplexer Check(object? connection) =>
        connection as IConnectionMultiplexer ?? throw new ArgumentException(
            $"A Redis connection must be an IConnectionMultiplexer of StackExchange.Redis, but is {connection?.GetType().FullName ?? "null"}. "
            + "If it is one, two versions of StackExchange.Redis are loaded.");
}

/// <summary>A connection of the application's.</summary>
internal sealed class GivenConnection(object connection) : ConnectionSource
{
    private readonly IConnectionMultiplexer _connection = Check(connection);

    internal override bool IsOwned => false;

    internal override Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken) =>
        Task.FromResult(_connection);
}

/// <summary>The connection that is registered as a service.</summary>
internal sealed class RegisteredConnection : ConnectionSource
{
    internal override bool IsOwned => false;

    internal override Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken) =>
        services.GetService(typeof(IConnectionMultiplexer)) is { } connection
            ? Task.FromResult(Check(connection))
            : throw new InvalidOperationException(
                "UseRedis() without a configuration takes the IConnectionMultiplexer that is registered as a service, and there is none. "
                + "Register one, or pass a configuration: UseRedis(\"localhost:6379\").");
}

/// <summary>Connections made by the application's code.</summary>
internal sealed class CustomConnection(Func<IServiceProvider, CancellationToken, ValueTask<object>> connect) : ConnectionSource
{
    internal override bool IsOwned => true;

    internal override async Task<IConnectionMultiplexer> ConnectAsync(IServiceProvider services, CancellationToken cancellationToken) =>
        Check(await connect(services, cancellationToken).ConfigureAwait(false));
}
