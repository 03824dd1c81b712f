namespace CacheKit.DependencyInjection;

/// <summary>The lengths of time that most options may have.</summary>
internal static class TimeRanges
{
    internal static readonly OptionRange<TimeSpan> Positive = new("greater than zero", static time => time > TimeSpan.Zero);
    internal static readonly OptionRange<TimeSpan> NotNegative = new("zero or more", static time => time >= TimeSpan.Zero);
}
