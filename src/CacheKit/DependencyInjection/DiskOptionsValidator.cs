using System.Globalization;
using CacheKit.Disk;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Finds mistakes in the options of a disk store.</summary>
internal sealed class DiskOptionsValidator : IValidateOptions<DiskOptions>
{
    private const int LeastEntryBytes = 64;
    private const int MostEntryBytes = 64 << 20;
    private const int FewestTags = 100;
    private const int MostTags = 10_000_000;

    public ValidateOptionsResult Validate(string? name, DiskOptions options)
    {
        var errors = new OptionErrors(nameof(DiskOptions), name);
        if (PathError(options.Path) is { } error)
        {
            errors.Add(nameof(options.Path), error);
        }

        var isInRange = true;
        if (options.MaximumBytes is < DiskGeometry.LeastBytes or > DiskGeometry.MostBytes)
        {
            isInRange = false;
            errors.Add(nameof(options.MaximumBytes), string.Create(
                CultureInfo.InvariantCulture,
                $"must be from {DiskGeometry.LeastBytes:N0} (16 MiB) to {DiskGeometry.MostBytes:N0} (1 TiB), but is {options.MaximumBytes:N0}."));
        }

        if (options.ExpectedEntryBytes is < LeastEntryBytes or > MostEntryBytes)
        {
            isInRange = false;
            errors.Add(nameof(options.ExpectedEntryBytes), string.Create(
                CultureInfo.InvariantCulture, $"must be from {LeastEntryBytes:N0} to {MostEntryBytes:N0}, but is {options.ExpectedEntryBytes:N0}."));
        }

        if (options.ExpectedTags is < FewestTags or > MostTags)
        {
            isInRange = false;
            errors.Add(nameof(options.ExpectedTags), string.Create(
                CultureInfo.InvariantCulture, $"must be from {FewestTags:N0} to {MostTags:N0}, but is {options.ExpectedTags:N0}. Leave it unset for a default that suits most."));
        }

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
