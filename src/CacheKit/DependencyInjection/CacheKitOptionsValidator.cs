using System.Globalization;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in the options of a cache.</summary>
internal sealed class CacheKitOptionsValidator : IValidateOptions<CacheKitOptions>
{
    public ValidateOptionsResult Validate(string? name, CacheKitOptions options)
    {
        var errors = new OptionErrors(nameof(CacheKitOptions), name);
        if (options.DefaultEntryOptions is not { } defaults)
        {
            errors.Add(nameof(options.DefaultEntryOptions), "is null. Assign new CacheEntryOptions() to have no defaults.");
        }
        else
        {
            if (defaults.Expiration <= TimeSpan.Zero)
            {
                errors.Add(
                    $"{nameof(options.DefaultEntryOptions)}.{nameof(defaults.Expiration)}",
                    $"must be greater than zero, but is {defaults.Expiration}: nothing would ever be stored. Leave it unset for no limit.");
            }

            if (defaults.SkipsMemoryRead)
            {
                errors.Add(
                    $"{nameof(options.DefaultEntryOptions)}.{nameof(defaults.Tiers)}",
                    $"must include {nameof(CacheTiers.ReadMemory)}, but is {defaults.Tiers}. A cache that is not to read memory needs none: call {nameof(CacheKitBuilder.WithoutMemory)}.");
            }

            foreach (var tag in defaults.Tags ?? [])
            {
                if (TagError(tag) is { } error)
                {
                    errors.Add($"{nameof(options.DefaultEntryOptions)}.{nameof(defaults.Tags)}", $"has a tag that cannot be one. {error}");
                }
            }
        }

        if (!Enum.IsDefined(options.TypeMismatch))
        {
            errors.Add(nameof(options.TypeMismatch), $"must be Throw or Miss, but is {options.TypeMismatch}.");
        }

        if (options.Serialization.CompressionThreshold < 0)
        {
            errors.Add(
                $"{nameof(options.Serialization)}.{nameof(SerializationOptions.CompressionThreshold)}",
                string.Create(CultureInfo.InvariantCulture, $"must be zero or more, but is {options.Serialization.CompressionThreshold:N0}."));
        }

        if (options.Serialization.MaximumDecompressedBytes < SerializationOptions.LeastMaximumDecompressedBytes)
        {
            errors.Add($"{nameof(options.Serialization)}.{nameof(SerializationOptions.MaximumDecompressedBytes)}", string.Create(
                CultureInfo.InvariantCulture,
                $"must be at least {SerializationOptions.LeastMaximumDecompressedBytes:N0}, but is {options.Serialization.MaximumDecompressedBytes:N0}."));
        }

        return errors.ToResult();
    }

    /// <summary>What is wrong with a tag; <see langword="null"/> if nothing is.</summary>
    internal static string? TagError(string tag)
    {
        try
        {
            TagSet.Check(tag, "tag");
            return null;
        }
        catch (ArgumentNullException)
        {
            return "A tag must not be null.";
        }
        catch (ArgumentException exception)
        {
            return exception.Message.Replace(" (Parameter 'tag')", null, StringComparison.Ordinal);
        }
    }
}
