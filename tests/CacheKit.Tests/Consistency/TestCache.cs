using System.Diagnostics;
using CacheKit.Engine;
using Microsoft.Extensions.Logging.Abstractions;

namespace CacheKit.Tests.Consistency;

/// <summary>Makes the engine's cache as the tests here want it: without logs or meters, perhaps with a planted fault.</summary>
internal static class TestCache
{
    internal static Cache Create(
        TimeProvider? time = null, MemoryOptions? memory = null, CacheEntryOptions? defaults = null, TypeMismatch typeMismatch = default,
        Faults faults = Faults.None, string name = "test", params CacheObserver[] observers)
    {
        var options = new CacheKitOptions { TypeMismatch = typeMismatch };
        if (defaults is not null)
        {
            options.DefaultEntryOptions = defaults;
        }

        return new Cache(
            name, options, memory ?? new MemoryOptions { MemoryPressureShare = 1 }, time ?? TimeProvider.System, NullLogger.Instance, observers,
            meters: null, isMemoryShort: static () => false, faults);
    }

    /// <summary>Waits for what lands behind the callers' backs, then sees that nothing is left over or contradicts itself.</summary>
    internal static void Settle(this Cache cache)
    {
        for (var clock = Stopwatch.StartNew(); ; Thread.Yield())
        {
            try
            {
                cache.Verify();
                return;
            }
            catch (InvalidOperationException) when (clock.Elapsed < TimeSpan.FromSeconds(10))
            {
                // A flight lands a moment after its factory has ended.
            }
        }
    }

    internal static void End(Cache cache)
    {
        using (cache)
        {
            cache.Settle();
        }
    }
}
