using Microsoft.Extensions.Options;

namespace CacheKit.Redis.DependencyInjection;

/// <summary>Finds mistakes in the options of a Redis store.</summary>
internal sealed class RedisOptionsValidator : IValidateOptions<RedisOptions>
{
    public ValidateOptionsResult Validate(string? name, RedisOptions options)
    {
        // As CacheKitBuilder.Name says.
        var cache = string.IsNullOrEmpty(name) ? ConnectionCheck.DefaultName : name;
        var errors = options.FindMistakes().Select(mistake => $"Cache '{cache}': {nameof(RedisOptions)}.{mistake}").ToList();
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
