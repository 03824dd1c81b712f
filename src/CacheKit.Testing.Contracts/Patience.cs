using FluentAssertions.Execution;

namespace CacheKit.Testing.Contracts;

/// <summary>How long tests wait for what needs no more than the processor's time, so that a hang is a failed test with a message.</summary>
internal static class Patience
{
    // Only a hang waits for so long. Generous, since the machine may have other things to do.
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(60);

    internal static async Task WaitAsync(Task task, string what)
    {
        using var enough = new CancellationTokenSource();
        var first = await Task.WhenAny(task, Task.Delay(_limit, TimeProvider.System, enough.Token));
        await enough.CancelAsync();
        if (first != task && !task.IsCompleted)
        {
            Execute.Assertion.FailWith("Nothing came of {0} within {1}.", what, _limit);
        }

        await task;
    }
}
