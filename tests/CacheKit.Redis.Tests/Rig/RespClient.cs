using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>Sends commands to a server beside the client that is tested: one at a time, and nothing else.</summary>
internal sealed class RespClient : IDisposable
{
    private readonly TcpClient _client = new() { NoDelay = true };
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Stream _stream = Stream.Null;

    internal static async Task<RespClient> ConnectAsync(int port, string? thumbprint = null)
    {
        var client = new RespClient();
        try
        {
            await client._client.ConnectAsync(IPAddress.Loopback, port);
            client._stream = client._client.GetStream();
            if (thumbprint is not null)
            {
                var secure = new SslStream(client._stream, false, (_, certificate, _, _) => certificate is X509Certificate2 known && known.Thumbprint == thumbprint);
                await secure.AuthenticateAsClientAsync("localhost");
                client._stream = secure;
            }

            client._stream = new BufferedStream(client._stream);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Sends a command and waits for the answer: text, a number, <see langword="null"/>, or an array of those. An error is thrown.</summary>
    internal async Task<object?> SendAsync(params object[] command)
    {
        await _turn.WaitAsync();
        try
        {
            await WriteAsync($"*{command.Length}\r\n");
            foreach (var part in command)
            {
                var bytes = part as byte[] ?? Encoding.UTF8.GetBytes(Convert.ToString(part, CultureInfo.InvariantCulture)!);
                await WriteAsync($"${bytes.Length}\r\n");
                await _stream.WriteAsync(bytes);
                await WriteAsync("\r\n");
            }

            await _stream.FlushAsync();
            return await ReadAsync();
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose()
    {
        _client.Dispose();
        _turn.Dispose();
    }

    private ValueTask WriteAsync(string text) => _stream.WriteAsync(Encoding.UTF8.GetBytes(text));

    private async Task<object?> ReadAsync()
    {
        var line = await ReadLineAsync();
        switch (line[0])
        {
            case '+': return line[1..];
            case ':': return long.Parse(line[1..], CultureInfo.InvariantCulture);
            case '-': throw new InvalidOperationException(line[1..]);
            case '$':
                var length = int.Parse(line[1..], CultureInfo.InvariantCulture);
                if (length < 0)
                {
                    return null;
                }

                var bytes = new byte[length + 2];
                await _stream.ReadExactlyAsync(bytes);
                return Encoding.UTF8.GetString(bytes, 0, length);
            case '*':
                var items = new object?[Math.Max(0, int.Parse(line[1..], CultureInfo.InvariantCulture))];
                for (var i = 0; i < items.Length; i++)
                {
                    items[i] = await ReadAsync();
                }

                return items;
            default: throw new InvalidDataException(line);
        }
    }

    private async Task<string> ReadLineAsync()
    {
        var line = new StringBuilder();
        var one = new byte[1];
        while (true)
        {
            await _stream.ReadExactlyAsync(one);
            if (one[0] == '\n')
            {
                return line.ToString().TrimEnd('\r');
            }

            line.Append((char)one[0]);
        }
    }
}
