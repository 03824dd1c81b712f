using CacheKit.Engine;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Benchmarks.Memory;

/// <summary>Caches as an application would have them.</summary>
internal static class Subjects
{
    internal static Cache CreateCache(long maximumEntries) =>
        new("benchmark", new CacheKitOptions(), new MemoryOptions { MaximumEntries = maximumEntries }, TimeProvider.System, NullLogger.Instance, [], null);

    /// <summary>The numbers among the arguments, or those that are usual.</summary>
    internal static int[] Numbers(string[] args, params int[] usual)
    {
        var given = args.Where(arg => int.TryParse(arg, out _)).Select(int.Parse).ToArray();
        return given.Length > 0 ? given : usual;
    }
}
