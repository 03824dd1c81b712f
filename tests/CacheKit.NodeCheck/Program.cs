using CacheKit.NodeCheck;

if (NodeOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(NodeOptions.Usage);
    return 2;
}

using var table = new NodeTable(options.Table);
await using var cache = NodeCache.Create(options);
switch (options.Verb)
{
    case "traffic":
        await new Traffic(options, table, cache).RunAsync();
        break;
    case "stampede":
        await Stampede.RunAsync(table, cache);
        break;
    default:
        await Stampede.HoldAsync(table, cache);
        break;
}

return 0;
