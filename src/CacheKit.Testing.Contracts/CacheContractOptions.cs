namespace CacheKit.Testing.Contracts;

/// <summary>What a contract test asks of the cache it is given. A provider passes all of it on to the cache it makes.</summary>
public sealed class CacheContractOptions
{
    /// <summary>The name of the cache. Two caches of one test that differ in it must not see each other's entries.</summary>
    public string Name { get; set; } = "contract";

    /// <summary>How the cache behaves: default entry options, type mismatch, isolation.</summary>
    public CacheKitOptions Cache { get; } = new();

    /// <summary>
    /// How large the memory tier may grow. It does not shrink when the machine that runs the tests is short of memory,
    /// and its upkeep comes by once an hour: else what it takes out hides whether a reader would have noticed.
    /// A provider without a memory tier ignores it.
    /// </summary>
    public MemoryOptions Memory { get; } = new() { MemoryPressureShare = 1, MaintenanceInterval = TimeSpan.FromHours(1) };

    /// <summary>Told what happens in the cache.</summary>
    public IList<CacheObserver> Observers { get; } = [];

    /// <summary>What entries have where a call leaves it unset; short for that property of <see cref="Cache"/>.</summary>
    public CacheEntryOptions Defaults
    {
        get => Cache.DefaultEntryOptions;
        set => Cache.DefaultEntryOptions = value;
    }
}
