using System.Globalization;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in the options of a memory tier.</summary>
internal sealed class MemoryOptionsValidator : IValidateOptions<MemoryOptions>
{
    private const long MostEntries = 1_000_000_000;
    private const long FewestBytes = 1_024;

    private static readonly TimeSpan _shortestInterval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan _longestInterval = TimeSpan.FromHours(1);

    public ValidateOptionsResult Validate(string? name, MemoryOptions options)
    {
        var errors = new OptionErrors(nameof(MemoryOptions), name);
        if (options.MaximumEntries is < 1 or > MostEntries)
        {
            errors.Add(nameof(options.MaximumEntries), string.Create(
                CultureInfo.InvariantCulture, $"must be from 1 to {MostEntries:N0}, but is {options.MaximumEntries:N0}."));
        }

        if (options.MaximumBytes < FewestBytes)
        {
            errors.Add(nameof(options.MaximumBytes), string.Create(
                CultureInfo.InvariantCulture, $"must be at least {FewestBytes:N0}, but is {options.MaximumBytes:N0}."));
        }

        if (options is { MaximumEntries: { } entries, MaximumBytes: { } bytes })
        {
            errors.Add($"{nameof(options.MaximumEntries)} and {nameof(options.MaximumBytes)}", string.Create(
                CultureInfo.InvariantCulture, $"are both set, to {entries:N0} and {bytes:N0}, but a cache has one bound. Leave one of them unset, or set it to null."));
        }

        if (options is { SizeOf: not null, MaximumBytes: null })
        {
            errors.Add(nameof(options.SizeOf), "is set, but would never be asked: the cache is bounded by a number of entries. Set MaximumBytes, or leave SizeOf unset.");
        }

        // Written so that NaN is a mistake too.
        if (!(options.MemoryPressureShare > 0 && options.MemoryPressureShare <= 1))
        {
            errors.Add(nameof(options.MemoryPressureShare), string.Create(
                CultureInfo.InvariantCulture, $"must be greater than 0 and at most 1, but is {options.MemoryPressureShare}. 1 turns shrinking off."));
        }

        if (options.MaintenanceInterval < _shortestInterval || options.MaintenanceInterval > _longestInterval)
        {
            errors.Add(nameof(options.MaintenanceInterval), $"must be from {_shortestInterval:g} to {_longestInterval:g}, but is {options.MaintenanceInterval}.");
        }

        return errors.ToResult();
    }
}
