using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace CacheKit.Disk;

/// <summary>Tells one boot of the machine from another: only within one can memory that was shared through a file be trusted to be in it.</summary>
internal static unsafe partial class BootIdentity
{
    private const int SystemTimeOfDay = 3;

    /// <summary>An identity of the present boot; <see langword="null"/> if the system does not tell.</summary>
    internal static string? Current { get; } = Read();

    private static string? Read()
    {
        try
        {
            return OperatingSystem.IsLinux() ? File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim()
                : OperatingSystem.IsMacOS() ? ReadMac()
                : OperatingSystem.IsWindows() ? ReadWindows()
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or EntryPointNotFoundException or DllNotFoundException)
        {
            return null;
        }
    }

    private static string? ReadMac()
    {
        Span<byte> text = stackalloc byte[128];
        var length = (nuint)text.Length;
        fixed (byte* start = text)
        {
            return SystemControl("kern.bootsessionuuid", start, &length, null, 0) == 0
                ? Encoding.ASCII.GetString(text[..(int)length]).TrimEnd('\0')
                : null;
        }
    }

    private static string? ReadWindows()
    {
        // The first three numbers are the time of the boot, the present time, and the bias of the zone; the fifth is what was added to the first since.
        Span<long> times = stackalloc long[6];
        fixed (long* start = times)
        {
            return QuerySystemInformation(SystemTimeOfDay, start, 48, null) == 0
                ? (times[0] - times[4]).ToString(CultureInfo.InvariantCulture)
                : null;
        }
    }

    [LibraryImport("libc", EntryPoint = "sysctlbyname", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SystemControl(string name, byte* value, nuint* length, void* newValue, nuint newLength);

    [LibraryImport("ntdll", EntryPoint = "NtQuerySystemInformation")]
    private static partial int QuerySystemInformation(int kind, void* information, uint length, uint* needed);
}
