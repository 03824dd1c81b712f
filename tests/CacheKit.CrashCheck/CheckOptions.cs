using System.Globalization;

namespace CacheKit.CrashCheck;

/// <summary>What kind of traffic there is.</summary>
internal enum CheckMode
{
    /// <summary>Some of everything, on as many keys as the log holds.</summary>
    Default,

    /// <summary>All on eight keys.</summary>
    Hot,

    /// <summary>Processes fall asleep in the middle of what they do, for longer than the log takes to come round.</summary>
    Stray,

    /// <summary>Mostly reads, so that many entries are carried on.</summary>
    Reinsert,
}

/// <summary>What is broken on purpose, to see that the checker notices.</summary>
internal enum Break
{
    None,

    /// <summary>Sums are not compared.</summary>
    Checksum,

    /// <summary>Loads take their stamp after the factory.</summary>
    Stamp,

    /// <summary>Invalidations of keys raise no fence.</summary>
    Removal,

    /// <summary>Memory does not listen to the feed.</summary>
    Feed,
}

/// <summary>The command line.</summary>
internal sealed record CheckOptions
{
    internal const string Usage = """
        Kills processes that use one disk cache together, and checks every read against what had been written and invalidated.

          --seconds N        how long (10)
          --processes N      how many at a time (3)
          --mode MODE        default, hot, stray or reinsert
          --break WHAT       none, checksum, stamp, removal or feed: a control that must find violations
          --quiet-kills      processes are not killed, only stopped now and then
          --directory PATH   where the cache is (a new temporary directory)
          --change WHAT      only opens a cache that another process has open, and changes one key: set, remove, expire, tag, tags or clear
          --probe            only opens the cache, and says whether processes can share it
          --race N           so many processes open one empty directory at once, some of which die while they do, and all others must find what each has left
          --racer N          only opens the cache as one of these

        The exit code is 0 if no violation was found, 1 if some were, and 2 for a wrong command line.
        """;

    internal double Seconds { get; private init; } = 10;

    internal int Processes { get; private init; } = 3;

    internal CheckMode Mode { get; private init; }

    internal Break Break { get; private init; }

    internal bool Kills { get; private init; } = true;

    internal string? Directory { get; private init; }

    internal bool IsProbe { get; private init; }

    internal string? Change { get; private init; }

    /// <summary>How many processes open the cache at once.</summary>
    internal int? Race { get; private init; }

    /// <summary>Set in these processes: which of them this is.</summary>
    internal int? Racer { get; private init; }

    /// <summary>Set in the processes that are killed: which of them this is.</summary>
    internal int? Worker { get; private init; }

    internal static CheckOptions? Parse(string[] arguments)
    {
        var options = new CheckOptions();
        for (var i = 0; i < arguments.Length; i++)
        {
            var value = i + 1 < arguments.Length ? arguments[i + 1] : "";
            switch (arguments[i])
            {
                case "--seconds" when double.TryParse(value, CultureInfo.InvariantCulture, out var seconds):
                    options = options with { Seconds = seconds };
                    break;
                case "--processes" when int.TryParse(value, CultureInfo.InvariantCulture, out var processes) && processes is > 0 and <= CheckTable.MostWorkers:
                    options = options with { Processes = processes };
                    break;
                case "--mode" when Enum.TryParse<CheckMode>(value, ignoreCase: true, out var mode):
                    options = options with { Mode = mode };
                    break;
                case "--break" when Enum.TryParse<Break>(value, ignoreCase: true, out var broken):
                    options = options with { Break = broken };
                    break;
                case "--directory" when value.Length > 0:
                    options = options with { Directory = value };
                    break;
                case "--change" when value is "set" or "remove" or "expire" or "tag" or "tags" or "clear":
                    options = options with { Change = value };
                    break;
                case "--worker" when int.TryParse(value, CultureInfo.InvariantCulture, out var worker):
                    options = options with { Worker = worker };
                    break;
                case "--race" when int.TryParse(value, CultureInfo.InvariantCulture, out var race):
                    options = options with { Race = race };
                    break;
                case "--racer" when int.TryParse(value, CultureInfo.InvariantCulture, out var racer):
                    options = options with { Racer = racer };
                    break;
                case "--quiet-kills":
                    options = options with { Kills = false };
                    continue;
                case "--probe":
                    options = options with { IsProbe = true };
                    continue;
                default:
                    return null;
            }

            i++;
        }

        return options.Directory is null && (options.Change is not null || options.Racer is not null) ? null : options;
    }
}
