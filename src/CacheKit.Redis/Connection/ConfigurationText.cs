using System.Globalization;
using System.Net;
using StackExchange.Redis;

namespace CacheKit.Redis.Connection;

/// <summary>Mistakes in a configuration string that clients overlook, or tell with more of it than anybody should read.</summary>
internal static class ConfigurationText
{
    // Of these the oldest client knows nothing.
    private static readonly string[] _ofLaterClients = ["user", "protocol", "asyncTimeout", "tunnel", "setlib", "highIntegrity", "heartbeatInterval"];

    // What is longer is no option's name, and may be a key that lacks the word before it.
    private const int LongestName = 24;

    internal static string HowToWrite =>
        $"It is a list such as \"server:6379,password=…,ssl=true\", in the syntax of StackExchange.Redis {ConfiguredConnection.ClientVersionText}, which is the version loaded.";

    /// <summary>Refuses what some clients take for the name of a server.</summary>
    /// <exception cref="ArgumentException">It is none. The message shows nothing that stands behind the password.</exception>
    internal static void Check(string configuration)
    {
        var (hasServer, hasPassword) = (false, false);
        foreach (var (place, part) in configuration.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Index())
        {
            if (!hasPassword && Name(part).Contains("://", StringComparison.Ordinal))
            {
                throw Mistake("A URL is not understood.");
            }

            if (part.Contains('='))
            {
                hasPassword |= IsSecret(part);
            }
            else if (hasServer && hasPassword)
            {
                throw Mistake("After the password stands something that is not an option. A password with a comma cannot be written into a string: set it by ConnectWith; and servers come first.");
            }
            else if (!IsServer(part))
            {
                // By its place: what is no server may be a secret that lacks the word before it.
                throw Mistake(hasPassword ? "After the password stands something that is neither an option nor a server."
                    : $"Part {place + 1} of it is not a server, which is a name or an address, and a port up to 65535. User and password are options of their own.");
            }
            else
            {
                hasServer = true;
            }
        }

        static ArgumentException Mistake(string what) => new($"The Redis configuration cannot be read: {what} {HowToWrite}", nameof(configuration));
    }

    /// <summary>Says which part a client does not take.</summary>
    internal static string FindMistake(string configuration)
    {
        var hasPassword = false;
        foreach (var part in configuration.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var name = Name(part);
            if (!IsTaken(part))
            {
                return hasPassword ? "Something after the password is not understood. A password with a comma cannot be written into a string: set it by ConnectWith."
                    : _ofLaterClients.Contains(name, StringComparer.OrdinalIgnoreCase) && ConfiguredConnection.ClientVersion.Major < 2
                        ? $"The option '{name}' needs a later version: reference it in the application."
                        : name.Length <= LongestName && name.All(char.IsAsciiLetter) ? $"The option '{name}' is not known, or its value is not one that it can have."
                        : "One of its parts is not understood. A password stands in an option: \"password=…\".";
            }

            hasPassword |= IsSecret(part);
        }

        return "Its parts do not go together.";
    }

    private static string Name(string part) => part.Split('=', 2)[0].Trim();

    private static bool IsSecret(string part) => part.StartsWith("password", StringComparison.OrdinalIgnoreCase);

    private static bool IsTaken(string part)
    {
        try
        {
            _ = ConfigurationOptions.Parse(part);
            return true;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            return false;
        }
    }

    private static bool IsServer(string part)
    {
        if (part[0] is '!' or '$' || part.StartsWith("unix:", StringComparison.Ordinal))
        {
            // A socket's path; or a command's other name, which comes without a value.
            return true;
        }

        if (IPAddress.TryParse(part, out _) || IPEndPoint.TryParse(part, out _))
        {
            return true;
        }

        var colon = part.LastIndexOf(':');
        var host = colon < 0 ? part : part[..colon];
        return host.Length > 0
            && host.All(character => char.IsLetterOrDigit(character) || character is '-' or '_' or '.')
            && (colon < 0 || (int.TryParse(part.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is >= 0 and <= ushort.MaxValue));
    }
}
