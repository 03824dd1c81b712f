using CacheKit.Benchmarks.Charts;
using CacheKit.Benchmarks.Disk;
using CacheKit.Benchmarks.HitRatio;
using CacheKit.Benchmarks.Memory;
using CacheKit.Benchmarks.Redis;
#if RIVALS
using CacheKit.Benchmarks.Rivals;
#endif
using CacheKit.Benchmarks.Serialization;
using CacheKit.Benchmarks.Tables;

// The first argument names the program, the rest is its own.
(string Name, string Question, Func<string[], int> Run)[] programs =
[
    ("hit", "what a hit costs, beside ConcurrentDictionary and MemoryCache", HitBenchmark.Run),
    ("scaling", "how many times as many hits two threads get done as one", ScalingBenchmark.Run),
    ("tiered-hit", "what a hit in memory costs with stores behind it, beside memory alone", TieredHitBenchmark.Run),
    ("churn", "what a miss, its set and the eviction it causes cost", ChurnBenchmark.Run),
    ("memory", "how many bytes an entry takes, beyond its key and value", MemoryBenchmark.Run),
    ("growth", "how long one insert waits while a cache grows to a million entries", GrowthBenchmark.Run),
    ("stampede", "what a thousand callers of one missing key cost", StampedeBenchmark.Run),
    ("invalidation", "how long a removal by tag and of everything takes, beside MemoryCache", InvalidationBenchmark.Run),
    ("hit-ratio", "which share of requests hits, on traces, beside published policies", HitRatioBenchmark.Run),
    ("eviction", "what the eviction policy alone costs", EvictionBenchmark.Run),
    ("codec", "what an entry costs on its way to a store and back, beside bare JSON", CodecBenchmark.Run),
    ("redis", "what a cache in Redis costs beyond the commands it sends", RedisBenchmark.Run),
    ("disk", "what reads and writes of the disk store cost, beside a bare file and SQLite", DiskBenchmark.Run),
    ("disk-processes", "what several processes get done on one directory, beside SQLite", DiskProcessesBenchmark.Run),
    ("disk-restart", "how soon a new process reads the first of a million entries", DiskRestartBenchmark.Run),
#if RIVALS
    ("rivals", "all that of memory, beside BitFaster, HybridCache and FusionCache", RivalsBenchmark.Run),
#endif
    ("charts", "nothing: draws the pictures of docs/benchmarks from the tables there", ChartDrawing.Run),
    ("tables", "how the memory tier's table compares with ConcurrentDictionary", TableBenchmarks.Run),
];

if (Array.Find(programs, program => args is [var name, ..] && program.Name == name) is { Run: { } run })
{
    return run(args[1..]);
}

Console.WriteLine("Programs:");
foreach (var (name, question, _) in programs)
{
    Console.WriteLine($"  {name,-14} {question}");
}

return 1;
