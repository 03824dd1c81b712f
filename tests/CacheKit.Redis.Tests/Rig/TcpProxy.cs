using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Stands between client and server, and makes the network as bad as a test wants it.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _port;
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<TcpClient, bool> _clients = [];
    private readonly Task _accepting;

    internal TcpProxy(int port)
    {
        _port = port;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    internal string Configuration => $"127.0.0.1:{Port},connectTimeout=2000";

    /// <summary>How long each piece of an answer is held back.</summary>
    internal TimeSpan Delay { get; set; }

    /// <summary>Whether connections that are made are closed at once.</summary>
    internal bool IsClosed { get; set; }

    /// <summary>Connections made from now on work; those there are swallow what they are given, and stay open.</summary>
    internal void HalfOpen()
    {
        foreach (var client in _clients.Keys)
        {
            _clients[client] = true;
        }
    }

    /// <summary>Closes all connections there are.</summary>
    internal void Cut()
    {
        foreach (var client in _clients.Keys)
        {
            client.Close();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        Cut();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_end.Token);
                if (IsClosed)
                {
                    client.Dispose();
                    continue;
                }

                _clients[client] = false;
                _ = ServeAsync(client);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _port, _end.Token);
            await Task.WhenAny(CopyAsync(client, server, client), CopyAsync(server, client, client));
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or IOException or ObjectDisposedException)
        {
            // One side has gone.
        }
        finally
        {
            _clients.TryRemove(client, out _);
            client.Dispose();
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to, TcpClient client)
    {
        var buffer = new byte[64 << 10];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _end.Token) is > 0 and var read)
            {
                if (Delay > TimeSpan.Zero && from != client)
                {
                    await Task.Delay(Delay, _end.Token);
                }

                if (!_clients.TryGetValue(client, out var isSwallowing) || !isSwallowing)
                {
                    await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _end.Token);
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or IOException or ObjectDisposedException or InvalidOperationException)
        {
            // One side has gone.
        }
    }
}
