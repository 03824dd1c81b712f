namespace CacheKit.Diagnostics;

/// <summary>Lets the first message about a lasting condition through, then one a minute, and counts those it holds back.</summary>
/// <remarks>Safe for concurrent use; one instance for each condition.</remarks>
internal sealed class LogThrottle(TimeProvider time)
{
    internal static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    private const long Never = long.MinValue;

    private long _loggedAt = Never;
    private long _unreported;

    /// <summary>Whether to log this time.</summary>
    /// <param name="unreported">If so, how many were held back since the last message.</param>
    internal bool ShouldLog(out HeldBackMessages unreported)
    {
        var loggedAt = Volatile.Read(ref _loggedAt);
        var now = time.GetTimestamp();
        var isSilent = loggedAt != Never && time.GetElapsedTime(loggedAt, now) < Silence;

        // Of those who come at once, the one whose exchange succeeds speaks for all.
        if (isSilent || Interlocked.CompareExchange(ref _loggedAt, now, loggedAt) != loggedAt)
        {
            Interlocked.Increment(ref _unreported);
            unreported = default;
            return false;
        }

        unreported = new(Interlocked.Exchange(ref _unreported, 0));
        return true;
    }

    /// <summary>The condition is over: if it comes back, that is news.</summary>
    internal void Reset() => Volatile.Write(ref _loggedAt, Never);
}
