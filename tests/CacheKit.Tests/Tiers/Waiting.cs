using System.Diagnostics;

namespace CacheKit.Tests.Tiers;

/// <summary>Waits for what other threads bring about, however slow the machine is.</summary>
internal static class Waiting
{
    /// <summary>Only a mistake takes so long.</summary>
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(30);

    /// <param name="condition">What is waited for.</param>
    /// <param name="step">What is done between two looks: moving a clock on, say.</param>
    internal static Task UntilAsync(Func<bool> condition, Action? step = null) => UntilAsync(() => Task.FromResult(condition()), step);

    /// <inheritdoc cref="UntilAsync(Func{bool}, Action)"/>
    internal static async Task UntilAsync(Func<Task<bool>> condition, Action? step = null)
    {
        for (var began = Stopwatch.GetTimestamp(); !await condition();)
        {
            Stopwatch.GetElapsedTime(began).Should().BeLessThan(_limit, "what is waited for must come");
            step?.Invoke();
            await Task.Delay(1);
        }
    }
}
