using System.Globalization;

namespace CacheKit.DependencyInjection;

/// <summary>Which values an option may have: told in one way wherever the value comes from.</summary>
/// <param name="Text">What goes on from "must be".</param>
/// <param name="Holds">Whether a value is one of them.</param>
internal sealed record OptionRange<T>(string Text, Func<T, bool> Holds)
{
    /// <summary>What is wrong with a value, to go on from the option's name; <see langword="null"/> if nothing is.</summary>
    /// <param name="value">The value.</param>
    /// <param name="format">How it is written, if not as usual.</param>
    internal string? FindMistake(T value, string? format = null) =>
        Holds(value) ? null : $"must be {Text}, but is {(value as IFormattable)?.ToString(format, CultureInfo.InvariantCulture) ?? $"{value}"}.";
}
