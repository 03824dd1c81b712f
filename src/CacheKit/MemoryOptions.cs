namespace CacheKit;

/// <summary>How large the memory tier may grow. Set one of the two bounds.</summary>
public sealed class MemoryOptions
{
    /// <summary>The bound used when neither is set.</summary>
    public const long DefaultMaximumEntries = 100_000;

    /// <summary>The most entries held at any instant. Default: 100,000, unless <see cref="MaximumBytes"/> is set.</summary>
    /// <value>1 to 1,000,000,000.</value>
    public long? MaximumEntries { get; set; }

    /// <summary>The most bytes held at any instant, as sizes are given or estimated. Default: unset.</summary>
    /// <value>At least 1,024. Cannot be combined with <see cref="MaximumEntries"/>.</value>
    public long? MaximumBytes { get; set; }

    /// <summary>
    /// Tells the size of a value in bytes, from its key and value, when <see cref="CacheEntryOptions.Size"/> is unset.
    /// Default: an estimate, good for strings, arrays and numbers, rough for object graphs.
    /// </summary>
    /// <remarks>Called on every store with a byte bound, outside any lock. If it throws, the store fails with that exception.</remarks>
    public Func<string, object?, long>? SizeOf { get; set; }

    /// <summary>
    /// To what share of what it holds the cache shrinks when the garbage collector reports that memory is short, and keeps to until the load
    /// has passed; what holds less than a quarter of its bound counts as a quarter. Default: 0.5.
    /// </summary>
    /// <value>Greater than 0, up to 1; 1 turns shrinking off.</value>
    public double MemoryPressureShare { get; set; } = 0.5;

    /// <summary>How often expired entries are looked for and memory load is checked. Default: 1 second.</summary>
    /// <value>From 10 milliseconds to 1 hour.</value>
    /// <remarks>
    /// An expired entry is never served, but keeps its place until it is looked for: until the next interval in a cache of up to
    /// some ten thousand entries, within ten intervals in a larger one.
    /// </remarks>
    public TimeSpan MaintenanceInterval { get; set; } = TimeSpan.FromSeconds(1);
}
