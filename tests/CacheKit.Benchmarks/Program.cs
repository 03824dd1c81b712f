using CacheKit.Benchmarks.HitRatio;
using CacheKit.Benchmarks.Memory;
using CacheKit.Benchmarks.Tables;

// The first argument names the program, the rest is its own.
(string Name, string Question, Func<string[], int> Run)[] programs =
[
    ("hit", "what a hit costs, beside ConcurrentDictionary and MemoryCache", HitBenchmark.Run),
    ("churn", "what a miss, its set and the eviction it causes cost", ChurnBenchmark.Run),
    ("memory", "how many bytes an entry takes, beyond its key and value", MemoryBenchmark.Run),
    ("growth", "how long one insert waits while a cache grows to a million entries", GrowthBenchmark.Run),
    ("stampede", "what a thousand callers of one missing key cost", StampedeBenchmark.Run),
    ("hit-ratio", "which share of requests hits, on traces, beside published policies", HitRatioBenchmark.Run),
    ("eviction", "what the eviction policy alone costs", EvictionBenchmark.Run),
    ("tables", "how the memory tier's table compares with ConcurrentDictionary", TableBenchmarks.Run),
];

if (Array.Find(programs, program => args is [var name, ..] && program.Name == name) is { Run: { } run })
{
    return run(args[1..]);
}

Console.WriteLine("Programs:");
foreach (var (name, question, _) in programs)
{
    Console.WriteLine($"  {name,-10} {question}");
}

return 1;
