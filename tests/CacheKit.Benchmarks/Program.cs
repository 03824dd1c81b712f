using BenchmarkDotNet.Running;
using CacheKit.Benchmarks.Tables;

// The first argument names the program, the rest is its own.
(string Name, string Question, Action<string[]> Run)[] programs =
[
    ("tables", "how the memory tier's table compares with ConcurrentDictionary", TableBenchmarks.Run),
    ("classes", "BenchmarkDotNet over the classes of this assembly, with its own arguments", rest => BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(rest)),
];

if (Array.Find(programs, program => args is [var name, ..] && program.Name == name) is { Run: { } run })
{
    run(args[1..]);
    return 0;
}

Console.WriteLine("Programs:");
foreach (var (name, question, _) in programs)
{
    Console.WriteLine($"  {name,-10} {question}");
}

return 1;
