using CacheKit.CrashCheck;

if (CheckOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(CheckOptions.Usage);
    return 2;
}

if (options.Change is { } change)
{
    await OneChange.MakeAsync(options.Directory!, change); // given with it
    return 0;
}

if (options.Racer is { } racer)
{
    return OpenRace.Take(racer, options.Directory!); // given with it
}

if (options.Race is not null)
{
    return OpenRace.Run(options, Supervisor.StartSelf);
}

if (options.Worker is null)
{
    var supervisor = new Supervisor(options);
    return options.IsProbe ? supervisor.Probe() : supervisor.Run();
}

using var table = new CheckTable(Path.Combine(options.Directory!, "check.table")); // the supervisor names it
new Worker(options, table, Path.Combine(options.Directory!, "cache")).Run();
return 0;
