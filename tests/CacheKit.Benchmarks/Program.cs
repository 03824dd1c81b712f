using BenchmarkDotNet.Running;
using CacheKit.Benchmarks.HitRatio;

if (args is ["hit-ratio", .. var rest])
{
    return HitRatioBenchmark.Run(rest);
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
