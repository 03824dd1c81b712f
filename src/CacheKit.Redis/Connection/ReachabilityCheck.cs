using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Finds out why Redis does not answer.</summary>
/// <remarks>
/// Clients of the 2.x line keep what cannot be sent, and say nothing until a limit has passed that is longer than anybody waits; what they tell by an event of their first attempt nobody
/// can hear yet. So when trouble begins, once, it is tried here whether anybody listens, and whether he lets this application in.
/// </remarks>
internal sealed class ReachabilityCheck(ConnectionSource source, TimeProvider time)
{
    private static readonly TimeSpan _within = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private int _troubles; // how many are over
    private UnreachableCause? _told;
    private UnreachableCause? _found;

    /// <summary>The cause, where it is known.</summary>
    internal UnreachableCause? Cause => Volatile.Read(ref _found);

    /// <summary>The client has lost a connection.</summary>
    internal void OnFailed(ConnectionFailedEventArgs e) => Volatile.Write(ref _told, UnreachableCause.Of(e.FailureType, e.Exception));

    /// <summary>There is a connection again.</summary>
    internal void Forget()
    {
        lock (_gate)
        {
            _troubles++; // what is still being looked for is of the past
            Volatile.Write(ref _told, null);
            Volatile.Write(ref _found, null);
        }
    }

    /// <summary>The servers, as they are configured.</summary>
    internal IReadOnlyList<EndPoint> Servers(RedisLink? link) =>
        source.EndPoints is { Count: > 0 } configured ? configured : link?.Multiplexer.GetEndPoints(configuredOnly: true) ?? [];

    /// <summary>Finds the cause.</summary>
    /// <returns>The cause; <see langword="null"/> if there is none to be seen.</returns>
    internal async Task<UnreachableCause?> FindAsync(RedisLink? link, CancellationToken cancellationToken)
    {
        var troubles = Volatile.Read(ref _troubles);
        var servers = Servers(link);
        var tried = await Task.WhenAll(servers.Select(server => TryAsync(server, cancellationToken))).ConfigureAwait(false);
        var closed = servers.Zip(tried).Where(static pair => pair.Second is not null)
            .Select(pair => servers.Count == 1 ? pair.Second! : $"{EndPointText.Of(pair.First)}: {pair.Second}").ToList();
        var cause = closed.Count > 0 ? new(string.Join("; ", closed), false) : await RefusalAsync(cancellationToken).ConfigureAwait(false);
        cause ??= Volatile.Read(ref _told);
        lock (_gate)
        {
            if (troubles != _troubles)
            {
                return null;
            }

            Volatile.Write(ref _found, cause);
            return cause;
        }
    }

    private async Task<UnreachableCause?> RefusalAsync(CancellationToken cancellationToken)
    {
        try
        {
            var attempt = source.TryConnectAsync(cancellationToken);
            Abandoned.Observe(attempt);
            await attempt.WaitAsync(_within, time, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return UnreachableCause.Of(ConnectionFailureType.UnableToConnect, exception) is { IsRefusal: true } refusal ? refusal : null;
        }
    }

    // What is wrong with it; null: somebody listens there.
    private async Task<string?> TryAsync(EndPoint server, CancellationToken cancellationToken)
    {
        if (server is not (DnsEndPoint or IPEndPoint))
        {
            return null;
        }

        using var limit = new CancellationTokenSource(_within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp); // may fail as well: there may be no handle left
            await socket.ConnectAsync(server, either.Token).ConfigureAwait(false);
            return null;
        }
        catch (SocketException exception)
        {
            return UnreachableCause.TextOf(exception);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"no connection within {_within.TotalSeconds} s";
        }
    }
}
