// Digests every file below a directory through a cache, several times over, and shows what the cache saves.
//
//   dotnet run --project samples/CacheKit.Console [directory] [--passes N] [--disk DIR] [--redis HOST:PORT]
//
// Without a directory it takes this repository. It only reads; with --disk it keeps what it has found out in files below DIR, and starts warm the next time.
// With --redis it keeps it in a Redis (redis-server --port 6379 starts one), and with both in one behind the other.
using System.Diagnostics;
using CacheKit;
using CacheKit.Samples;
using CacheKit.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

if (args is ["--help" or "-h"])
{
    Console.WriteLine(Arguments.Usage);
    return 0;
}

if (Arguments.Parse(args, Console.Error) is not { } arguments)
{
    return Arguments.Misused;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true; // leave in order, by the token
    stop.Cancel();
};

// 1. A cache in memory, and on disk and in Redis behind it if asked for, from near to far. A web application says the same with builder.Services.
var services = new ServiceCollection();
services.AddCacheKit(cache =>
{
    cache.UseMemory(memory => memory.MaximumEntries = 1_000_000);
    if (arguments.Disk is { } disk)
    {
        cache.UseDisk(disk, options => options.MaximumBytes = 256 << 20);
    }

    if (arguments.Redis is { } redis)
    {
        cache.UseRedis(redis, options =>
        {
            options.KeyPrefix = "cachekit-sample";
            options.RequireConnectionAtStart = true; // or else it would go on without Redis, and use it when it answers
            options.Store.ReadTimeout = TimeSpan.FromSeconds(5); // a web application would rather not wait: 250 ms is the default
            options.Store.WriteTimeout = TimeSpan.FromSeconds(5);
        });
    }
});
await using var provider = services.BuildServiceProvider();
ICache cache;
try
{
    cache = provider.GetRequiredService<ICache>();
    foreach (var service in provider.GetServices<IHostedService>())
    {
        await service.StartAsync(CancellationToken.None); // as a host would; here it is the wait for Redis, of some seconds
    }
}
catch (CacheStoreException exception)
{
    Console.Error.WriteLine(exception.Message); // says what is wrong with the directory, and what to do
    return 1;
}
catch (InvalidOperationException exception) when (arguments.Redis is not null)
{
    Console.Error.WriteLine($"Redis cannot be used at {arguments.Redis}. If none runs there, this starts one: redis-server --port {arguments.Redis.Split(':')[1]}");
    Console.Error.WriteLine(exception.Message);
    return 1;
}

// 2. The input: every file below the directory, but for what tools leave there.
var files = SourceFile.Find(arguments.Directory, except: arguments.Disk);
Console.WriteLine($"{files.Count:N0} files below {arguments.Directory}");
if (files.Count == 0)
{
    Console.WriteLine("There is nothing to digest.");
    return 0;
}

// 3. What earlier runs have left. The disk can be looked at while the cache is in use; keys can be listed wherever they are.
string? warmth = null;
if (arguments.Disk is not null)
{
    await using var inspector = DiskCacheInspector.Open(arguments.Disk);
    var entries = inspector.GetStatistics().Entries;
    warmth = entries > 0 ? "disk" : null;
    Console.WriteLine(entries > 0 ? $"{entries:N0} digests on disk from an earlier run: it starts warm." : "Nothing on disk yet: it starts cold.");
}

if (arguments.Redis is not null && warmth is null)
{
    warmth = await cache.GetKeysAsync("digest:").AnyAsync() ? "Redis" : null;
    Console.WriteLine(warmth is not null ? "Digests in Redis from an earlier run: it starts warm." : "Nothing in Redis yet: it starts cold.");
}

// 4. Several passes over the same files. Before the last but one, one folder is removed by its tag.
var folder = SourceFile.LargestFolder(files);
var table = new PassTable(Console.Out);
try
{
    for (var pass = 1; pass <= arguments.Passes; pass++)
    {
        var title = pass > 1 ? "warm" : warmth is not null ? $"warm from {warmth}" : "cold";
        if (pass == Math.Max(2, arguments.Passes - 1) && folder is not null)
        {
            // One call, however many files are in the folder and those below it.
            await cache.RemoveByTagAsync($"folder:{folder}", stop.Token);
            title = $"'{folder}' removed";
        }

        var before = cache.GetStatistics();
        var started = Stopwatch.GetTimestamp();
        var totals = await DigestAllAsync(title);
        table.Add(pass, title, Stopwatch.GetElapsedTime(started), before, cache.GetStatistics(), totals);
    }
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.Error.WriteLine("Stopped.");
    return 130;
}

table.Print();
foreach (var tier in cache.GetStatistics().Tiers)
{
    Console.WriteLine($"{tier.Name}: {tier.Hits:N0} found, {tier.Writes:N0} written, {tier.Failures + tier.Timeouts:N0} failed");
}

return 0;

// 5. One pass. The factory runs only for a file that is not in the cache, and once however many ask for it. A file that
//    has changed has another key, so that nobody has to notice.
async Task<PassTotals> DigestAllAsync(string title)
{
    var totals = new PassTotals();
    using var progress = new Progress(title, files.Count);
    await Parallel.ForEachAsync(files, stop.Token, async (file, cancellationToken) =>
    {
        try
        {
            var digest = await cache.GetOrCreateAsync(
                file.Key, file, static (file, _, token) => FileDigest.ComputeAsync(file.Path, token),
                new CacheEntryOptions { Tags = file.Tags }, cancellationToken);
            totals.Add(digest);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            totals.AddUnreadable(); // a failure is not cached: the next pass tries again
        }

        progress.Advance();
    });
    return totals;
}
