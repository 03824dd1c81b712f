using System.Diagnostics;
using CacheKit.Stores;

namespace CacheKit.Tests.Tiers;

/// <summary>Waits for what others bring about, threads, servers or processes, however slow the machine is.</summary>
internal static class Waiting
{
    /// <summary>Only a mistake takes so long.</summary>
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(60);

    /// <param name="condition">What is waited for.</param>
    /// <param name="step">What is done between two looks: moving a clock on, say.</param>
    /// <param name="what">The same in words, for whoever waits in vain.</param>
    internal static Task UntilAsync(Func<bool> condition, Action? step = null, string what = "what is waited for must come") =>
        UntilAsync(() => Task.FromResult(condition()), step, what);

    /// <inheritdoc cref="UntilAsync(Func{bool}, Action, string)"/>
    /// <remarks>A store that cannot be asked is asked again.</remarks>
    internal static async Task UntilAsync(Func<Task<bool>> condition, Action? step = null, string what = "what is waited for must come")
    {
        for (var began = Stopwatch.GetTimestamp(); !await HoldsAsync(condition, began);)
        {
            Stopwatch.GetElapsedTime(began).Should().BeLessThan(_limit, "{0}", what);
            step?.Invoke();
            await Task.Delay(1);
        }
    }

    private static async Task<bool> HoldsAsync(Func<Task<bool>> condition, long began)
    {
        try
        {
            return await condition();
        }
        catch (CacheStoreException) when (Stopwatch.GetElapsedTime(began) < _limit)
        {
            return false;
        }
    }
}
