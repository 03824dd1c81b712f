namespace CacheKit.Samples;

/// <summary>What the command line asks for.</summary>
internal sealed record Arguments(string Directory, int Passes, string? Disk, string? Redis)
{
    /// <summary>The exit code of a command line that makes no sense.</summary>
    public const int Misused = 2;

    /// <summary>How the program is called.</summary>
    public const string Usage = """
        usage: CacheKit.Console [directory] [--passes N] [--disk DIR] [--redis HOST:PORT]

          --passes N           how often, from 2 to 100 (4)
          --disk DIR           also keep the digests in files below DIR, so that the next run starts warm
          --redis HOST:PORT    also keep the digests in Redis, where every process finds them
        """;

    /// <summary>Reads the command line; says what is wrong with it, and gives null, if it cannot be followed.</summary>
    public static Arguments? Parse(string[] args, TextWriter errors)
    {
        string? directory = null;
        string? disk = null;
        string? redis = null;
        var passes = 4;
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--passes" when i + 1 < args.Length && int.TryParse(args[i + 1], out passes) && passes is >= 2 and <= 100:
                    i++;
                    break;
                case "--disk" when i + 1 < args.Length && args[i + 1] is not (['-', ..] or ""):
                    disk = Path.GetFullPath(args[++i]);
                    break;
                case "--redis" when i + 1 < args.Length && IsEndpoint(args[i + 1]):
                    redis = args[++i];
                    break;
                case ['-', ..] or "":
                    return Fail(errors, args[i] switch
                    {
                        "--passes" => "--passes takes a whole number from 2 to 100.",
                        "--disk" => "--disk takes a directory.",
                        "--redis" => "--redis takes a host and a port, such as localhost:6379.",
                        var unknown => $"There is no option '{unknown}'.",
                    });
                case var path when directory is null:
                    directory = path;
                    break;
                default:
                    return Fail(errors, $"One directory is enough, but '{args[i]}' came after '{directory}'.");
            }
        }

        directory = Path.GetFullPath(directory ?? FindRepository());
        if (System.IO.Directory.Exists(directory))
        {
            return new(directory, passes, disk, redis);
        }

        return Fail(errors, File.Exists(directory) ? $"'{directory}' is a file, not a directory." : $"There is no directory '{directory}'.");
    }

    private static bool IsEndpoint(string text) =>
        text.Split(':') is [not (['-', ..] or ""), var port] && ushort.TryParse(port, out var number) && number > 0 && !text.Contains(',');

    private static Arguments? Fail(TextWriter errors, string message)
    {
        errors.WriteLine(message);
        errors.WriteLine(Usage);
        return null;
    }

    /// <summary>The repository the program was built in, or else the directory it was started in.</summary>
    private static string FindRepository()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "CacheKit.sln")))
            {
                return directory.FullName;
            }
        }

        return Environment.CurrentDirectory;
    }
}
