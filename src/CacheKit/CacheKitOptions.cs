namespace CacheKit;

/// <summary>How a cache behaves, whatever tiers it has. Read once, when the cache is created.</summary>
public sealed class CacheKitOptions
{
    /// <summary>What entries have where a call leaves it unset. Default: all unset.</summary>
    public CacheEntryOptions DefaultEntryOptions { get; set; } = new();

    /// <summary>What reading a key as another type than was stored does. Default: it throws.</summary>
    public TypeMismatch TypeMismatch { get; set; }

    /// <summary>The sharing and copying of mutable values. Default: the object that was stored is handed to every caller.</summary>
    public IsolationOptions Isolation { get; } = new();

    /// <summary>How values are written for stores. Default: as they are, or as JSON; neither compressed nor encrypted.</summary>
    public SerializationOptions Serialization { get; } = new();
}
