using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Collects mistakes, so that all are told at once, each with the option's name and the cache's.</summary>
internal sealed class OptionErrors(string options, string? optionsName)
{
    private readonly List<string> _errors = [];

    internal void Add(string option, string error) => AddCall($"{options}.{option}", error);

    /// <summary>Adds a mistake if a value is out of its range.</summary>
    /// <param name="option">The option.</param>
    /// <param name="range">What it must be.</param>
    /// <param name="value">What it is.</param>
    /// <param name="hint">What else to say, from a blank on.</param>
    /// <param name="format">How the value is written, if not as usual.</param>
    /// <returns>Whether the value is in its range.</returns>
    internal bool Require<T>(string option, OptionRange<T> range, T value, string? hint = null, string? format = null)
        where T : IFormattable
    {
        if (range.FindMistake(value, format) is not { } mistake)
        {
            return true;
        }

        Add(option, mistake + hint);
        return false;
    }

    /// <summary>The same for what a call of the builder says.</summary>
    internal void AddCall(string call, string error)
    {
        var cache = string.IsNullOrEmpty(optionsName) ? CacheKitBuilder.DefaultName : optionsName;
        _errors.Add($"Cache '{cache}': {call} {error}");
    }

    /// <summary>Adds what others have found, with all that is to be said.</summary>
    internal void AddAll(IEnumerable<string> errors) => _errors.AddRange(errors);

    internal ValidateOptionsResult ToResult() => _errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_errors);
}
