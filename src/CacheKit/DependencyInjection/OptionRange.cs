namespace CacheKit.DependencyInjection;

/// <summary>Which values an option may have: told in one way wherever the value comes from.</summary>
/// <param name="Text">What goes on from "must be".</param>
/// <param name="Holds">Whether a value is one of them.</param>
internal sealed record OptionRange<T>(string Text, Func<T, bool> Holds);
