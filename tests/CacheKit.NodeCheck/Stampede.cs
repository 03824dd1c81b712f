using static CacheKit.NodeCheck.NodeTable;

namespace CacheKit.NodeCheck;

/// <summary>Many callers in many processes ask at once for a value that nobody has.</summary>
internal static class Stampede
{
    internal const int Callers = 250;

    private const string Key = "cold";

    internal static async Task RunAsync(NodeTable table, ICache cache)
    {
        await WarmUpAsync(cache);
        table.Count(Counter.Ready);
        while (!table.MayGo)
        {
            await Task.Delay(1);
        }

        await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            var value = await cache.GetOrCreateAsync(Key, async token =>
            {
                table.Count(Counter.Factories);
                await Task.Delay(300, token);
                return 42;
            });
            table.Count(value == 42 ? Counter.Callers : Counter.Violations);
        })));
    }

    internal static async Task HoldAsync(NodeTable table, ICache cache)
    {
        await WarmUpAsync(cache);
        await cache.GetOrCreateAsync(Key, async token =>
        {
            table.Count(Counter.Ready);
            await Task.Delay(Timeout.Infinite, token);
            return 0;
        });
    }

    /// <summary>Until the connection is there, a cache does without.</summary>
    internal static async Task WarmUpAsync(ICache cache)
    {
        var key = $"warm {Environment.ProcessId}";
        while (cache.GetStatistics().Tiers[^1].Writes == 0)
        {
            await cache.SetAsync(key, 1);
            await Task.Delay(10);
        }
    }
}
