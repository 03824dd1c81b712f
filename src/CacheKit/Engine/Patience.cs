namespace CacheKit.Engine;

/// <summary>How long to wait: for ever, if for longer than a timer can.</summary>
internal static class Patience
{
    /// <summary>The longest time a timer takes: 49.7 days.</summary>
    private static readonly TimeSpan _longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1L);

    internal static TimeSpan? Of(TimeSpan? limit) => limit <= _longest ? limit : null;
}
