using System.Diagnostics;
using CacheKit.Redis.Tests.Rig;

namespace CacheKit.Tests.Samples;

/// <summary>The console sample, run as its reader would run it.</summary>
public sealed class ConsoleSampleTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cachekit-sample-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Every_file_is_digested_once_and_again_only_when_its_folder_was_removed()
    {
        Write("one/a.txt", "two words\n");
        Write("one/deep/b.txt", "three more words\n");
        Write("two/c.md", "x");
        var before = Snapshot();

        var (exitCode, output, errors) = await RunAsync(_folder.FullName, "--passes", "4");

        exitCode.Should().Be(0, errors);
        Row(output, "cold").Should().ContainInOrder("0", "3", "3", "0.0");
        Row(output, "'one' removed").Should().ContainInOrder("1", "2", "2", "33.3");
        output.Should().Contain("28 bytes, 2 lines, 6 words");
        output.Should().NotContain("\r", "there is no progress display where there is no terminal");
        Snapshot().Should().Equal(before, "the sample only reads");
    }

    [Fact]
    public async Task With_a_disk_the_second_run_starts_warm_and_says_so()
    {
        Write("files/one/a.txt", "two words\n");
        Write("files/two/b.txt", "three more words\n");
        var disk = Path.Combine(_folder.FullName, "files", "cache");
        string[] arguments = [Path.Combine(_folder.FullName, "files"), "--passes", "2", "--disk", disk];

        var (exitCode, first, errors) = await RunAsync(arguments);
        exitCode.Should().Be(0, errors);
        first.Should().Contain("2 files below").And.Contain("it starts cold");
        Row(first, "cold").Should().ContainInOrder("0", "2", "2", "0.0");

        Write("files/two/b.txt", "changed\n");
        (exitCode, var second, errors) = await RunAsync(arguments);
        exitCode.Should().Be(0, errors);
        second.Should().Contain("2 files below", "its own files are not among them").And.Contain("2 digests on disk from an earlier run: it starts warm");
        Row(second, "warm from disk").Should().ContainInOrder("1", "1", "1", "50.0");
    }

    [Fact]
    [Trait("Needs", "Redis")]
    public async Task With_Redis_the_second_run_starts_warm_and_says_so()
    {
        RedisServer.Require();
        await using var server = await RedisServer.StartAsync();
        Write("one/a.txt", "two words\n");
        Write("two/b.txt", "three more words\n");
        string[] arguments = [_folder.FullName, "--passes", "2", "--redis", $"127.0.0.1:{server.Port}"];

        var (exitCode, first, errors) = await RunAsync(arguments);
        exitCode.Should().Be(0, errors);
        first.Should().Contain("Nothing in Redis yet: it starts cold");
        Row(first, "cold").Should().ContainInOrder("0", "2", "2", "0.0");

        (exitCode, var second, errors) = await RunAsync(arguments);
        exitCode.Should().Be(0, errors);
        errors.Should().BeEmpty();
        second.Should().Contain("Digests in Redis from an earlier run: it starts warm");
        Row(second, "warm from Redis").Should().ContainInOrder("2", "0", "0", "100.0");
        second.Should().Contain("redis: ").And.Contain(" 0 failed");
    }

    [Fact]
    public async Task Redis_that_does_not_answer_is_said_not_to_with_exit_code_1()
    {
        Write("one/a.txt", "two words\n");
        var port = RedisServer.FreePort();

        var (exitCode, output, errors) = await RunAsync(_folder.FullName, "--passes", "2", "--redis", $"127.0.0.1:{port}");

        exitCode.Should().Be(1, output);
        errors.Should().Contain($"Redis cannot be used at 127.0.0.1:{port}").And.Contain($"redis-server --port {port}").And.NotContain("   at ", "it is no crash");
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("localhost:")]
    [InlineData("localhost:zero")]
    [InlineData(":6379")]
    [InlineData("--passes")]
    public async Task What_is_no_host_and_port_is_said_to_be_none_with_exit_code_2(string redis)
    {
        var (exitCode, _, errors) = await RunAsync(_folder.FullName, "--redis", redis);
        exitCode.Should().Be(2);
        errors.Should().Contain("--redis takes a host and a port").And.Contain("usage:");
    }

    [Fact]
    public async Task A_disk_that_cannot_be_used_is_said_to_be_none()
    {
        Write("a.txt", "x");
        var (exitCode, _, errors) = await RunAsync(_folder.FullName, "--disk", Path.Combine(_folder.FullName, "a.txt"));
        exitCode.Should().Be(1);
        errors.Should().Contain("a.txt").And.Contain("Choose another directory").And.NotContain("   at ", "it is no crash");
    }

    [Fact]
    public async Task A_path_that_is_no_directory_is_said_to_be_none_with_exit_code_2()
    {
        var missing = Path.Combine(_folder.FullName, "missing");
        var (exitCode, _, errors) = await RunAsync(missing);
        exitCode.Should().Be(2);
        errors.Should().Contain(missing);
    }

    [Fact]
    public async Task An_empty_directory_is_no_failure()
    {
        var (exitCode, output, _) = await RunAsync(_folder.FullName);
        exitCode.Should().Be(0);
        output.Should().Contain("nothing to digest");
    }

    private static string[] Row(string output, string title)
    {
        var line = output.Split('\n').Single(line => line.Contains($"  {title} ", StringComparison.Ordinal));
        return line[(line.IndexOf(" ms", StringComparison.Ordinal) + 3)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    private void Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!); // it has one: the folder of the test
        File.WriteAllText(path, text);
    }

    private string[] Snapshot() =>
        [.. _folder.EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Select(entry => $"{entry.FullName} {entry.LastWriteTimeUtc.Ticks}").Order(StringComparer.Ordinal)];

    private static async Task<(int ExitCode, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var program = Repository.PathTo("samples", "CacheKit.Console", "bin", Repository.Configuration, "net10.0", "CacheKit.Console.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        }) ?? throw new InvalidOperationException("dotnet did not start.");
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
