using System.Diagnostics;
using System.Globalization;
using CacheKit.Redis;
using CacheKit.Redis.Connection;
using CacheKit.Redis.Store;
using CacheKit.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace CacheKit.Benchmarks.Redis;

/// <summary>Compares the store, and a cache that has nothing else, with the bare commands on the same connection.</summary>
internal static class RedisBenchmark
{
    private const int Keys = 1000;
    private const int ValueBytes = 1024;

    private static readonly TimeSpan _life = TimeSpan.FromMinutes(30);
    private static readonly byte[] _value = new byte[ValueBytes];
    private static long _last;

    internal static int Run(string[] args)
    {
        RunAsync(args is ["quick", ..], args.Where(argument => argument != "quick").ToArray()).GetAwaiter().GetResult();
        return 0;
    }

    private static async Task RunAsync(bool isQuick, string[] questions)
    {
        int[] numbers = [.. questions.Where(IsNumber).Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        questions = [.. questions.Where(question => !IsNumber(question))];
        static bool IsNumber(string text) => text.All(char.IsAsciiDigit);
        bool Asks(string question) => questions.Length == 0 || questions.Contains(question);
        Random.Shared.NextBytes(_value);
        using var server = new LocalServer();
        using var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{server.Port},allowAdmin=true");
        AsyncOrder.Release(connection);
        var database = connection.GetDatabase();

        var options = new RedisOptions();
        options.UseConnection(connection);
        await using var store = new RedisStore(options, new("store", TimeProvider.System, NullLoggerFactory.Instance, new ServiceCollection().BuildServiceProvider()));
        var provider = new ServiceCollection().AddCacheKit(builder => builder.WithoutMemory().UseRedis(redis => redis.UseConnection(connection))).BuildServiceProvider();
        await using var disposing = provider;
        var cache = provider.GetRequiredService<ICache>();
        var admin = connection.GetServer("127.0.0.1", server.Port);
        var (idle, setting) = (await admin.ScriptLoadAsync("return 1"), await admin.ScriptLoadAsync("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1"));
        await SeedAsync();

        async Task SeedAsync()
        {
            for (var i = 0; i < Keys; i++)
            {
                await database.StringSetAsync($"raw:{i}", _value, _life);
                await store.WriteAsync($"plain:{i}", Entry(), StoreCondition.Always, default);
                await store.WriteAsync($"tagged:{i}", Entry("tag"), StoreCondition.Always, default);
                await cache.SetAsync($"value:{i}", _value);
            }
        }

        var names = Enumerable.Range(0, Keys).ToArray();
        var (raw, plain, tagged, value) = (Array.ConvertAll(names, i => (RedisKey)$"raw:{i}"), Array.ConvertAll(names, i => $"plain:{i}"), Array.ConvertAll(names, i => $"tagged:{i}"), Array.ConvertAll(names, i => $"value:{i}"));
        foreach (var callers in numbers.Length > 0 ? numbers : [1, 8, 64])
        {
            if (Asks("get"))
            {
                await new Contest($"Get of 1 KB, callers: {callers}", callers)
                    .Add("StringGetAsync", async i => _ = await database.StringGetAsync(raw[i % Keys]))
                    .Add("StringGetAsync, again", async i => _ = await database.StringGetAsync(raw[i % Keys]))
                    .Add("store, no tags", async i => (await store.ReadAsync(plain[i % Keys], default, default)).Dispose())
                    .Add("store, one tag", async i => (await store.ReadAsync(tagged[i % Keys], default, default)).Dispose())
                    .Add("cache without memory, decoded", async i => _ = await cache.GetAsync<byte[]>(value[i % Keys]))
                    .RunAsync(isQuick);
            }

            if (Asks("populate"))
            {
                // After a miss: under a name that is not there.
                var loadStamp = 0L;
                await new Contest($"Populate, 1 KB, callers: {callers}", callers)
                    .Add("StringSetAsync", async i => await database.StringSetAsync($"new:{Next()}", _value, _life), Empty)
                    .Add("StringSetAsync, again", async i => await database.StringSetAsync($"new:{Next()}", _value, _life), Empty)
                    .Add("EVALSHA of a script that does nothing", async i => await database.ScriptEvaluateAsync(idle, [$"new:{Next()}"], [_value, 1]), Empty)
                    .Add("store, populate", async i => await store.WriteAsync($"new:{Next()}", Entry(), StoreCondition.IfCurrent(loadStamp), default), Empty)
                    .Add("store, populate, one tag", async i => await store.WriteAsync($"new:{Next()}", Entry("tag"), StoreCondition.IfCurrent(loadStamp), default), Empty)
                    .Add("store, populate, for a minute", async i => await store.WriteAsync($"new:{Next()}", Entry(_value, TimeSpan.FromMinutes(1)), StoreCondition.IfCurrent(loadStamp), default), Empty)
                    .RunAsync(isQuick);

                async Task Empty()
                {
                    await connection.GetServer("127.0.0.1", server.Port).FlushDatabaseAsync();
                    await store.WriteAsync("seed", Entry("tag"), StoreCondition.Always, default);
                    (await store.ReadAsync("seed", default, default)).Dispose();
                    loadStamp = (await store.ReadAsync("absent", default, default)).LoadStamp;
                }
            }

            if (Asks("set"))
            {
                await SeedAsync();
                await new Contest($"Set in place of another value, 1 KB, callers: {callers}", callers)
                    .Add("StringSetAsync", async i => await database.StringSetAsync(raw[i % Keys], _value, _life))
                    .Add("StringSetAsync, again", async i => await database.StringSetAsync(raw[i % Keys], _value, _life))
                    .Add("EVALSHA of a script that does nothing", async i => await database.ScriptEvaluateAsync(idle, [raw[i % Keys]], [_value, 1]))
                    .Add("EVALSHA of a script that does nothing but SET", async i => await database.ScriptEvaluateAsync(setting, [raw[i % Keys]], [_value, 1_800_000]))
                    .Add("store, set", async i => await store.WriteAsync(plain[i % Keys], Entry(), StoreCondition.Always, default))
                    .Add("cache without memory, set", async i => await cache.SetAsync(value[i % Keys], _value))
                    .RunAsync(isQuick);
            }
        }

        if (Asks("tags"))
        {
            await InvalidateAsync(store, isQuick ? 20_000 : 1_000_000);
        }
    }

    /// <summary>What the removal by tag of many entries costs, beside that of one.</summary>
    private static async Task InvalidateAsync(RedisStore store, int entries)
    {
        var payload = new byte[16];
        for (var start = 0; start < entries; start += 10_000)
        {
            await store.WriteManyAsync(
                [.. Enumerable.Range(start, Math.Min(10_000, entries - start)).Select(i => new StoreWrite($"many:{i}", Entry(payload, "many"), StoreCondition.Always))], default);
        }

        await store.WriteAsync("one", Entry(payload, "one"), StoreCondition.Always, default);
        await new Contest("Removal by tag", 1)
            .Add("a tag on one entry", async _ => await store.InvalidateTagsAsync(["one"], TagMatch.Any, InvalidationKind.Remove, default))
            .Add(string.Create(CultureInfo.InvariantCulture, $"a tag on {entries:N0} entries"), async _ => await store.InvalidateTagsAsync(["many"], TagMatch.Any, InvalidationKind.Remove, default))
            .RunAsync(false);
        using var lookup = await store.ReadAsync($"many:{entries - 1}", default, default);
        if (lookup.IsFound)
        {
            throw new InvalidOperationException("It was removed.");
        }
    }

    private static long Next() => Interlocked.Increment(ref _last);

    private static StoreEntry Entry(params IReadOnlyList<string> tags) => Entry(_value, tags);

    private static StoreEntry Entry(byte[] payload, params IReadOnlyList<string> tags) => Entry(payload, _life, tags);

    private static StoreEntry Entry(byte[] payload, TimeSpan life, params IReadOnlyList<string> tags) =>
        new() { Payload = payload, ExpiresAt = DateTimeOffset.UtcNow + life, RetainUntil = DateTimeOffset.UtcNow + life, Tags = tags };

    /// <summary>Subjects that take turns, each with a number of callers who do one thing after the other.</summary>
    private sealed class Contest(string title, int callers)
    {
        private readonly List<(string Name, Func<int, Task> Act, Func<Task>? Prepare, List<double> Rates, List<double> Bytes, List<double> Client, List<double> Server)> _subjects = [];

        internal Contest Add(string name, Func<int, Task> act, Func<Task>? prepare = null)
        {
            _subjects.Add((name, act, prepare, [], [], [], []));
            return this;
        }

        internal async Task RunAsync(bool isQuick)
        {
            for (var round = -2; round < (isQuick ? 5 : 21); round++)
            {
                for (var turn = 0; turn < _subjects.Count; turn++)
                {
                    var subject = _subjects[(turn + round + 2) % _subjects.Count];
                    if (subject.Prepare is not null)
                    {
                        await subject.Prepare();
                    }

                    var (rate, bytes, client, server) = await MeasureAsync(subject.Act, TimeSpan.FromMilliseconds(200));
                    if (round >= 0)
                    {
                        subject.Rates.Add(rate);
                        subject.Bytes.Add(bytes);
                        subject.Client.Add(client);
                        subject.Server.Add(server);
                    }
                }
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n**{title}** ({_subjects[0].Rates.Count} rounds)\n"));
            Console.WriteLine("| subject | best per second | median per second | ratio of the best | median ratio | client CPU µs/op | server CPU µs/op | B/op |");
            Console.WriteLine("|---|---:|---:|---:|---:|---:|---:|---:|");
            var first = _subjects[0].Rates;
            foreach (var (name, _, _, rates, bytes, client, server) in _subjects)
            {
                var ratios = rates.Zip(first, (own, other) => own / other);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {rates.Max():N0} | {Median(rates):N0} | {rates.Max() / first.Max():F2} | {Median(ratios):F2} | {Median(client):F1} | {Median(server):F1} | {Median(bytes):N0} |"));
            }
        }

        private async Task<(double Rate, double Bytes, double Client, double Server)> MeasureAsync(Func<int, Task> act, TimeSpan duration)
        {
            var (client, server) = (Environment.CpuUsage.TotalTime, LocalServer.CpuTime);
            var (began, allocated) = (Stopwatch.GetTimestamp(), GC.GetTotalAllocatedBytes(precise: true));
            var counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
            {
                var count = 0;
                for (; Stopwatch.GetElapsedTime(began) < duration; count++)
                {
                    await act((caller * 17) + count);
                }

                return count;
            })));
            var done = (double)counts.Sum();
            return (
                done / Stopwatch.GetElapsedTime(began).TotalSeconds,
                (GC.GetTotalAllocatedBytes(precise: true) - allocated) / done,
                (Environment.CpuUsage.TotalTime - client).TotalMicroseconds / done,
                (LocalServer.CpuTime - server).TotalMicroseconds / done);
        }

        private static double Median(IEnumerable<double> values)
        {
            var sorted = values.Order().ToArray();
            return sorted[sorted.Length / 2];
        }
    }
}
