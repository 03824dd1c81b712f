using System.Globalization;

namespace CacheKit.NodeCheck;

/// <summary>The command line of one node.</summary>
internal sealed record NodeOptions
{
    internal const string Usage = """
        One node of a check of several processes that use one Redis. The tests start it.

          VERB --node N --configuration TEXT --prefix TEXT --table PATH [--tiers redis|memory|disk] [--disk PATH]
               [--delivery MILLISECONDS] [--lost PERCENT] [--mistake NAME]
               [--patience MILLISECONDS] [--limit MILLISECONDS] [--lease MILLISECONDS]

          traffic    reads and changes keys, judges what it reads, until told to stop
          accounts   adds, counts and locks, and keeps accounts of it, until told to stop
          stampede   250 callers ask for one key at once
          hold       begins to make the value of that key, and never ends
        """;

    internal required string Verb { get; init; }

    internal int Node { get; private set; }

    internal string Configuration { get; private set; } = "";

    internal string Prefix { get; private set; } = "";

    internal string Table { get; private set; } = "";

    internal string Tiers { get; private set; } = "memory";

    internal string Disk { get; private set; } = "";

    /// <summary>How long after the authority knows of a change the other nodes must have followed.</summary>
    internal TimeSpan Delivery { get; private set; }

    /// <summary>How many of the messages of other nodes it does not hear.</summary>
    internal int LostPercent { get; private set; }

    internal Mistake Mistake { get; private set; }

    /// <summary>How long a call of Redis may take; the cache's own defaults if zero.</summary>
    internal TimeSpan Patience { get; private set; }

    /// <summary>How long the client waits for a command before it gives it up.</summary>
    internal TimeSpan Limit { get; private set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a distributed lock is held at most, and others wait for one that was lost. By default so long that no process is kept waiting for longer.</summary>
    internal TimeSpan Lease { get; private set; } = TimeSpan.FromSeconds(10);

    internal static NodeOptions? Parse(string[] arguments)
    {
        if (arguments is not ["traffic" or "accounts" or "stampede" or "hold", ..] || arguments.Length % 2 == 0)
        {
            return null;
        }

        var options = new NodeOptions { Verb = arguments[0] };
        for (var i = 1; i < arguments.Length; i += 2)
        {
            var value = arguments[i + 1];
            switch (arguments[i])
            {
                case "--node" when int.TryParse(value, CultureInfo.InvariantCulture, out var node) && node is >= 0 and < NodeTable.MostNodes:
                    options.Node = node;
                    break;
                case "--configuration":
                    options.Configuration = value;
                    break;
                case "--prefix":
                    options.Prefix = value;
                    break;
                case "--table":
                    options.Table = value;
                    break;
                case "--tiers" when value is "redis" or "memory" or "disk":
                    options.Tiers = value;
                    break;
                case "--disk":
                    options.Disk = value;
                    break;
                case "--delivery" when double.TryParse(value, CultureInfo.InvariantCulture, out var milliseconds):
                    options.Delivery = TimeSpan.FromMilliseconds(milliseconds);
                    break;
                case "--lost" when int.TryParse(value, CultureInfo.InvariantCulture, out var percent):
                    options.LostPercent = percent;
                    break;
                case "--patience" when double.TryParse(value, CultureInfo.InvariantCulture, out var patience):
                    options.Patience = TimeSpan.FromMilliseconds(patience);
                    break;
                case "--limit" when double.TryParse(value, CultureInfo.InvariantCulture, out var limit):
                    options.Limit = TimeSpan.FromMilliseconds(limit);
                    break;
                case "--lease" when double.TryParse(value, CultureInfo.InvariantCulture, out var lease):
                    options.Lease = TimeSpan.FromMilliseconds(lease);
                    break;
                case "--mistake" when Enum.TryParse<Mistake>(value, out var mistake):
                    options.Mistake = mistake;
                    break;
                default:
                    return null;
            }
        }

        return options;
    }
}
