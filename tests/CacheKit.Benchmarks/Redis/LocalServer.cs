using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CacheKit.Benchmarks.Redis;

/// <summary>A redis-server for one run, on a free port of this machine.</summary>
internal sealed class LocalServer : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-benchmark-");
    private static Process? _current;

    private readonly Process _process;

    internal LocalServer()
    {
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        _process = Process.Start(new ProcessStartInfo(
            "redis-server", ["--port", $"{Port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", _folder.FullName, "--loglevel", "warning"])
        { RedirectStandardOutput = true }) ?? throw new InvalidOperationException("redis-server did not start.");
        _current = _process;
        for (var patience = 100; patience > 0; patience--)
        {
            try
            {
                using var client = new TcpClient("127.0.0.1", Port);
                return;
            }
            catch (SocketException)
            {
                Thread.Sleep(50);
            }
        }
    }

    internal int Port { get; }

    /// <summary>What the server of the run has computed so far.</summary>
    internal static TimeSpan CpuTime
    {
        get
        {
            _current!.Refresh(); // there is one while anything is measured
            return _current.TotalProcessorTime;
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }
}
