using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;

namespace CacheKit.Tests.Packaging;

/// <summary>A web application in a process of its own, on a port that was free.</summary>
internal sealed partial class WebProgram : IDisposable
{
    private readonly Process _process;

    private WebProgram(Process process, Uri address)
    {
        _process = process;
        Client = new() { BaseAddress = address };
    }

    public HttpClient Client { get; }

    /// <summary>Starts it, and returns when it listens.</summary>
    public static async Task<WebProgram> StartAsync(string program)
    {
        var start = new ProcessStartInfo("dotnet", [program])
        {
            WorkingDirectory = Path.GetDirectoryName(program),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["ASPNETCORE_URLS"] = "http://127.0.0.1:0";
        var process = Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start.");
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var output = new StringBuilder();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (Listening().Match(line) is { Success: true } match)
            {
                _ = process.StandardOutput.ReadToEndAsync(); // so that it never waits for a reader
                return new(process, new(match.Groups["address"].Value));
            }

            output.AppendLine(line);
        }

        throw new InvalidOperationException($"{program} ended before it listened:\n{output}{await errors}");
    }

    public void Dispose()
    {
        Client.Dispose();
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }

    [GeneratedRegex(@"Now listening on: (?<address>http://\S+)")]
    private static partial Regex Listening();
}
