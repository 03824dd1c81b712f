using System.Globalization;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in the options of a memory tier.</summary>
internal sealed class MemoryOptionsValidator : IValidateOptions<MemoryOptions>
{
    // Written so that NaN is out of range too.
    internal static readonly OptionRange<double> PressureShare = new("greater than 0 and at most 1", static share => share > 0 && share <= 1);

    internal static readonly OptionRange<long> Entries = new("from 1 to 1,000,000,000", static entries => entries is >= 1 and <= 1_000_000_000);
    internal static readonly OptionRange<long> Bytes = new("at least 1,024", static bytes => bytes >= 1_024);
    internal static readonly OptionRange<TimeSpan> Interval = new(
        "from 0:00:00.01 to 1:00:00", static time => time >= TimeSpan.FromMilliseconds(10) && time <= TimeSpan.FromHours(1));

    public ValidateOptionsResult Validate(string? name, MemoryOptions options)
    {
        var errors = new OptionErrors(nameof(MemoryOptions), name);
        if (options.MaximumEntries is { } most)
        {
            errors.Require(nameof(options.MaximumEntries), Entries, most, format: "N0");
        }

        if (options.MaximumBytes is { } size)
        {
            errors.Require(nameof(options.MaximumBytes), Bytes, size, format: "N0");
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

        errors.Require(nameof(options.MemoryPressureShare), PressureShare, options.MemoryPressureShare, " 1 turns shrinking off.");
        errors.Require(nameof(options.MaintenanceInterval), Interval, options.MaintenanceInterval);
        return errors.ToResult();
    }
}
