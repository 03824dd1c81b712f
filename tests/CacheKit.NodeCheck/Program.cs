using CacheKit.NodeCheck;

if (NodeOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine(NodeOptions.Usage);
    return 2;
}

using var table = new NodeTable(options.Table);
var (cache, locks) = NodeCache.Create(options, table);
await using var disposal = cache;
switch (options.Verb)
{
    case "traffic":
        await new Traffic(options, table, cache).RunAsync();
        break;
    case "accounts":
        using (var accounts = new AccountTable(options.Table + ".accounts"))
        {
            await new Accounts(options, table, accounts, cache, locks).RunAsync();
        }

        break;
    case "stampede":
        await Stampede.RunAsync(table, cache);
        break;
    default:
        await Stampede.HoldAsync(table, cache);
        break;
}

return 0;
