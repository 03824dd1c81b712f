using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Collects mistakes, so that all are told at once, each with the option's name and the cache's.</summary>
internal sealed class OptionErrors(string options, string? optionsName)
{
    private readonly List<string> _errors = [];

    internal void Add(string option, string error) => AddCall($"{options}.{option}", error);

    /// <summary>The same for what a call of the builder says.</summary>
    internal void AddCall(string call, string error)
    {
        var cache = string.IsNullOrEmpty(optionsName) ? CacheKitBuilder.DefaultName : optionsName;
        _errors.Add($"Cache '{cache}': {call} {error}");
    }

    internal ValidateOptionsResult ToResult() => _errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_errors);
}
