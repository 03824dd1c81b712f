using CacheKit.Adapters;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in the options of a cache that stands in for HybridCache.</summary>
internal sealed class HybridCacheOptionsValidator : IValidateOptions<CacheKitHybridCacheOptions>
{
    public ValidateOptionsResult Validate(string? name, CacheKitHybridCacheOptions options)
    {
        var errors = new OptionErrors(nameof(CacheKitHybridCacheOptions), name);
        if (options.MaximumKeyLength < 1)
        {
            errors.Add(nameof(options.MaximumKeyLength), $"must be at least 1, but is {options.MaximumKeyLength}: nothing would ever be cached.");
        }

        if (options.MaximumPayloadBytes < 1)
        {
            errors.Add(nameof(options.MaximumPayloadBytes), $"must be at least 1, but is {options.MaximumPayloadBytes}. Leave it unset for no limit of its own.");
        }

        return errors.ToResult();
    }
}
