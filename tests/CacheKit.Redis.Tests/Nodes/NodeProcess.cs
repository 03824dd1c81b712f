using System.Diagnostics;
using System.Reflection;
using System.Text;

namespace CacheKit.Redis.Tests.Nodes;

/// <summary>A node: a process of its own, which uses Redis as an application would.</summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private NodeProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Append(line.Data);
        process.ErrorDataReceived += (_, line) => Append(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>What it has written: what was wrong.</summary>
    internal string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    internal bool HasExited => _process.HasExited;

    internal static NodeProcess Start(string verb, params IEnumerable<(string Name, object Value)> options)
    {
        var here = Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)!; // a file
        var program = Path.GetFullPath(Path.Combine(here.Replace("CacheKit.Redis.Tests", "CacheKit.NodeCheck", StringComparison.Ordinal), "CacheKit.NodeCheck.dll"));
        var start = new ProcessStartInfo("dotnet", [program, verb, .. options.SelectMany(option => new[] { "--" + option.Name, option.Value.ToString()! })]) // none is null
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // Several on a machine of few processors: what is compiled in the background competes with what is tested.
        start.Environment["DOTNET_TieredPGO"] = "0";
        return new(Process.Start(start) ?? throw new InvalidOperationException("The node did not start."));
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>Whether it ended in time, and well.</returns>
    internal async Task<bool> EndAsync(TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
            return _process.ExitCode == 0;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Ends it as a crash would.</summary>
    internal async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    private void Append(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }
}
