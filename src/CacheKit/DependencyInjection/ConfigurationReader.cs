using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace CacheKit.DependencyInjection;

/// <summary>Sets options from configuration.</summary>
/// <remarks>
/// Written out, because the configuration binder would pass over a misspelt name, or report it without its path; would
/// take <c>"5"</c> for five days; and would replace the default entry options as a whole, whose properties are init-only.
/// </remarks>
internal static class ConfigurationReader
{
    private const string Memory = "Memory";
    private const string Disk = "Disk";

    private static readonly OptionRange<long> _compressible = new("from 0 to 2,147,483,647", static bytes => bytes is >= 0 and <= int.MaxValue);
    private static readonly OptionRange<long> _decompressed = new("from 1,024 to 2,147,483,647", static bytes => bytes is >= SerializationOptions.LeastMaximumDecompressedBytes and <= int.MaxValue);
    private static readonly OptionRange<long> _size = new("zero or more", static size => size >= 0);
    private static readonly OptionRange<double> _threshold = new("greater than 0 and less than 1", static share => share > 0 && share < 1);

    internal static void Read(IConfiguration configuration, string optionsName, CacheKitOptions options, IEnumerable<string>? sectionsOfStores = null, bool hasDisk = true)
    {
        var errors = new List<string>();
        var section = SectionReader.Open(configuration, errors, hasStores: true);
        if (section.Section(nameof(options.DefaultEntryOptions)) is { } defaults)
        {
            options.DefaultEntryOptions = ReadEntryOptions(defaults, options.DefaultEntryOptions ?? new());
        }

        options.TypeMismatch = section.Choice<TypeMismatch>(nameof(options.TypeMismatch)) ?? options.TypeMismatch;
        if (section.Section(nameof(options.Isolation)) is { } isolation)
        {
            options.Isolation.IsolateAll = isolation.Flag(nameof(options.Isolation.IsolateAll)) ?? options.Isolation.IsolateAll;
            isolation.OnlyInCode(nameof(options.Isolation.JsonSerializerOptions));
            isolation.End();
        }

        if (section.Section(nameof(options.Serialization)) is { } serialization)
        {
            Read(serialization, options.Serialization);
        }

        section.Section(Memory); // these are read by the other methods
        if (section.Section(Disk) is { } disk && !hasDisk)
        {
            Read(disk, new DiskOptions()); // nobody else looks whether it is right
        }

        foreach (var store in sectionsOfStores ?? [])
        {
            section.Section(store);
        }

        section.End();
        ThrowIfAny(errors, optionsName, typeof(CacheKitOptions));
    }

    internal static void Read(IConfiguration configuration, string optionsName, MemoryOptions options)
    {
        var errors = new List<string>();
        if (SectionReader.OpenWithin(configuration, Memory, errors) is { } memory)
        {
            options.MaximumEntries = memory.Number(nameof(options.MaximumEntries), MemoryOptionsValidator.Entries) ?? options.MaximumEntries;
            options.MaximumBytes = memory.Number(nameof(options.MaximumBytes), MemoryOptionsValidator.Bytes) ?? options.MaximumBytes;
            options.MemoryPressureShare = memory.Share(nameof(options.MemoryPressureShare), MemoryOptionsValidator.PressureShare) ?? options.MemoryPressureShare;
            options.MaintenanceInterval = memory.Duration(nameof(options.MaintenanceInterval), MemoryOptionsValidator.Interval) ?? options.MaintenanceInterval;
            memory.OnlyInCode(nameof(options.SizeOf));
            memory.End();
        }

        ThrowIfAny(errors, optionsName, typeof(MemoryOptions));
    }

    internal static void Read(IConfiguration configuration, string optionsName, DiskOptions options)
    {
        var errors = new List<string>();
        if (SectionReader.OpenWithin(configuration, Disk, errors) is { } disk)
        {
            Read(disk, options);
        }

        ThrowIfAny(errors, optionsName, typeof(DiskOptions));
    }

    private static void Read(SectionReader disk, DiskOptions options)
    {
        options.MaximumBytes = disk.Number(nameof(options.MaximumBytes), DiskOptionsValidator.Bytes) ?? options.MaximumBytes;
        options.ExpectedEntryBytes = (int?)disk.Number(nameof(options.ExpectedEntryBytes), DiskOptionsValidator.EntryBytes) ?? options.ExpectedEntryBytes;
        options.ExpectedTags = (int?)disk.Number(nameof(options.ExpectedTags), DiskOptionsValidator.Tags) ?? options.ExpectedTags;
        options.IsShared = disk.Flag(nameof(options.IsShared)) ?? options.IsShared;
        disk.OnlyInCode(nameof(options.Path));
        disk.OnlyInCode(nameof(options.Store));
        disk.End();
    }

    private static void Read(SectionReader section, SerializationOptions options)
    {
        options.Compress = section.Flag(nameof(options.Compress)) ?? options.Compress;
        options.CompressionThreshold = (int?)section.Number(nameof(options.CompressionThreshold), _compressible) ?? options.CompressionThreshold;
        options.MaximumDecompressedBytes = (int?)section.Number(nameof(options.MaximumDecompressedBytes), _decompressed) ?? options.MaximumDecompressedBytes;
        section.OnlyInCode(nameof(options.JsonSerializerOptions));
        section.OnlyInCode(nameof(options.Encryption));
        section.End();
    }

    private static CacheEntryOptions ReadEntryOptions(SectionReader section, CacheEntryOptions before)
    {
        var (softHere, hardHere) = (Positive(nameof(before.SoftTimeout)), Positive(nameof(before.HardTimeout)));
        var (soft, hard) = (softHere ?? before.SoftTimeout, hardHere ?? before.HardTimeout);
        if (CacheEntryOptions.IsContradiction(soft, hard))
        {
            if (softHere is null)
            {
                section.Mistake(nameof(before.HardTimeout), $"must be at least {nameof(before.SoftTimeout)}, but that is {soft}, and this {hard}.");
            }
            else
            {
                section.Mistake(nameof(before.SoftTimeout), $"must be at most {nameof(before.HardTimeout)}, but that is {hard}, and this {soft}.");
            }

            soft = null;
        }

        var read = new CacheEntryOptions
        {
            Expiration = Positive(nameof(before.Expiration)) ?? before.Expiration,
            SlidingExpiration = Positive(nameof(before.SlidingExpiration)) ?? before.SlidingExpiration,
            MemoryExpiration = Positive(nameof(before.MemoryExpiration)) ?? before.MemoryExpiration,
            Jitter = NotNegative(nameof(before.Jitter)) ?? before.Jitter,
            Tags = section.Texts(nameof(before.Tags), CacheKitOptionsValidator.TagError) ?? before.Tags,
            Size = section.Number(nameof(before.Size), _size) ?? before.Size,
            StaleFor = NotNegative(nameof(before.StaleFor)) ?? before.StaleFor,
            RetryAfterFailure = NotNegative(nameof(before.RetryAfterFailure)) ?? before.RetryAfterFailure,
            RefreshAheadThreshold = section.Share(nameof(before.RefreshAheadThreshold), _threshold) ?? before.RefreshAheadThreshold,
            SoftTimeout = soft,
            HardTimeout = hard,
            ExpirationTokens = before.ExpirationTokens,
            Isolate = section.Flag(nameof(before.Isolate)) ?? before.Isolate,
            AllowStale = section.Flag(nameof(before.AllowStale)) ?? before.AllowStale,
            Tiers = section.Choice<CacheTiers>(nameof(before.Tiers)) ?? before.Tiers,
            Compress = section.Flag(nameof(before.Compress)) ?? before.Compress,
        };
        section.OnlyInCode(nameof(before.ExpirationTokens));
        section.End();
        return read;

        // The properties check this too; here an error can name its path.
        TimeSpan? Positive(string name) => section.Duration(name, TimeRanges.Positive);
        TimeSpan? NotNegative(string name) => section.Duration(name, TimeRanges.NotNegative);
    }

    private static void ThrowIfAny(List<string> errors, string optionsName, Type options)
    {
        if (errors.Count > 0)
        {
            throw new OptionsValidationException(optionsName, options, errors);
        }
    }
}
