using System.Globalization;
using CacheKit.Disk;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in the options of a disk store.</summary>
internal sealed class DiskOptionsValidator : IValidateOptions<DiskOptions>
{
    internal static readonly OptionRange<long> Bytes = new(
        string.Create(CultureInfo.InvariantCulture, $"from {DiskGeometry.LeastBytes:N0} (16 MiB) to {DiskGeometry.MostBytes:N0} (1 TiB)"),
        static bytes => bytes is >= DiskGeometry.LeastBytes and <= DiskGeometry.MostBytes);

    internal static readonly OptionRange<long> EntryBytes = new("from 64 to 67,108,864", static bytes => bytes is >= 64 and <= 64 << 20);
    internal static readonly OptionRange<long> Tags = new("from 100 to 10,000,000", static tags => tags is >= 100 and <= 10_000_000);

    public ValidateOptionsResult Validate(string? name, DiskOptions options)
    {
        var errors = new OptionErrors(nameof(DiskOptions), name);
        if (PathError(options.Path) is { } error)
        {
            errors.Add(nameof(options.Path), error);
        }

        var isInRange = errors.Require(nameof(options.MaximumBytes), Bytes, options.MaximumBytes, format: "N0")
            & errors.Require(nameof(options.ExpectedEntryBytes), EntryBytes, options.ExpectedEntryBytes, format: "N0")
            & (options.ExpectedTags is not { } tags
                || errors.Require(nameof(options.ExpectedTags), Tags, tags, " Leave it unset for a default that suits most.", "N0"));
        if (isInRange && DiskGeometry.For(options.MaximumBytes, options.ExpectedEntryBytes, options.ExpectedTags) is var geometry
            && geometry.SegmentCount < DiskGeometry.FewestSegments)
        {
            errors.Add(nameof(options.MaximumBytes), string.Create(
                CultureInfo.InvariantCulture,
                $"is {options.MaximumBytes:N0}, of which the index for {nameof(options.ExpectedEntryBytes)} = {options.ExpectedEntryBytes:N0} and the tags "
                + $"takes {geometry.IndexBytes:N0}, which leaves too little for entries. Set it, or {nameof(options.ExpectedEntryBytes)}, to more, or {nameof(options.ExpectedTags)} to less."));
        }

        return errors.ToResult();
    }

    private static string? PathError(string? path)
    {
        if (string.IsNullOrWhiteSpace(path))
        {
            return "is empty, but must name a directory.";
        }

        try
        {
            Path.GetFullPath(path);
            return null;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException or PathTooLongException)
        {
            return $"is '{path}', which cannot be a path: {exception.Message}";
        }
    }
}
