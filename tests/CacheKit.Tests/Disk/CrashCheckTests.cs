using System.Diagnostics;
using System.Globalization;
using CacheKit.Disk;
using static CacheKit.Tests.Disk.DiskStoreCalls;

namespace CacheKit.Tests.Disk;

/// <summary>Several processes use one directory and are killed again and again; what they read is checked. CACHEKIT_SOAK_SECONDS makes it longer.</summary>
[Trait("Category", "Stress")]
public sealed class CrashCheckTests
{
    private static double Seconds { get; } =
        double.TryParse(Environment.GetEnvironmentVariable("CACHEKIT_SOAK_SECONDS"), CultureInfo.InvariantCulture, out var seconds) && seconds > 0 ? seconds : 3;

    [Theory]
    [InlineData("default")]
    [InlineData("hot")]
    [InlineData("stray")]
    [InlineData("reinsert")]
    public async Task Whatever_is_killed_when_nobody_reads_a_wrong_value(string mode)
    {
        var (exitCode, output) = await RunAsync("--mode", mode, "--seconds", Seconds.ToString(CultureInfo.InvariantCulture));
        exitCode.Should().Be(0, output);
        output.Should().Contain("violations 0");
    }

    [Theory]
    [InlineData("stamp")]
    [InlineData("removal")]
    [InlineData("feed")]
    public async Task The_checker_notices_what_is_broken(string what)
    {
        var (exitCode, output) = await RunAsync("--mode", "hot", "--break", what, "--quiet-kills", "--seconds", "20");
        exitCode.Should().Be(1, output);
        output.Should().Contain("STALE");
    }

    [Fact]
    public async Task Processes_that_open_an_empty_directory_at_once_share_one_cache_though_some_die_while_they_do()
    {
        var (exitCode, output) = await RunAsync("--race", "8", "--seconds", Math.Min(Seconds, 30).ToString(CultureInfo.InvariantCulture));
        exitCode.Should().Be(0, output);
    }

    [Theory]
    [InlineData("0", "shared")]
    [InlineData("1", "private")]
    public async Task Where_locks_have_no_effect_nobody_shares(string isLockingDisabled, string expected)
    {
        using var folder = new DiskFolder();
        var (exitCode, output) = await RunInAsync(
            new() { ["DOTNET_SYSTEM_IO_DISABLEFILELOCKING"] = isLockingDisabled }, "--probe", "--directory", folder.Root);
        (exitCode, output.Trim()).Should().Be((0, expected));
    }

    [Fact]
    public async Task Another_user_without_the_right_to_the_files_has_a_folder_of_its_own()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && File.Exists("/usr/bin/setpriv"), "It takes Linux, root and setpriv to be another user.");
        using var folder = new DiskFolder();
        var cache = Path.Combine(folder.Root, "cache"); // where a probe looks
        Directory.CreateDirectory(cache);
        await using var store = folder.Open(settings => settings with { Path = cache });
        await store.Set("key", Bytes(1, 100));
        var before = Directory.GetFiles(cache, "*", SearchOption.AllDirectories);
        foreach (var directory in Directory.GetDirectories(folder.Root, "*", SearchOption.AllDirectories).Prepend(folder.Root))
            Assert.SkipUnless(TryOpenToAll(directory), "The rights of a directory cannot be changed here.");

        var (exitCode, output) = await RunInAsync(
            "/usr/bin/setpriv", [], "--reuid=65534", "--regid=65534", "--clear-groups", "dotnet", Program, "--probe", "--directory", folder.Root);

        (exitCode, output.Trim()).Should().Be((0, "private"));
        (await store.Get("key")).Should().Equal(Bytes(1, 100));
        Directory.GetFiles(cache, "*", SearchOption.AllDirectories).Should().BeEquivalentTo(
            before.Append(Path.Combine(DiskDirectory.FolderOf(cache, "default"), DiskDirectory.PrivateOpenLockFile)), "what it had of its own is gone");
    }

    private static string Program => Repository.PathTo("tests", "CacheKit.CrashCheck", "bin", Repository.Configuration, "net10.0", "CacheKit.CrashCheck.dll");

    private static bool TryOpenToAll(string directory)
    {
        if (OperatingSystem.IsWindows())
            return false;
        File.SetUnixFileMode(directory, (UnixFileMode)0b111_111_111);
        return true;
    }

    private static Task<(int ExitCode, string Output)> RunAsync(params string[] arguments) => RunInAsync([], arguments);

    private static Task<(int ExitCode, string Output)> RunInAsync(Dictionary<string, string> environment, params string[] arguments) =>
        RunInAsync("dotnet", environment, [Program, .. arguments]);

    private static async Task<(int ExitCode, string Output)> RunInAsync(string program, Dictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!; // not a shell's
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output);
    }
}
