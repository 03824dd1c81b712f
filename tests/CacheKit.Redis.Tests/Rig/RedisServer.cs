using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CacheKit.Redis.Tests.Rig;

/// <summary>A redis-server of the tests' own, on a free port and in a folder of its own; it ends with them.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-redis-");
    private readonly string[] _arguments;
    private readonly ServerCertificate? _certificate;
    private Process? _process;
    private bool _isSentinel;

    private RedisServer(int port, string[] arguments, ServerCertificate? certificate, string? password)
    {
        Port = port;
        _arguments = arguments;
        _certificate = certificate;
        Password = password;
    }

    /// <summary>Where the program is; <see langword="null"/> if it is not installed.</summary>
    internal static string? Program { get; } = Find();

    internal int Port { get; }

    internal string? Password { get; }

    /// <summary>What a node of a cluster says its port is, when it is launched anew; 0 for its own.</summary>
    internal int AnnouncedPort { get; set; }

    /// <summary>For the client.</summary>
    internal string Configuration => $"127.0.0.1:{Port},connectTimeout=2000" + (Password is null ? "" : $",password={Password}");

    /// <summary>Skips the test if there is no server to run it on; fails it where there should be one.</summary>
    internal static void Require()
    {
        if (Program is null && Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail("redis-server is not installed.");
        }

        Assert.SkipWhen(Program is null, "redis-server is not installed: install it, or name it in CACHEKIT_REDIS_SERVER.");
    }

    internal static async Task<RedisServer> StartAsync(string[]? arguments = null, string? password = null, ServerCertificate? certificate = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            var server = new RedisServer(FreePort(), [.. arguments ?? []], certificate, password);
            try
            {
                certificate?.WriteTo(server._folder.FullName);
                await server.LaunchAsync();
                return server;
            }
            catch when (attempt < 5)
            {
                // Somebody else has taken the port meanwhile.
                await server.DisposeAsync();
            }
        }
    }

    /// <summary>Starts a sentinel that watches a master, and needs nobody's consent to let a replica take its place.</summary>
    internal static async Task<RedisServer> StartSentinelAsync(RedisServer master)
    {
        var sentinel = new RedisServer(FreePort(), [], null, null) { _isSentinel = true };
        await File.WriteAllTextAsync(
            Path.Combine(sentinel._folder.FullName, "sentinel.conf"),
            $"""
            port {sentinel.Port}
            bind 127.0.0.1
            dir {sentinel._folder.FullName}
            sentinel monitor mymaster 127.0.0.1 {master.Port} 1
            sentinel down-after-milliseconds mymaster 500
            sentinel failover-timeout mymaster 5000

            """);
        await sentinel.LaunchAsync();
        return sentinel;
    }

    /// <summary>A port that nobody uses now, and whose cluster bus has one, too.</summary>
    internal static int FreePort()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var port = ((IPEndPoint)listener.LocalEndpoint).Port;
            if (port < 55_000)
            {
                return port;
            }

            // Ports are given out in a range that is half too high; choose one below instead.
            listener.Stop();
            port = Random.Shared.Next(15_000, 32_000);
            try
            {
                using var probe = new TcpListener(IPAddress.Loopback, port);
                probe.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken.
            }
        }
    }

    internal async Task<RespClient> ConnectAsync()
    {
        var client = await RespClient.ConnectAsync(Port, _certificate?.Thumbprint);
        if (Password is not null)
        {
            await client.SendAsync("AUTH", Password);
        }

        return client;
    }

    /// <summary>Sends one command.</summary>
    internal async Task<object?> SendAsync(params object[] command)
    {
        using var client = await ConnectAsync();
        return await client.SendAsync(command);
    }

    /// <summary>Ends the process as a crash would.</summary>
    internal async Task KillAsync()
    {
        if (_process is { HasExited: false } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }

        _process?.Dispose();
        _process = null;
    }

    /// <summary>Has it stand still, with its connections open, until it is <see cref="ResumeAsync"/>d.</summary>
    internal Task SuspendAsync() => SignalAsync("-STOP");

    internal Task ResumeAsync() => SignalAsync("-CONT");

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{_process!.Id}"]); // it runs
        await kill.WaitForExitAsync();
        kill.ExitCode.Should().Be(0);
    }

    /// <summary>Starts it, on the same port and empty.</summary>
    internal async Task LaunchAsync()
    {
        var start = new ProcessStartInfo(Program!) // required before
        {
            WorkingDirectory = _folder.FullName,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string[] port = _certificate is not null
            ? ["--port", "0", "--tls-port", $"{Port}", "--tls-cert-file", "server.crt", "--tls-key-file", "server.key", "--tls-ca-cert-file", "server.crt", "--tls-auth-clients", "no"]
            : ["--port", $"{Port}"];
        string[] announced = AnnouncedPort == 0 ? [] : ["--cluster-announce-port", $"{AnnouncedPort}"];
        string[] secret = Password is null ? [] : ["--requirepass", Password];
        string[] fixedOnes = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _folder.FullName, "--enable-debug-command", "yes", "--loglevel", "warning"];
        foreach (var argument in _isSentinel ? ["sentinel.conf", "--sentinel"] : (string[])[.. port, .. fixedOnes, .. announced, .. secret, .. _arguments])
        {
            start.ArgumentList.Add(argument);
        }

        _process = Process.Start(start) ?? throw new InvalidOperationException("redis-server did not start.");
        _process.StandardInput.Close();
        _ = _process.StandardOutput.ReadToEndAsync();
        _ = _process.StandardError.ReadToEndAsync();
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await SendAsync("PING");
                return;
            }
            catch (Exception exception) when (exception is not InvalidOperationException && Stopwatch.GetElapsedTime(began) < _patience && !_process.HasExited)
            {
                await Task.Delay(20);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _folder.Delete(recursive: true);
    }

    private static string? Find()
    {
        string?[] candidates =
        [
            Environment.GetEnvironmentVariable("CACHEKIT_REDIS_SERVER"),
            .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "redis-server")),
        ];
        return Array.Find(candidates, File.Exists);
    }
}
