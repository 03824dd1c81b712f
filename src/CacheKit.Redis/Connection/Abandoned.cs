namespace CacheKit.Redis.Connection;

/// <summary>Tasks nobody waits for any more.</summary>
internal static class Abandoned
{
    /// <summary>Takes note of how a task ends, so that its failure is not reported as overlooked.</summary>
    internal static void Observe(Task abandoned) =>
        _ = abandoned.ContinueWith(
            static ended => _ = ended.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
}
