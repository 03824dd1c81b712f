using CacheKit.DependencyInjection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace CacheKit.Redis.DependencyInjection;

/// <summary>Sets the options from the section <c>Redis</c> of a cache's configuration.</summary>
internal static class RedisSection
{
    internal const string Name = "Redis";

    /// <exception cref="OptionsValidationException">Something there cannot be read, or has no such name.</exception>
    internal static void Read(IConfigurationSection configuration, string optionsName, RedisOptions options)
    {
        var errors = new List<string>();
        var redis = SectionReader.Open(configuration, errors);
        options.KeyPrefix = redis.Text(nameof(options.KeyPrefix)) ?? options.KeyPrefix;
        options.OperationTimeout = redis.Duration(nameof(options.OperationTimeout), RedisOptions.OperationTimes) ?? options.OperationTimeout;
        options.MaximumLoadTime = redis.Duration(nameof(options.MaximumLoadTime), RedisOptions.LoadTimes) ?? options.MaximumLoadTime;
        options.MessageLogLength = (int?)redis.Number(nameof(options.MessageLogLength), RedisOptions.LogLengths) ?? options.MessageLogLength;
        options.RequireConnectionAtStart = redis.Flag(nameof(options.RequireConnectionAtStart)) ?? options.RequireConnectionAtStart;
        redis.OnlyInCode(nameof(options.Store));
        redis.End();
        if (errors.Count > 0)
        {
            throw new OptionsValidationException(optionsName, typeof(RedisOptions), errors);
        }
    }
}
