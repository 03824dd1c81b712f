using System.Diagnostics;

namespace CacheKit.Tests.Disk;

/// <summary>Programs of the system that a test needs, where they are.</summary>
internal static class OtherProgram
{
    /// <summary>Runs one to its end.</summary>
    /// <returns>What it wrote; null if it is not there, or fails.</returns>
    public static string? Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!; // not a shell's
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
