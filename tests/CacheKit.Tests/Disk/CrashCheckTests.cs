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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Another_user_without_the_right_to_the_files_has_a_folder_of_its_own(bool mayWriteTheFolder)
    {
        using var folder = new DiskFolder();
        var cache = Path.Combine(folder.Root, "cache"); // where a probe looks
        Directory.CreateDirectory(cache);
        await using var store = folder.Open(settings => settings with { Path = cache });
        await store.Set("key", Bytes(1, 100));
        var before = Directory.GetFiles(cache, "*", SearchOption.AllDirectories);
        OpenToAll(folder.Root);
        OpenToAll(cache);
        var shared = CacheFolder.Of(cache, "default");
        if (mayWriteTheFolder)
        {
            foreach (var directory in Directory.GetDirectories(shared, "*", SearchOption.AllDirectories).Prepend(shared))
                OpenToAll(directory);
        }

        (await ProbeAsAnotherAsync(folder)).Should().Be((0, "private"));

        (await store.Get("key")).Should().Equal(Bytes(1, 100));
        var lockFile = Path.Combine(mayWriteTheFolder ? shared : PrivateFolder.Beside(shared).Replace("-of-0", "-of-65534", StringComparison.Ordinal), PrivateFolder.OpenLockFile);
        Directory.GetFiles(cache, "*", SearchOption.AllDirectories).Should().BeEquivalentTo(before.Append(lockFile), "what it had of its own is gone");
    }

    [Fact]
    public async Task Another_user_who_may_not_create_a_folder_is_told_whose_the_directory_is()
    {
        using var folder = new DiskFolder();
        var cache = Path.Combine(folder.Root, "cache");
        Directory.CreateDirectory(cache);
        await using var store = folder.Open(settings => settings with { Path = cache });
        OpenToAll(folder.Root);
        var (exitCode, output) = await ProbeAsAnotherAsync(folder);
        exitCode.Should().Be(1);
        output.Should().EndWith($"'{cache}' belongs to user 0 and has the rights 755, and this process runs as user 65534. Give the process the right to write there, or choose another directory.");
    }

    [Theory]
    [InlineData("022", "700")]
    [InlineData("002", "770")]
    [InlineData("000", "770")]
    public async Task Only_those_can_read_what_is_cached_who_may_write_it_too(string umask, string rights)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "It takes rights of files.");
        using var folder = new DiskFolder();
        Directory.CreateDirectory(folder.Root);
        (await RunInAsync("/bin/sh", [], "-c", $"umask {umask}; exec dotnet '{Program}' --probe --directory '{folder.Root}'")).Output.Trim().Should().Be("shared");
        OtherProgram.Run("stat", "-c", "%a", CacheFolder.Of(Path.Combine(folder.Root, "cache"), "default"))!.Trim().Should().Be(rights);
    }

    private static string Program => Repository.PathTo("tests", "CacheKit.CrashCheck", "bin", Repository.Configuration, "net10.0", "CacheKit.CrashCheck.dll");

    private static async Task<(int ExitCode, string Output)> ProbeAsAnotherAsync(DiskFolder folder)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && File.Exists("/usr/bin/setpriv"), "It takes Linux, root and setpriv to be another user.");
        var (exitCode, output) = await RunInAsync(
            "/usr/bin/setpriv", [], "--reuid=65534", "--regid=65534", "--clear-groups", "dotnet", Program, "--probe", "--directory", folder.Root);
        return (exitCode, output.Trim());
    }

    private static void OpenToAll(string directory)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "It takes rights of files.");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(directory, (UnixFileMode)0b111_111_111);
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
